//! The options of the Link Control Protocol (RFC 1661 §6).
//!
//! We ask for authentication, an MRU that fits the path, and a magic number. Of the peer we take
//! MRU, ACCM, magic number and both compressions; everything else is rejected, and so is a wish
//! to authenticate *us*: a server has nothing to prove itself with.
//!
//! We ask MS-CHAPv2 first and PAP second. EAP is not spoken: a peer that wants it is asked for
//! MS-CHAPv2 once more.

use super::options::{Hopeless, Judgement, Options, value};
use crate::buf::Writer;
use crate::crypto::Rng;
use crate::wire::ppp::Protocol;
use crate::wire::ppp::chap::MS_CHAP_V2;
use crate::wire::ppp::cp::{Choice, emit_choice};
use crate::wire::ppp::lcp::{DEFAULT_MRU, option};

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    MsChapV2,
    Pap,
}

/// Ours and the peer's options.
#[derive(Debug)]
pub(super) struct Lcp {
    /// What the path carries.
    mru_max: u16,
    /// Which methods may be used: MS-CHAPv2, PAP.
    allowed: (bool, bool),
    /// Our MRU; `None` if the peer does not want to hear of it.
    mru: Option<u16>,
    /// Our magic number; `None` if the peer does not want one.
    magic: Option<u32>,
    /// Suggested to a peer that has none, or ours.
    spare_magic: u32,
    /// What we ask for.
    method: Method,
    /// How often the peer refused the method.
    method_refusals: u8,
    peer: Peer,
}

/// What the peer asked for.
#[derive(Clone, Copy, Debug)]
struct Peer {
    mru: u16,
    magic: Option<u32>,
    protocol_compression: bool,
    address_compression: bool,
}

const NOTHING_ASKED: Peer =
    Peer { mru: DEFAULT_MRU, magic: None, protocol_compression: false, address_compression: false };

impl Lcp {
    /// Options for a path that carries `mru_max` octets, with the methods that may be used.
    pub(super) const fn new(mru_max: u16, ms_chap_v2: bool, pap: bool) -> Self {
        let method = if ms_chap_v2 || !pap { Method::MsChapV2 } else { Method::Pap };
        Self {
            mru_max,
            allowed: (ms_chap_v2, pap),
            mru: Some(mru_max),
            magic: None,
            spare_magic: 0,
            method,
            method_refusals: 0,
            peer: NOTHING_ASKED,
        }
    }

    /// The method that was agreed on.
    pub(super) const fn method(&self) -> Method {
        self.method
    }

    /// Whether the peer refused every method.
    pub(super) const fn is_method_refused(&self) -> bool {
        self.method_refusals > METHOD_REFUSALS_MAX
    }

    /// Our magic number, zero without one.
    pub(super) const fn magic(&self) -> u32 {
        match self.magic {
            Some(magic) => magic,
            None => 0,
        }
    }

    /// The longest packet that may be sent: what the peer takes and the path carries.
    pub(super) fn mtu(&self) -> u16 {
        self.peer.mru.min(self.mru_max)
    }

    /// Whether the peer wants address and control, and the protocol's first octet, left out.
    pub(super) const fn compressions(&self) -> (bool, bool) {
        (self.peer.address_compression, self.peer.protocol_compression)
    }

    const fn allows(&self, method: Method) -> bool {
        match method {
            Method::MsChapV2 => self.allowed.0,
            Method::Pap => self.allowed.1,
        }
    }

    /// The peer refused the method and may have named another.
    fn change_method(&mut self, wish: Option<Method>) -> Result<(), Hopeless> {
        self.method_refusals = self.method_refusals.saturating_add(1);
        let other = match self.method {
            Method::MsChapV2 => Method::Pap,
            Method::Pap => Method::MsChapV2,
        };
        let next = match (wish.filter(|&wish| self.allows(wish)), self.method_refusals) {
            (Some(wish), ..=METHOD_REFUSALS_MAX) => wish,
            (None, 1) => self.method,
            (None, ..=METHOD_REFUSALS_MAX) => other,
            _ => return Err(Hopeless),
        };
        self.method = if self.allows(next) { next } else { self.method };
        Ok(())
    }
}

impl Options for Lcp {
    const PROTOCOL: Protocol = Protocol::LCP;

    fn reset(&mut self, rng: &mut Rng) {
        *self = Self::new(self.mru_max, self.allowed.0, self.allowed.1);
        let magic = fresh_magic(rng);
        self.magic = Some(magic);
        self.spare_magic = !magic | 0x8000_0000;
    }

