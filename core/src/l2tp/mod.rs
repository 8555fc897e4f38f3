//! The L2TPv2 LNS (RFC 2661): control connections and calls that clients open to us.
//!
//! [`Lns`] works on the payload of UDP datagrams, whatever carried them, and tells where the PPP
//! frame in one is; it does not look into PPP. A tunnel belongs to the [`Carrier`] that it was
//! opened on: a packet with the right ids on another carrier finds nothing.
//!
//! Not done here: calls that we place (OCRQ is refused), tunnel authentication and hidden AVPs
//! (there is no secret yet: a challenge is refused with StopCCN 4, a hidden AVP counts as
//! unknown), reordering of data by sequence numbers, L2TPv3.
//!
//! Three things differ from the RFC on purpose. A tunnel is given up after 120 s of silence, not
//! after five repetitions: phones sleep, and some never answer HELLO while their data flows.
//! Over bare UDP nothing is repeated by a timer, and nothing longer than its cause is sent,
//! before the client has acknowledged our first message: until then its address may be forged.
//! A message that an established tunnel does not expect is acknowledged and counted, not
//! answered with StopCCN.

mod call;
mod channel;
mod control;
mod counted;
mod list;
mod open;
mod reply;
mod timeout;
mod tunnel;

use core::ops::Range;

use call::CallKey;
use list::List;
use tunnel::TunnelKey;

use crate::addr::Carrier;
use crate::config::NAME_LEN;
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DownCause, FailureCause, Name};
use crate::ids::{CallId, PeerId, TunnelId};
use crate::limits::Limits;
use crate::outbox::{Outbox, Span};
use crate::store::{Bucket, Index, Node, Slab, Slot, Wheel, tables};
use crate::time::Instant;
use crate::wire::l2tp::{Data, Packet};

pub use crate::wire::l2tp::{DataHeader, ResultCode};
pub use call::Call;
pub use counted::Counted;
pub use tunnel::Tunnel;

/// What the LNS wants done.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Send a control message.
    Send {
        /// On which carrier.
        carrier: Carrier,
        /// The UDP payload.
        message: Span,
    },
    /// A control connection is established.
    TunnelUp {
        /// Which.
        tunnel: TunnelId,
        /// What carries it.
        carrier: Carrier,
    },
    /// A control connection that was established is over. A [`Action::CallDown`] follows for
    /// each of its calls, one with each [`Lns::handle_timeout`].
    TunnelDown {
        /// Which.
        tunnel: TunnelId,
        /// What carried it.
        carrier: Carrier,
        /// Why.
        cause: DownCause,
    },
    /// A call is established: PPP may begin.
    CallUp {
        /// Which.
        call: CallId,
        /// In which tunnel.
        tunnel: TunnelId,
        /// What carries it.
        carrier: Carrier,
    },
    /// A call that was established is over, and not by [`Lns::close_call`].
    CallDown {
        /// Which.
        call: CallId,
        /// Why.
        cause: DownCause,
    },
    /// A control connection ended, or was refused, before any call came up.
    DialFailed {
        /// What carried it.
        carrier: Carrier,
        /// Why.
        cause: FailureCause,
    },
    /// A table or quota refused a tunnel or a call.
    Refused {
        /// What carries it.
        carrier: Carrier,
        /// Which limit.
        reason: DropReason,
    },
}

/// Where the LNS puts its actions.
pub type Out = Outbox<Action, ACTIONS_MAX, OCTETS_MAX>;

/// What a datagram was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A control message, worked on.
    Control,
    /// A PPP frame.
    Data {
        /// Of which call.
        call: CallId,
        /// The octets of the datagram that are the frame.
        ppp: Range<usize>,
    },
}

tables! {
    /// The memory of an [`Lns`].
    pub struct Storage, Arrays for limits {
        /// Tunnels.
        tunnels: [Slot<Tunnel>; limits.tunnels],
        /// Index of tunnels, by four names each.
        tunnel_index: [Bucket; limits.tunnels * 8],
        /// Deadlines of tunnels.
        nodes: [Node; limits.tunnels],
        /// Calls.
        calls: [Slot<Call>; limits.calls],
        /// Index of calls, by two names each.
        call_index: [Bucket; limits.calls * 4],
    }
}

