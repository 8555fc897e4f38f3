//! A log that tests of other modules can read.

use super::*;

impl Logger {
    /// A logger whose facts stay until [`Logger::lines`] is asked for them.
    pub(crate) fn kept() -> Self {
        let queue = Arc::new(Queue::new(16));
        Self { queue, lost: Arc::default(), level: Level::Debug }
    }

    /// The lines about the facts since the last call.
    pub(crate) fn lines(&self) -> String {
        let mut writer = Writer::new(self.clone(), Format::Text, Vec::new());
        while let Some(entry) = self.queue.try_pop() {
            writer.entry(entry);
        }
        written(writer)
    }
}
