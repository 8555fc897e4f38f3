//! Why a case did not pass, and the two macros that say so.

use std::fmt;
use std::io;

/// The end of a case before its end.
#[derive(Debug)]
pub enum Failure {
    /// The case shows that something is wrong.
    Failed(String),
    /// The case cannot say anything here; the text says why.
    Skipped(String),
}

/// What every part of the lab returns.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with this text.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// The same failure with what was being done in front.
    #[must_use]
    pub fn during(self, what: &str) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(format!("{what}: {text}")),
            skipped @ Self::Skipped(_) => skipped,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Skipped(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Ends the case with a failure.
#[macro_export]
macro_rules! fail {
    ($($text:tt)*) => { return Err($crate::lab::Failure::failed(format!($($text)*))) };
}

/// Ends the case with a failure unless the condition holds.
#[macro_export]
macro_rules! expect {
    ($condition:expr, $($text:tt)*) => {
        let holds: bool = $condition;
        if !holds {
            $crate::fail!($($text)*)
        }
    };
}
