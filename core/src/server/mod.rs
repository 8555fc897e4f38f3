//! The server: demultiplexes inputs, carries out what components ask for, queues outputs.
//!
//! # Drive contract
//! 1. After at most [`Limits::batch`] calls of `handle`, call [`Server::poll`] until it returns
//!    [`Output::Wait`].
//! 2. `now` never decreases.
//! 3. On `Wait(Some(t))`, deliver [`Input::Timer`] at or after `t`. Early and repeated timers
//!    are harmless.
//! 4. A second `poll` at the same `now` returns `Wait` again, with `t > now`.
//! 5. Outputs are in the order in which they must leave. Dropping a datagram or a frame equals
//!    loss. A request left unanswered times out.
//! 6. Frames are yours once returned; their buffers go back to the pool when they are dropped.
//!
//! # The way of a packet
//! A datagram enters in [`datagram`](self), which opens ESP and finds the L2TP call;
//! `session_data` takes the client's IP packet to its host on the hub; `switch` forwards the
//! Ethernet frame to a port. A port leads to a bridge, to the hub's virtual router, or to
//! another session, where the same way goes backwards until `outputs` has the sealed datagram.

mod actions_ike;
mod actions_lns;
mod census;
mod command;
mod configure;
mod datagram;
mod demux;
mod gateway;
mod inner_udp;
mod io;
mod membership;
mod outputs;
mod requests;
mod session_control;
mod session_data;
mod storage;
mod switch;

pub use census::Census;
pub use io::{Answer, BridgeId, Command, Input, Output, Request};
pub use storage::{AllLengths, Arrays, Lengths, ServerStorage, Storage};

use crate::auth::Users;
use crate::buf::Pool;
use crate::canary::{Fault, is_planted};
use crate::config::{Config, ConfigError};
use crate::crypto::Rng;
use crate::dhcp::Dhcp;
use crate::discard::{DropCounters, DropReason};
use crate::esp::Esp;
use crate::event::Event;
use crate::hub::Hubs;
use crate::ids::{PeerId, SessionId};
use crate::ike::Ike;
use crate::l2tp::Lns;
use crate::limits::Limits;
use crate::session::{HELD_MAX, Session};
use crate::store::{Backing, Empty, Lent, Place, Ring, Slab, Wheel};
use crate::time::{Instant, earliest};
use crate::{dhcp, host, ike, l2tp, nat, ppp};

use command::Sweep;
use configure::{HubState, Settings};
use outputs::{Entry, Outputs};
use requests::Requests;
use switch::{Entering, Flood};

/// What a runtime lends the server for one call.
#[derive(Debug)]
pub struct Cx<'c, P> {
    /// The time.
    pub now: Instant,
    /// Where packet memory comes from.
    pub pool: &'c mut P,
}

/// The server.
pub struct Server<'a, P: Pool> {
    rng: Rng,
    ike: Ike<'a>,
    esp: Esp<'a>,
    lns: Lns<'a>,
    users: Users<'a>,
    hubs: Hubs<'a>,
    hub_states: Backing<'a, Place<HubState>>,
    dhcp: Dhcp<'a>,
    sessions: Slab<'a, SessionId, Session<P::Buf>>,
    session_timers: Wheel<'a>,
    /// The session of each call, by the call's slot.
    by_call: Backing<'a, Place<SessionId>>,
    requests: Requests<'a>,
    entering: Ring<'a, Entering<P::Buf>>,
    floods: Ring<'a, Flood<P::Buf>>,
    outputs: Outputs<'a, P::Buf>,
    held_per_session: usize,
    /// Peers that are gone, whose tunnels are being taken down.
    leaving: Ring<'a, PeerId>,
    sweep: Sweep,
    /// Sessions from this slot on end if they have lost their hub or user.
    orphans_from: Option<u32>,
    outboxes: Lent<'a, Outboxes>,
    drops: DropCounters,
    settings: Settings,
    /// Octets of the longest IP packet that the outer network carries.
    outer_mtu: u16,
}

/// The outboxes of the components, kept so that no packet pays for making one.
#[derive(Debug)]
pub struct Outboxes {
    ike: ike::Out,
    lns: l2tp::Out,
    link: ppp::Out,
    host: host::Actions,
    gateway: nat::Actions,
    dhcp: dhcp::Actions,
}

impl Empty for Outboxes {
    const EMPTY: Self = Self {
        ike: ike::Out::new(),
        lns: l2tp::Out::new(),
        link: ppp::Out::new(),
        host: host::Actions::new(),
        gateway: nat::Actions::new(),
        dhcp: dhcp::Actions::new(),
    };
}

impl Outboxes {
    fn clear(&mut self) {
        self.ike.clear();
        self.lns.clear();
        self.link.clear();
        self.host.clear();
        self.gateway.clear();
        self.dhcp.clear();
    }
}