/// All control connections and calls.
#[derive(Debug)]
pub struct Lns<'a> {
    tunnels: Slab<'a, TunnelId, Tunnel>,
    tunnel_index: Index<'a>,
    wheel: Wheel<'a>,
    calls: Slab<'a, CallId, Call>,
    call_index: Index<'a>,
    /// Tunnels whose client's address may be forged, the oldest first.
    unproven: List<TunnelId>,
    /// Tunnels that are over and still acknowledge, the oldest first.
    lingering: List<TunnelId>,
    host_name: Name,
    tunnels_per_carrier: usize,
    calls_per_tunnel: usize,
}

impl<'a> Lns<'a> {
    /// An LNS without tunnels that calls itself `host_name`, of which the first
    /// [`NAME_LEN`] octets count.
    pub fn new(storage: Storage<'a>, limits: &Limits, host_name: &str, rng: &mut Rng) -> Self {
        Self {
            tunnels: Slab::new(storage.tunnels),
            tunnel_index: Index::new(storage.tunnel_index, rng.array()),
            wheel: Wheel::new(storage.nodes),
            calls: Slab::new(storage.calls),
            call_index: Index::new(storage.call_index, rng.array()),
            unproven: List::default(),
            lingering: List::default(),
            host_name: own_name(host_name),
            tunnels_per_carrier: limits.tunnels_per_carrier,
            calls_per_tunnel: limits.calls_per_tunnel,
        }
    }

    /// Calls itself `host_name` in tunnels that open from now on, as [`Lns::new`] does.
    pub fn configure(&mut self, host_name: &str) {
        self.host_name = own_name(host_name);
    }

