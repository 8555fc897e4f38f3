//! IKEv1 as a client speaks it: main mode with a pre-shared key, quick mode for L2TP in transport
//! mode, informational exchanges (RFC 2407, 2408, 2409), NAT traversal (RFC 3947), DPD (RFC 3706).
//!
//! The client begins; once it is up, the server may renew either phase too. Not done: aggressive
//! mode, certificates, XAUTH, fragmentation of messages.

mod inform;
mod main_mode;
mod message;
mod offer;
mod quick_answer;
mod quick_mode;
mod secrets;
mod timer;

use std::net::SocketAddr;

use kumihimo_core::time::{Duration, Instant};

use super::algorithm::{EspCipher, Hash};
use super::random::Random;
use super::{Reach, Reason, Stage};
use crate::profile::Profile;
use main_mode::Negotiation;
use message::Header;
use quick_mode::Exchange;
use secrets::Secrets;

/// What IKE asks its client to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Send a message: from port 4500, behind a marker, or from port 500.
    Send { floated: bool, message: Vec<u8> },
    /// A pair of SAs stands.
    Install(Box<Pair>),
    /// The peer has it too: send on it.
    Activate { spi_in: u32 },
    /// The peer took back the SA that it receives on.
    Remove { spi_out: u32 },
    /// It did not come to an end.
    Failed(Stage, Reason),
    /// The peer said something that may be the reason why it will fail.
    Note(Stage, u16),
    /// The peer is gone.
    Gone(Reason),
}

/// A pair of ESP SAs as agreed on.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    pub(super) cipher: EspCipher,
    pub(super) mac: Option<Hash>,
    pub(super) key_in: Vec<u8>,
    pub(super) key_out: Vec<u8>,
    /// Whether ESP travels in UDP.
    pub(super) in_udp: bool,
    pub(super) lifetime: Duration,
    /// Whether we began the negotiation.
    pub(super) ours: bool,
}

/// What an IKE SA is encrypted with, for a dissector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeKey {
    /// The initiator's cookie.
    pub cookie: [u8; 8],
    /// The key of the messages.
    pub key: Vec<u8>,
}

/// Where and as whom it speaks.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Our address as we know it, with the ports towards 500 and 4500.
    pub(super) local: [SocketAddr; 2],
    /// The server's address with both its ports.
    pub(super) server: [SocketAddr; 2],
    pub(super) psk: Vec<u8>,
    /// Say that there is a NAT, whatever the hashes tell.
    pub(super) forces_udp: bool,
    /// Our inner UDP port.
    pub(super) l2tp_port: u16,
}

/// An IKE SA.
#[derive(Debug)]
struct IkeSa {
    cookies: [[u8; 8]; 2],
    secrets: Secrets,
    /// The last block of phase 1.
    last_block: Vec<u8>,
    natt: Option<Natt>,
    renew_at: Option<Instant>,
    expires: Instant,
    peer_knows_dpd: bool,
    /// Messages of quick mode and informational exchanges that we began.
    begun: u32,
}

/// Flavours of NAT traversal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Natt {
    Rfc3947,
    Draft,
}

/// What is found of NATs on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Unknown,
    Clear,
    Nat,
}

/// The negotiator.
#[derive(Debug)]
pub(super) struct Ike {
    profile: &'static Profile,
    ends: Ends,
    /// The newest one is last.
    sas: Vec<IkeSa>,
    negotiations: Vec<Negotiation>,
    exchanges: Vec<Exchange>,
    floated: bool,
    way: Way,
    was_ready: bool,
    /// A pair is to be negotiated once there is an IKE SA.
    wants_pair: bool,
    heard_at: Instant,
    asked: u32,
    ask_at: Option<Instant>,
    sequence: u32,
    keepalive_at: Option<Instant>,
    keys: Vec<IkeKey>,
}

/// What a call may use.
pub(super) struct Cx<'c> {
    pub(super) now: Instant,
    pub(super) random: &'c mut Random,
    pub(super) out: &'c mut Vec<Action>,
}

impl Ike {
    pub(super) const fn new(profile: &'static Profile, ends: Ends) -> Self {
        Self {
            profile,
            ends,
            sas: Vec::new(),
            negotiations: Vec::new(),
            exchanges: Vec::new(),
            floated: false,
            way: Way::Unknown,
            was_ready: false,
            wants_pair: false,
            heard_at: Instant::ZERO,
            asked: 0,
            ask_at: None,
            sequence: 0,
            keepalive_at: None,
            keys: Vec::new(),
        }
    }

    /// Begins.
    pub(super) fn dial(&mut self, cx: &mut Cx<'_>) {
        self.wants_pair = true;
        self.begin_main_mode(cx);
    }

    /// Makes another IKE SA, if there is one already.
    pub(super) fn begin_again(&mut self, cx: &mut Cx<'_>) {
        if self.was_ready {
            self.begin_main_mode(cx);
        }
    }

    /// How far it has come.
    pub(super) fn reach(&self) -> Reach {
        let furthest = self.negotiations.iter().map(Negotiation::reach).max();
        if self.sas.is_empty() { furthest.unwrap_or(Reach::Nothing) } else { Reach::IkeSa }
    }

    /// Keys of all IKE SAs so far.
    pub(super) fn keys(&self) -> &[IkeKey] {
        &self.keys
    }

    /// Takes a message; `floated` says on which of our ports it came.
    pub(super) fn handle(&mut self, cx: &mut Cx<'_>, message: &[u8]) {
        let Some((header, body)) = Header::parse(message) else { return };
        let known = self.sas.iter().position(|sa| sa.cookies == header.cookies);
        match (header.exchange, known) {
            (message::MAIN_MODE, _) => self.on_main_mode(cx, &header, message, body),
            (message::QUICK_MODE, Some(sa)) => self.on_quick_mode(cx, sa, &header, message, body),
            (message::INFORMATIONAL, Some(sa)) => self.on_informational(cx, sa, &header, body),
            (message::INFORMATIONAL, None) => self.on_plain_notify(cx, &header, body),
            _ => {}
        }
    }

    /// Something authentic came from the server, by ESP.
    pub(super) fn note_life(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked = 0;
    }

    /// A message leaves on the way in use.
    fn send(&self, cx: &mut Cx<'_>, message: Vec<u8>) {
        cx.out.push(Action::Send { floated: self.floated, message });
    }

    /// Forgets what is older than needed to answer repetitions.
    fn tidy(&mut self, now: Instant) {
        self.negotiations.retain(|one| one.forget_at.is_none_or(|at| at > now));
        self.exchanges.retain(|one| one.forget_at.is_none_or(|at| at > now));
    }
}

/// How long the answer to a finished exchange is kept.
const REMEMBER: Duration = Duration::from_secs(120);
