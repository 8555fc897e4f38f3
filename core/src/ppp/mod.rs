//! A PPP link with a client: LCP, authentication, IPCP and IPV6CP (RFC 1661, RFC 1332, RFC 5072).
//!
//! [`Link`] takes PPP frames as L2TP carries them and asks for what it cannot know itself: who
//! may enter ([`Action::Authenticate`]) and which address a client gets
//! ([`Action::WantAddress`]). IP packets do not pass through it: [`Link::data`] recognises them
//! and [`Link::header`] says what stands in front of them.
//!
//! Not here: HDLC framing, compression and MPPE (CCP is answered with a Protocol-Reject, as by
//! SoftEther: pppd, Windows and Android go on without it after one packet, and IPsec encrypts),
//! multilink, callback, EAP, and authenticating ourselves to a client.
//!
//! ```text
//! link        phases, multiplexing of protocols, keepalive
//!   layer     one control protocol: automaton (the table of RFC 1661 §4.1), timer, packets
//!     lcp ipcp ipv6cp     what each knows about options
//!   auth      chap (MS-CHAPv2), pap
//! ```

mod auth;
mod automaton;
mod chap;
mod ipcp;
mod ipv6cp;
mod keepalive;
mod layer;
mod lcp;
mod link;
mod options;
mod pap;

use core::net::Ipv4Addr;

use zeroize::Zeroize;

pub use link::{Data, Link, LinkConfig, SERVER_NAME_LEN};

use crate::buf::Writer;
use crate::credentials::{Credentials, Proof};
use crate::event::{DownCause, FailureCause, Stage};
use crate::outbox::{Outbox, Span};
use crate::wire::ppp::{Protocol, cp, emit_header};

/// What a [`Link`] wants done.
pub type Out = Outbox<Action, ACTIONS_MAX, OCTETS_MAX>;

/// Something a [`Link`] wants done.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Send this PPP frame.
    Send(Span),
    /// Find out whether the client is who it says it is; answer with [`Link::handle_verdict`].
    ///
    /// There is one question at a time. One follows another after a refusal, and after a client
    /// negotiated LCP anew, with the same name then.
    Authenticate(Question),
    /// Find an address for the client; answer with [`Link::handle_assignment`].
    WantAddress {
        /// What the client would like.
        asked: Option<Ipv4Addr>,
    },
    /// IPv4 packets may pass. Comes again if the client negotiated anew.
    Up {
        /// Octets of the longest IP packet that may be sent to the client.
        mtu: u16,
    },
    /// The link is over; nothing follows.
    Down {
        /// Why.
        cause: DownCause,
        /// How far the dial came and what went wrong, if the link was never up.
        failure: Option<(Stage, FailureCause)>,
    },
}

/// What a client proves itself with.
#[derive(Clone, Copy)]
pub struct Question {
    name: Span,
    proof: QuestionProof,
}

#[derive(Clone, Copy)]
enum QuestionProof {
    Pap { password: Span },
    MsChapV2 { authenticator_challenge: [u8; 16], peer_challenge: [u8; 16], nt_response: [u8; 24] },
}

impl Question {
    /// The name as the client sent it.
    pub fn name<'a>(&self, out: &'a Out) -> &'a [u8] {
        out.bytes(self.name)
    }

    /// What is to be checked, with what `out` holds of it.
    pub fn credentials<'a>(&'a self, out: &'a Out) -> Credentials<'a> {
        let proof = match &self.proof {
            QuestionProof::Pap { password } => Proof::Pap { password: out.bytes(*password) },
            QuestionProof::MsChapV2 { authenticator_challenge, peer_challenge, nt_response } => {
                Proof::MsChapV2 { authenticator_challenge, peer_challenge, nt_response }
            }
        };
        Credentials { name: self.name(out), proof }
    }

    /// Wipes a password from `out`, once it is checked.
    pub fn wipe(&self, out: &mut Out) {
        if let QuestionProof::Pap { password } = self.proof {
            out.bytes_mut(password).zeroize();
        }
    }
}

impl core::fmt::Debug for Question {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.proof {
            QuestionProof::Pap { .. } => "Question(Pap)",
            QuestionProof::MsChapV2 { .. } => "Question(MsChapV2)",
        })
    }
}

/// Sends a packet of a control or authentication protocol.
fn send(out: &mut Out, protocol: Protocol, code: u8, id: u8, data: impl FnOnce(&mut Writer<'_>)) {
    let frame = out.emit(|writer| {
        emit_header(writer, protocol);
        cp::emit(writer, code, id, data);
    });
    if let Some(frame) = frame {
        out.push(Action::Send(frame));
    }
}

/// The most that one call pushes.
const ACTIONS_MAX: usize = 8;
/// Octets of the longest packet, sent back, and of some short ones.
const OCTETS_MAX: usize = 2048;

#[cfg(test)]
pub(crate) mod tests;
