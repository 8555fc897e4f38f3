//! What a client proves itself with, and what the answer is.

/// A name and a proof, borrowed from the packet that brought them.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The name as typed: `user`, `user@hub`, `hub\user`.
    pub name: &'a [u8],
    /// What proves it.
    pub proof: Proof<'a>,
}

/// The proof of one authentication method.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The password itself (RFC 1334 §2).
    Pap {
        /// As typed, in the client's encoding.
        password: &'a [u8],
    },
    /// A response to our challenge (RFC 2759 §4).
    MsChapV2 {
        /// The challenge we sent.
        authenticator_challenge: &'a [u8; 16],
        /// The challenge in the client's response.
        peer_challenge: &'a [u8; 16],
        /// The 24-octet NT response.
        nt_response: &'a [u8; 24],
    },
}

/// The answer to [`Credentials`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client is who it says it is.
    Accept {
        /// MS-CHAPv2's proof that we know the password too (RFC 2759 §8.7).
        authenticator_response: Option<[u8; 20]>,
    },
    /// The client may not enter.
    Refuse(Refusal),
}

/// Why a client may not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No user of that name in the hub.
    UnknownUser,
    /// The proof does not fit.
    WrongPassword,
    /// The user cannot use this method.
    MethodRefused,
    /// The account has expired.
    Expired,
    /// The user has as many sessions as allowed.
    TooManySessions,
    /// A table of ours is full.
    NoRoom,
    /// Nobody answered in time.
    Timeout,
}