    fn emit_request(&self, writer: &mut Writer<'_>) {
        if let Some(mru) = self.mru {
            emit_choice(writer, option::MRU, &mru.to_be_bytes());
        }
        match self.method {
            Method::MsChapV2 => emit_choice(writer, option::AUTHENTICATION, ASK_MS_CHAP_V2),
            Method::Pap => emit_choice(writer, option::AUTHENTICATION, ASK_PAP),
        }
        if let Some(magic) = self.magic {
            emit_choice(writer, option::MAGIC, &magic.to_be_bytes());
        }
    }

    fn judge(&self, choice: &Choice<'_>) -> Judgement {
        match (choice.kind, choice.data) {
            (option::MRU, &[a, b]) if u16::from_be_bytes([a, b]) >= MRU_MIN => Judgement::Ack,
            (option::MRU, &[_, _]) => Judgement::Nak(value(&MRU_MIN.to_be_bytes())),
            (option::MRU, _) => Judgement::Nak(value(&DEFAULT_MRU.to_be_bytes())),
            (option::ACCM, &[_, _, _, _]) => Judgement::Ack,
            (option::ACCM, _) => Judgement::Nak(value(&[0; 4])),
            (option::MAGIC, &[a, b, c, d]) => match u32::from_be_bytes([a, b, c, d]) {
                magic if magic != 0 && Some(magic) != self.magic => Judgement::Ack,
                _ => Judgement::Nak(value(&self.spare_magic.to_be_bytes())),
            },
            (option::MAGIC, _) => Judgement::Nak(value(&self.spare_magic.to_be_bytes())),
            (option::PROTOCOL_COMPRESSION | option::ADDRESS_COMPRESSION, &[]) => Judgement::Ack,
            (option::PROTOCOL_COMPRESSION | option::ADDRESS_COMPRESSION, _) => {
                Judgement::Nak(value(&[]))
            }
            _ => Judgement::Reject,
        }
    }

    fn reset_peer(&mut self) {
        self.peer = NOTHING_ASKED;
    }

    fn accept(&mut self, choice: &Choice<'_>) {
        match (choice.kind, choice.data) {
            (option::MRU, &[a, b]) => self.peer.mru = u16::from_be_bytes([a, b]),
            (option::MAGIC, &[a, b, c, d]) => {
                self.peer.magic = Some(u32::from_be_bytes([a, b, c, d]));
            }
            (option::PROTOCOL_COMPRESSION, _) => self.peer.protocol_compression = true,
            (option::ADDRESS_COMPRESSION, _) => self.peer.address_compression = true,
            _ => {}
        }
    }

    fn handle_nak(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Result<(), Hopeless> {
        match (choice.kind, choice.data) {
            (option::MRU, &[a, b]) => {
                // Another size than a smaller one does not fit; then the default stands, which
                // we receive as well.
                let wish = u16::from_be_bytes([a, b]);
                self.mru = self.mru.filter(|&mru| (MRU_MIN..mru).contains(&wish)).and(Some(wish));
            }
            (option::MAGIC, _) => self.magic = self.magic.map(|_| fresh_magic(rng)),
            (option::AUTHENTICATION, wish) => {
                let wish = match wish {
                    _ if wish == ASK_MS_CHAP_V2 => Some(Method::MsChapV2),
                    _ if wish == ASK_PAP => Some(Method::Pap),
                    _ => None,
                };
                self.change_method(wish)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reject(&mut self, choice: &Choice<'_>) -> Result<(), Hopeless> {
        match choice.kind {
            option::MRU => self.mru = None,
            option::MAGIC => self.magic = None,
            // Some clients reject what they should Nak; one that does so twice wants neither.
            option::AUTHENTICATION if self.method == Method::MsChapV2 && self.allowed.1 => {
                self.method = Method::Pap;
            }
            option::AUTHENTICATION => {
                self.method_refusals = u8::MAX;
                return Err(Hopeless);
            }
            _ => {}
        }
        Ok(())
    }
}

fn fresh_magic(rng: &mut Rng) -> u32 {
    rng.u32() | 1
}

const ASK_MS_CHAP_V2: &[u8] = &[0xc2, 0x23, MS_CHAP_V2];
const ASK_PAP: &[u8] = &[0xc0, 0x23];
/// The least MRU of a peer: what every IPv4 host takes (RFC 791 §3.1).
const MRU_MIN: u16 = 576;
/// Refusals of a method after which there is none left.
const METHOD_REFUSALS_MAX: u8 = 3;
