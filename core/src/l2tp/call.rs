//! One call, and what happens to it (RFC 2661 §5.3, §7.4.2).

use core::num::NonZeroU16;

use super::channel::CYCLE;
use super::list::{Linked, Links};
use super::reply::Reply;
use super::{Action, Lns, Out};
use crate::addr::Carrier;
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::DownCause;
use crate::ids::{CallId, TunnelId};
use crate::time::{Duration, Instant};
use crate::wire::l2tp::{DataHeader, ResultCode};

use super::channel::Inbound;

/// A call.
#[derive(Debug)]
pub struct Call {
    pub(super) tunnel: TunnelId,
    /// Our session id.
    pub(super) local: u16,
    /// The client's session id.
    pub(super) remote: NonZeroU16,
    state: State,
    links: Links<CallId>,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug)]
enum State {
    /// ICCN, until then.
    Setup { until: Instant },
    /// Nothing: data flows. The number is that of the next frame, where frames are numbered.
    Up { sequence: Option<u16> },
    /// Room for its CDN.
    Goodbye(ResultCode),
}

/// What calls are found by.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum CallKey {
    /// What a client's packets name.
    Local { carrier: Carrier, tunnel: u16, session: u16 },
    /// What the client itself calls it.
    Remote { tunnel: TunnelId, session: u16 },
}

impl Linked<CallId> for Call {
    fn links(&mut self) -> &mut Links<CallId> {
        &mut self.links
    }
}

impl Call {
    /// Whether its data may flow.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// The header of the next PPP frame, if data may flow.
    pub(super) fn next_header(&mut self, tunnel: NonZeroU16) -> Option<DataHeader> {
        let State::Up { sequence } = &mut self.state else { return None };
        let header = DataHeader { tunnel, session: self.remote, sequence: *sequence };
        *sequence = sequence.map(|number| number.wrapping_add(1));
        Some(header)
    }
}

