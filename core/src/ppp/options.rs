//! What LCP, IPCP and IPV6CP each have to say about options; the rest is [`super::layer`]'s.

use crate::buf::Writer;
use crate::crypto::Rng;
use crate::wire::ppp::Protocol;
use crate::wire::ppp::cp::Choice;

/// The value of an option that we suggest.
pub(super) type Value = heapless::Vec<u8, 8>;

/// What we think of an option in the peer's Configure-Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Good.
    Ack,
    /// Better with this value; rejected after Max-Failure Naks (RFC 1661 §4.6).
    Nak(Value),
    /// Only with this value, however often the peer asks.
    Insist(Value),
    /// Not at all.
    Reject,
}

/// There is no option left that the two sides could agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hopeless;

/// The options of one control protocol: ours and the peer's.
pub(super) trait Options {
    /// Its number.
    const PROTOCOL: Protocol;

    /// Forgets what was negotiated: the lower layer is up again.
    fn reset(&mut self, rng: &mut Rng);

    /// Writes the options of our Configure-Request; the same ones until a Nak or Reject.
    fn emit_request(&self, writer: &mut Writer<'_>);

    /// Judges one option of the peer.
    fn judge(&self, choice: &Choice<'_>) -> Judgement;

    /// An option that the peer's request lacks and has to have, with our suggestion.
    fn missing(&self, _request: &[u8]) -> Option<(u8, Value)> {
        None
    }

    /// Forgets the peer's options: others are about to be accepted.
    fn reset_peer(&mut self);

    /// Takes over an option of the peer that is being Acked.
    fn accept(&mut self, choice: &Choice<'_>);

    /// The peer wants another value of ours.
    fn handle_nak(&mut self, choice: &Choice<'_>, rng: &mut Rng) -> Result<(), Hopeless>;

    /// The peer does not want an option of ours.
    fn handle_reject(&mut self, choice: &Choice<'_>) -> Result<(), Hopeless>;
}

/// A [`Value`] of these octets, at most eight.
pub(super) fn value(bytes: &[u8]) -> Value {
    Value::from_slice(bytes).unwrap_or_default()
}