impl<'a, P: Pool> Server<'a, P> {
    /// A server in the memory `storage`, which was made for `limits`; `seed` is 32 octets of
    /// entropy.
    ///
    /// # Errors
    /// Why the configuration is refused.
    #[inline(never)]
    pub fn new(
        storage: Storage<'a, P::Buf>,
        limits: &Limits,
        config: &Config<'_>,
        seed: [u8; 32],
    ) -> Result<Self, ConfigError> {
        let mut rng = Rng::from_seed(seed);
        let mut outboxes = storage.outboxes;
        outboxes.clear();
        let ServerStorage { mut hub_states, mut by_call, .. } = storage.server;
        by_call.fill(Place::Free);
        hub_states.iter_mut().for_each(|state| *state = Place::Free);
        let mut server = Self {
            ike: Ike::new(storage.ike, limits, &config.ipsec, &mut rng),
            esp: Esp::new(storage.esp, limits, &mut rng),
            lns: Lns::new(storage.lns, limits, config.host_name, &mut rng),
            users: Users::new(storage.users, rng.array()),
            hubs: Hubs::new(storage.hubs, rng.array()),
            hub_states,
            dhcp: Dhcp::new(storage.leases, rng.array()),
            sessions: Slab::new(storage.server.sessions),
            session_timers: Wheel::new(storage.server.session_nodes),
            by_call,
            requests: Requests::new(storage.server.requests),
            entering: Ring::new(storage.server.entering),
            floods: Ring::new(storage.server.floods),
            outputs: Outputs::new(storage.server.outputs, storage.server.events),
            held_per_session: limits.held_per_session.clamp(1, HELD_MAX),
            leaving: Ring::new(storage.server.leaving),
            sweep: Sweep::default(),
            orphans_from: None,
            outboxes,
            drops: DropCounters::default(),
            settings: Settings::new(config)?,
            outer_mtu: OUTER_MTU,
            rng,
        };
        server.configure_first(config)?;
        Ok(server)
    }

    /// Takes one input.
    #[inline(never)]
    pub fn handle(&mut self, cx: &mut Cx<'_, P>, input: Input<P::Buf>) {
        #[cfg(feature = "planted-copy")]
        let input = input.copied(cx.pool);
        let handled = match input {
            Input::Datagram { path, payload } => self.handle_datagram(cx, path, payload),
            Input::Frame { bridge, frame } => self.handle_bridge_frame(bridge, frame),
            Input::PathMtu { mtu, .. } => self.handle_path_mtu(mtu),
            Input::Command(command) => self.handle_command(cx, command),
            Input::Timer => Ok(()),
        };
        self.count(handled);
    }

    /// Works until there is an output, and returns it.
    #[inline(never)]
    pub fn poll(&mut self, cx: &mut Cx<'_, P>) -> Output<P::Buf> {
        if self.outputs.is_empty() || self.outputs.needs_sealing() {
            while self.outputs.has_room() && self.step(cx) {}
            self.seal();
        }
        match self.outputs.pop() {
            Some(output) => output,
            None => Output::Wait(self.deadline()),
        }
    }

    /// What was dropped so far, by reason.
    pub const fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// Number of sessions, those included that are being opened.
    pub const fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Does one bounded piece of work that waits; tells whether there was any.
    fn step(&mut self, cx: &mut Cx<'_, P>) -> bool {
        self.step_switch(cx)
            || self.step_leaving(cx)
            || self.step_sweep(cx)
            || self.step_orphans(cx)
            || self.step_expired(cx.now)
            || self.with_ike(cx, |ike, cx, out| ike.handle_timeout(cx, out))
            || self.with_lns(cx, |lns, now, _, out| lns.handle_timeout(now, out))
            || self.step_session_timer(cx)
    }

    fn deadline(&self) -> Option<Instant> {
        let control = earliest(self.ike.deadline(), self.lns.deadline());
        earliest(control, earliest(self.esp.deadline(), self.session_timers.deadline()))
    }

    /// Notes that the outer network carries less than it should.
    fn handle_path_mtu(&mut self, mtu: u16) -> Result<(), DropReason> {
        if mtu < OUTER_MTU_MIN {
            return Err(DropReason::BadLength);
        }
        self.outer_mtu = self.outer_mtu.min(mtu);
        Ok(())
    }

    /// Seals the packets that wait for it.
    fn seal(&mut self) {
        self.outputs.seal(&mut self.esp, &mut self.drops);
    }

    fn queue(&mut self, entry: Entry<P::Buf>) {
        self.outputs.push(entry, &mut self.drops);
    }

    fn tell(&mut self, event: Event) {
        self.outputs.tell(event, &mut self.drops);
    }

    fn count(&mut self, handled: Result<(), DropReason>) {
        let hidden = is_planted(Fault::DropNotCounted)
            && matches!(handled, Err(DropReason::BadIcv | DropReason::Replayed));
        if let (false, Err(reason)) = (hidden, handled) {
            self.drops.count(reason);
        }
    }
}

/// Octets of the longest IP packet that an Ethernet carries.
const OUTER_MTU: u16 = 1500;
/// The least that IPv6 promises to carry is 1 280; IPv4 networks may do with less.
const OUTER_MTU_MIN: u16 = 576;

#[cfg(test)]
mod tests;