impl Lns<'_> {
    /// ICRQ: the client wants a call.
    pub(super) fn on_icrq(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let remote = NonZeroU16::new(message.assigned).ok_or(DropReason::BadAvp)?;
        let again = CallKey::Remote { tunnel: id, session: remote.get() };
        if let Some(known) = self.find_call(&again)
            && let Some(call) = self.calls.find(known)
        {
            if let State::Setup { .. } = call.state {
                let reply = Reply::Icrp { local: call.local, remote: remote.get() };
                self.say(id, reply);
                return Err(DropReason::Duplicate);
            }
            // The client has forgotten the call that it gave this id to.
            self.end_call(known, DownCause::Replaced, out);
        }
        let session = self.free_session(rng, id);
        if let Some(fault) = message.fault {
            self.refuse_call(id, session, remote, fault.result());
            return Err(DropReason::BadAvp);
        }
        if let Some(session) = session
            && self.start_call(now, id, session, remote).is_some()
        {
            self.say(id, Reply::Icrp { local: session, remote: remote.get() });
            return Ok(());
        }
        self.refuse_call(id, session, remote, ResultCode::NO_FACILITIES_NOW);
        let reason = DropReason::CallTableFull;
        if let Some(tunnel) = self.tunnels.find(id) {
            out.push(Action::Refused { carrier: tunnel.carrier, reason });
        }
        Err(reason)
    }

    /// ICCN: the call stands.
    pub(super) fn on_iccn(
        &mut self,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let call = self.call_of(id, message).ok_or(DropReason::UnknownCall)?;
        if let Some(fault) = message.fault {
            self.fail_call(call, fault.result(), out);
            return Err(DropReason::BadAvp);
        }
        let entry = self.calls.find_mut(call).ok_or(DropReason::UnknownCall)?;
        let State::Setup { .. } = entry.state else { return Err(DropReason::UnexpectedMessage) };
        entry.state = State::Up { sequence: message.sequencing.then_some(0) };
        let tunnel = self.tunnels.find_mut(id).ok_or(DropReason::UnknownTunnel)?;
        tunnel.setup.remove(&mut self.calls, call);
        tunnel.up.push(&mut self.calls, call);
        tunnel.had_call = true;
        out.push(Action::CallUp { call, tunnel: id, carrier: tunnel.carrier });
        Ok(())
    }

    /// CDN: the client ends a call.
    pub(super) fn on_cdn(
        &mut self,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let call = self.call_of(id, message).ok_or(DropReason::UnknownCall)?;
        self.end_call(call, DownCause::PeerClosed, out);
        Ok(())
    }

    /// OCRQ: the client wants us to call someone.
    pub(super) fn on_ocrq(
        &mut self,
        rng: &mut Rng,
        id: TunnelId,
        message: &Inbound,
    ) -> Result<(), DropReason> {
        let remote = NonZeroU16::new(message.assigned).ok_or(DropReason::BadAvp)?;
        let session = self.free_session(rng, id);
        self.refuse_call(id, session, remote, ResultCode::NO_FACILITIES);
        Err(DropReason::Unsupported)
    }

    /// WEN, SLI and what else concerns a call and does not change it.
    pub(super) fn on_call_notice(
        &mut self,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let Some(fault) = message.fault else { return Ok(()) };
        let call = self.call_of(id, message).ok_or(DropReason::UnknownCall)?;
        self.fail_call(call, fault.result(), out);
        Err(DropReason::BadAvp)
    }

    /// Takes an established or nascent call out of service; its CDN leaves when there is room.
    /// Returns its tunnel.
    pub(super) fn on_close_call(&mut self, id: CallId, result: ResultCode) -> Option<TunnelId> {
        let call = self.calls.find(id)?;
        let tunnel = self.tunnels.find_mut(call.tunnel)?;
        match call.state {
            State::Goodbye(_) => return None,
            State::Setup { .. } => tunnel.setup.remove(&mut self.calls, id),
            State::Up { .. } => tunnel.up.remove(&mut self.calls, id),
        }
        tunnel.goodbyes.push(&mut self.calls, id);
        self.forget_call(id);
        let call = self.calls.find_mut(id)?;
        call.state = State::Goodbye(result);
        Some(call.tunnel)
    }

    /// Moves the next CDN that waits for room into the queue; its call is gone then.
    pub(super) fn say_goodbye(&mut self, id: TunnelId) -> bool {
        let Some(tunnel) = self.tunnels.find_mut(id).filter(|tunnel| tunnel.channel.room() > 1)
        else {
            return false;
        };
        let Some(first) = tunnel.goodbyes.first() else { return false };
        tunnel.goodbyes.remove(&mut self.calls, first);
        if let Some(call) = self.calls.take(first)
            && let State::Goodbye(result) = call.state
        {
            let (local, remote) = (call.local, call.remote.get());
            tunnel.channel.push(Reply::Cdn { local, remote, result });
        }
        true
    }

    /// Removes one call of a tunnel that is over; false if none is left.
    pub(super) fn drain_call(&mut self, id: TunnelId, cause: DownCause, out: &mut Out) -> bool {
        let Some(tunnel) = self.tunnels.find(id) else { return false };
        let lists = [tunnel.up.first(), tunnel.setup.first(), tunnel.goodbyes.first()];
        let Some(call) = lists.into_iter().flatten().next() else { return false };
        self.end_call(call, cause, out);
        true
    }

    /// Ends the calls of a tunnel whose ICCN does not come, a few at a time.
    pub(super) fn expire_setups(&mut self, now: Instant, id: TunnelId) {
        while let Some(tunnel) = self.tunnels.find(id)
            && tunnel.channel.room() > tunnel.goodbyes.len() + 1
            && let Some(first) = tunnel.setup.first()
            && self.setup_deadline(first).is_some_and(|until| until <= now)
        {
            self.on_close_call(first, ResultCode::SETUP_TIMEOUT);
        }
    }

    /// When the setup of a call is given up, if it is being set up.
    pub(super) fn setup_deadline(&self, call: CallId) -> Option<Instant> {
        match self.calls.find(call)?.state {
            State::Setup { until } => Some(until),
            State::Up { .. } | State::Goodbye(_) => None,
        }
    }

    fn start_call(
        &mut self,
        now: Instant,
        id: TunnelId,
        local: u16,
        remote: NonZeroU16,
    ) -> Option<CallId> {
        let tunnel = self.tunnels.find_mut(id)?;
        if tunnel.call_count() >= self.calls_per_tunnel {
            return None;
        }
        let state = State::Setup { until: now + SETUP_MAX };
        let call = Call { tunnel: id, local, remote, state, links: Links::default() };
        let call = self.calls.insert(call).ok()?;
        tunnel.setup.push(&mut self.calls, call);
        for key in self.keys_of_call(call).into_iter().flatten() {
            let hash = self.call_index.hash(&key);
            // Two places for each call, and there are four: it cannot be full.
            let _ = self.call_index.insert(hash, call.index());
        }
        Some(call)
    }

    /// Ends a call at once; one that was up is reported.
    fn end_call(&mut self, id: CallId, cause: DownCause, out: &mut Out) {
        self.forget_call(id);
        let Some(call) = self.calls.find(id) else { return };
        let state = call.state;
        if let Some(tunnel) = self.tunnels.find_mut(call.tunnel) {
            match state {
                State::Setup { .. } => tunnel.setup.remove(&mut self.calls, id),
                State::Up { .. } => tunnel.up.remove(&mut self.calls, id),
                State::Goodbye(_) => tunnel.goodbyes.remove(&mut self.calls, id),
            }
        }
        self.calls.remove(id);
        if let State::Up { .. } = state {
            out.push(Action::CallDown { call: id, cause });
        }
    }

    /// Ends a call with CDN because of what the client sent.
    fn fail_call(&mut self, id: CallId, result: ResultCode, out: &mut Out) {
        let was_up = self.calls.find(id).is_some_and(Call::is_up);
        if self.on_close_call(id, result).is_some() && was_up {
            out.push(Action::CallDown { call: id, cause: DownCause::Failed });
        }
    }

    fn refuse_call(
        &mut self,
        id: TunnelId,
        local: Option<u16>,
        remote: NonZeroU16,
        result: ResultCode,
    ) {
        let reply = Reply::Cdn { local: local.unwrap_or(0), remote: remote.get(), result };
        self.say(id, reply);
    }

    /// The call that a message is about: by our session id, or where the client does not know
    /// that one, by its own.
    fn call_of(&self, id: TunnelId, message: &Inbound) -> Option<CallId> {
        let tunnel = self.tunnels.find(id)?;
        let key = if message.session == 0 {
            CallKey::Remote { tunnel: id, session: message.assigned }
        } else {
            let (carrier, session) = (tunnel.carrier, message.session);
            CallKey::Local { carrier, tunnel: tunnel.local, session }
        };
        self.find_call(&key)
    }

    /// A session id that no call of the tunnel has.
    fn free_session(&self, rng: &mut Rng, id: TunnelId) -> Option<u16> {
        let tunnel = self.tunnels.find(id)?;
        let (carrier, local) = (tunnel.carrier, tunnel.local);
        (0..super::tunnel::ID_ATTEMPTS).map(|_| rng.u16()).find(|&session| {
            let key = CallKey::Local { carrier, tunnel: local, session };
            session != 0 && self.find_call(&key).is_none()
        })
    }

    /// Makes a call impossible to find by packets.
    fn forget_call(&mut self, id: CallId) {
        for key in self.keys_of_call(id).into_iter().flatten() {
            let hash = self.call_index.hash(&key);
            self.call_index.remove(hash, id.index());
        }
    }

    fn keys_of_call(&self, id: CallId) -> Option<[CallKey; 2]> {
        let call = self.calls.find(id)?;
        let tunnel = self.tunnels.find(call.tunnel)?;
        let (carrier, session) = (tunnel.carrier, call.local);
        Some([
            CallKey::Local { carrier, tunnel: tunnel.local, session },
            CallKey::Remote { tunnel: call.tunnel, session: call.remote.get() },
        ])
    }
}

/// How long a call may take from ICRQ to ICCN.
const SETUP_MAX: Duration = CYCLE.times(2);