    /// Works on `message`, the UDP payload of a datagram that came by `carrier`.
    ///
    /// # Errors
    /// Why it was dropped. A reply to it may stand in `out` all the same: a duplicate is
    /// answered, a refusal is said.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        carrier: Carrier,
        message: &[u8],
        out: &mut Out,
    ) -> Result<Received, DropReason> {
        match Packet::parse(message)? {
            Packet::Data(data) => self.on_data(now, carrier, data),
            Packet::Control(control) => {
                self.on_control(now, rng, carrier, &control, message.len(), out)?;
                Ok(Received::Control)
            }
        }
    }

    /// The carrier of an established call and the header for its next PPP frame.
    pub fn data_header(&mut self, call: CallId) -> Option<(Carrier, DataHeader)> {
        let call = self.calls.find_mut(call)?;
        let tunnel = self.tunnels.find(call.tunnel).filter(|tunnel| tunnel.is_open())?;
        Some((tunnel.carrier, call.next_header(tunnel.remote)?))
    }

    /// Ends a call with CDN. No [`Action::CallDown`] follows.
    pub fn close_call(&mut self, now: Instant, call: CallId, result: ResultCode, out: &mut Out) {
        if let Some(tunnel) = self.on_close_call(call, result) {
            self.settle(now, tunnel, out);
        }
    }

    /// Ends a tunnel with StopCCN, unless its client's address may be forged. Its calls go down
    /// one by one, see [`Action::TunnelDown`].
    pub fn close_tunnel(
        &mut self,
        now: Instant,
        tunnel: TunnelId,
        result: ResultCode,
        out: &mut Out,
    ) {
        let proven = self.tunnels.find(tunnel).is_some_and(|tunnel| tunnel.proven);
        let goodbye = proven.then_some(result);
        self.shut(now, tunnel, DownCause::Administrative, goodbye, None, out);
        self.settle(now, tunnel, out);
    }

    /// Drops one tunnel of `peer`, which is gone, without a word to it.
    ///
    /// Returns whether there was one: repeat until there is none.
    pub fn close_carrier(&mut self, peer: PeerId, out: &mut Out) -> bool {
        let Some(tunnel) = self.tunnel_of_peer(peer) else { return false };
        self.kill(tunnel, DownCause::CarrierDown, out);
        true
    }

    /// Notes that something authenticated was heard from a tunnel's client.
    ///
    /// [`Lns::handle_datagram`] does so by itself for what passes it.
    pub fn note_heard(&mut self, now: Instant, tunnel: TunnelId) {
        if let Some(tunnel) = self.tunnels.find_mut(tunnel) {
            tunnel.heard = now;
        }
    }

    /// Works on one tunnel that is due at `now`; false if none is.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Out) -> bool {
        let Some(index) = self.wheel.take_due(now) else { return false };
        if let Some(tunnel) = self.tunnels.key_at(index) {
            self.on_timeout(now, tunnel, out);
        }
        true
    }

    /// When to call [`Lns::handle_timeout`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.wheel.deadline()
    }

    /// The name that a tunnel's client calls itself.
    pub fn host_name(&self, tunnel: TunnelId) -> Option<&Name> {
        self.tunnels.find(tunnel).map(|tunnel| &tunnel.host_name)
    }

    /// The tunnel in slot `index`, for one who walks all slots below
    /// [`Lns::tunnel_capacity`] step by step.
    pub fn tunnel_at(&self, index: u32) -> Option<TunnelId> {
        self.tunnels.key_at(index)
    }

    /// Number of tunnels that fit.
    pub fn tunnel_capacity(&self) -> usize {
        self.tunnels.capacity()
    }

    /// Number of tunnels, those that are being opened or closed included.
    pub const fn tunnel_count(&self) -> usize {
        self.tunnels.len()
    }

    /// Number of calls, those that are being opened or closed included.
    pub const fn call_count(&self) -> usize {
        self.calls.len()
    }

    fn on_data(
        &mut self,
        now: Instant,
        carrier: Carrier,
        data: Data,
    ) -> Result<Received, DropReason> {
        let key = CallKey::Local { carrier, tunnel: data.tunnel, session: data.session };
        let Some(id) = self.find_call(&key) else {
            let known = self.find_tunnel(carrier, data.tunnel).is_some();
            return Err(if known { DropReason::UnknownCall } else { DropReason::UnknownTunnel });
        };
        let call = self.calls.find(id).ok_or(DropReason::UnknownCall)?;
        let tunnel = self.tunnels.find_mut(call.tunnel).ok_or(DropReason::UnknownTunnel)?;
        if !tunnel.is_open() {
            return Err(DropReason::UnknownTunnel);
        }
        tunnel.heard = now;
        if !call.is_up() {
            return Err(DropReason::LinkDown);
        }
        Ok(Received::Data { call: id, ppp: data.ppp })
    }

    /// The tunnel with our id `local` on `carrier`.
    fn find_tunnel(&self, carrier: Carrier, local: u16) -> Option<TunnelId> {
        let hash = self.tunnel_index.hash(&TunnelKey::Local(carrier, local));
        let slot = self.tunnel_index.find(hash, |slot| {
            let tunnel = self.tunnels.key_at(slot).and_then(|key| self.tunnels.find(key));
            tunnel.is_some_and(|tunnel| tunnel.local == local && tunnel.carrier == carrier)
        })?;
        self.tunnels.key_at(slot)
    }

    /// The call that `key` names, whatever its state.
    fn find_call(&self, key: &CallKey) -> Option<CallId> {
        let hash = self.call_index.hash(key);
        let slot = self.call_index.find(hash, |slot| {
            let call = self.calls.key_at(slot).and_then(|key| self.calls.find(key));
            call.is_some_and(|call| self.call_has(call, key))
        })?;
        self.calls.key_at(slot)
    }

    fn call_has(&self, call: &Call, key: &CallKey) -> bool {
        match *key {
            CallKey::Remote { tunnel, session } => {
                call.tunnel == tunnel && call.remote.get() == session
            }
            CallKey::Local { carrier, tunnel: local, session } => {
                let tunnel = self.tunnels.find(call.tunnel);
                call.local == session
                    && tunnel.is_some_and(|it| it.local == local && it.carrier == carrier)
            }
        }
    }
}

/// What we call ourselves; never nothing.
fn own_name(host_name: &str) -> Name {
    let mut name = Name::new();
    for character in host_name.chars() {
        if name.push(character).is_err() {
            break;
        }
    }
    if name.is_empty() {
        let _ = name.push_str("vpn");
    }
    name
}

/// The most that one call of the LNS asks for: eight messages that were waiting for their turn,
/// one action each and two for the tunnel, and as many replies and an acknowledgement.
pub const ACTIONS_MAX: usize = 32;
/// Octets of those messages.
const OCTETS_MAX: usize = 1024;
const _: () = assert!(NAME_LEN <= u8::MAX as usize, "the length of our name fits a reply");

#[cfg(test)]
pub(crate) mod tests;
