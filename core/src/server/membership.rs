//! A client's place on its hub: joining, its address, leaving.

use crate::addr::Ipv4Assignment;
use crate::buf::Pool;
use crate::canary::{Fault, is_planted};
use crate::credentials::Refusal;
use crate::event::FailureCause;
use crate::host::{self, Host, mac_of};
use crate::hub::{PortKind, PortOwner};
use crate::ids::{SessionId, UserId};
use crate::session::Member;
use crate::store::Place;

use super::{Cx, Server};

impl<P: Pool> Server<'_, P> {
    /// Gives an accepted client its place on its hub and lets its host ask for an address.
    pub(super) fn join(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        user: UserId,
    ) -> Result<(), Refusal> {
        let number = self.users.enter(user)?;
        let joined = self.attach(id, user, number);
        if joined.is_err() {
            self.users.leave(user, number);
            return joined;
        }
        self.with_host(cx, id, |host, now, rng, out| host.start_dhcp(now, rng, out));
        Ok(())
    }

    fn attach(&mut self, id: SessionId, user: UserId, number: u32) -> Result<(), Refusal> {
        let (place, name) = self.users.name_of(user).ok_or(Refusal::UnknownUser)?;
        let state = self.hub_states.get(place).and_then(Place::as_ref);
        let state = state.ok_or(Refusal::UnknownUser)?;
        let mac = mac_of(&state.name, name, number);
        let kind = PortKind::Host(mac);
        let port = self.hubs.attach(state.id, kind, PortOwner::Session(id));
        let port = port.map_err(|_| Refusal::NoRoom)?;
        let session = self.sessions.find_mut(id).ok_or(Refusal::Timeout)?;
        let mut host = Host::new(mac, name);
        host.set_mtu(session.mtu);
        session.member =
            Some(Member { hub: state.id, port, user, number, host, held: heapless::Vec::new() });
        Ok(())
    }

    /// Answers a link that wants an address, if there is one already.
    pub(super) fn on_want_address(&mut self, cx: &mut Cx<'_, P>, id: SessionId) {
        let member = self.sessions.find(id).and_then(|session| session.member.as_ref());
        if let Some(&assignment) = member.and_then(|member| member.host.assignment()) {
            self.on_assignment(cx, id, Ok(assignment));
        }
    }

    /// Passes an address, or why there is none, to the link.
    pub(super) fn on_assignment(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        assignment: Result<Ipv4Assignment, FailureCause>,
    ) {
        self.with_link(cx, id, |link, now, rng, out| {
            link.handle_assignment(now, rng, assignment, out);
        });
    }

    /// Takes a client's host off its hub: its address goes back, its port is free.
    pub(super) fn leave_hub(&mut self, cx: &mut Cx<'_, P>, id: SessionId) {
        let Some(session) = self.sessions.find_mut(id) else { return };
        let Some(mut member) = session.member.take() else { return };
        let mut out = host::Actions::new();
        if !is_planted(Fault::LeaseNotGivenBack) {
            member.host.release(cx.now, &mut self.rng, &mut out);
        }
        while let Some(action) = out.pop() {
            // What is left to say must pass before the port is gone.
            if let host::Action::Frame(span) = action {
                self.switch_bytes(cx, member.port, out.bytes(span));
            }
        }
        self.hubs.detach(member.port);
        self.users.leave(member.user, member.number);
    }
}
