//! Sessions coming up and going down: carrying out what PPP links ask for.

use crate::addr::{Carrier, Path};
use crate::buf::{Frame, Pool};
use crate::credentials::{Refusal, Verdict};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DialFailure, DownCause, Event, FailureCause, Name, Offered, Stage, name_of};
use crate::host::Host;
use crate::ids::{CallId, SessionId};
use crate::l2tp::ResultCode;
use crate::outbox::Span;
use crate::ppp::{self, Action, Link, LinkConfig, Question};
use crate::session::{Session, link_mtu};
use crate::store::Place;
use crate::time::Instant;

use super::{Cx, Server};

impl<P: Pool> Server<'_, P> {
    /// The session of a call.
    pub(super) fn session_of(&self, call: CallId) -> Option<SessionId> {
        let id = self.by_call.get(call.index() as usize).and_then(Place::as_ref).copied()?;
        self.sessions.find(id).is_some_and(|session| session.call == call).then_some(id)
    }

    /// Begins a session with a call that is up.
    pub(super) fn on_call_up(&mut self, cx: &mut Cx<'_, P>, call: CallId, carrier: Carrier) {
        let Some(path) = self.path_of(carrier) else {
            return self.drops.count(DropReason::NoSa);
        };
        let mtu = self.link_mtu(carrier, &path);
        let link = Link::new(
            cx.now,
            &LinkConfig {
                mru: mtu,
                server_name: &self.settings.host_name,
                ms_chap_v2: true,
                pap: true,
                ipv6: false,
                dead_after: self.settings.dead_after,
            },
        );
        let session = Session {
            call,
            carrier,
            remote: path.remote,
            began: cx.now,
            user: Name::new(),
            link,
            mtu,
            member: None,
            was_up: false,
            is_orphan: false,
        };
        let Ok(id) = self.sessions.insert(session) else {
            let remote = Some(path.remote);
            self.tell(Event::Refused { remote, reason: DropReason::CallTableFull });
            let result = ResultCode::NO_FACILITIES_NOW;
            return self.with_lns(cx, |lns, now, _, out| lns.close_call(now, call, result, out));
        };
        if let Some(place) = self.by_call.get_mut(call.index() as usize) {
            *place = Place::Taken(id);
        }
        self.with_link(cx, id, |link, now, _, out| link.start(now, out));
    }

    /// Octets of the longest IP packet that fits the way to a client.
    fn link_mtu(&self, carrier: Carrier, path: &Path) -> u16 {
        let esp = match carrier {
            Carrier::Udp(_) => 0,
            Carrier::Esp { peer, port } => self.esp.overhead_of(peer, port),
        };
        link_mtu(path, self.outer_mtu, esp)
    }

    /// Lets one session do what is due; tells whether there was one.
    pub(super) fn step_session_timer(&mut self, cx: &mut Cx<'_, P>) -> bool {
        let Some(index) = self.session_timers.take_due(cx.now) else { return false };
        if let Some(id) = self.sessions.key_at(index) {
            self.with_link(cx, id, Link::handle_timeout);
            self.with_host(cx, id, Host::handle_timeout);
            self.file_session(id);
        }
        true
    }

    /// Files when a session wants to be called.
    pub(super) fn file_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.find(id) {
            self.session_timers.set(id.index(), session.deadline());
        }
    }

    /// Ends the session of a call that is down.
    pub(super) fn on_call_down(&mut self, cx: &mut Cx<'_, P>, call: CallId, cause: DownCause) {
        if let Some(id) = self.session_of(call) {
            self.end_session(cx, id, cause, None);
        }
    }

    /// Calls the link of a session and carries out what it asks for.
    pub(super) fn with_link<R>(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        call: impl FnOnce(&mut Link, Instant, &mut Rng, &mut ppp::Out) -> R,
    ) -> Option<R> {
        if self.outboxes.link.is_empty() {
            self.outboxes.link.clear();
        }
        let session = self.sessions.find_mut(id)?;
        let result = call(&mut session.link, cx.now, &mut self.rng, &mut self.outboxes.link);
        while let Some(action) = self.outboxes.link.pop() {
            self.carry_out_link(cx, id, action);
        }
        self.file_session(id);
        Some(result)
    }

    /// Sends a PPP frame that a link wrote.
    fn send_from_link(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        span: Span,
    ) -> Result<(), DropReason> {
        let call = self.sessions.find(id).ok_or(DropReason::UnknownCall)?.call;
        let frame = Frame::copy_of(cx.pool, self.outboxes.link.bytes(span));
        self.send_ppp(cx, call, frame.map_err(|_| DropReason::NoBuffer)?)
    }

    fn carry_out_link(&mut self, cx: &mut Cx<'_, P>, id: SessionId, action: Action) {
        match action {
            Action::Send(span) => {
                let sent = self.send_from_link(cx, id, span);
                self.count(sent);
            }
            Action::Authenticate(question) => {
                let verdict = self.authenticate(cx, id, &question);
                self.with_link(cx, id, |link, now, rng, out| {
                    link.handle_verdict(now, rng, &verdict, out);
                });
            }
            Action::WantAddress { asked: _ } => self.on_want_address(cx, id),
            Action::Up { mtu } => self.on_link_up(cx, id, mtu),
            Action::Down { cause, failure } => self.end_session(cx, id, cause, failure),
        }
    }

    /// Checks what a client proves, and makes it a member of its hub if it may enter.
    fn authenticate(&mut self, cx: &mut Cx<'_, P>, id: SessionId, question: &Question) -> Verdict {
        let credentials = question.credentials(&self.outboxes.link);
        let (verdict, user) = self.users.check(&credentials);
        let name = name_of(credentials.name);
        question.wipe(&mut self.outboxes.link);
        let Some(session) = self.sessions.find_mut(id) else {
            return Verdict::Refuse(Refusal::Timeout);
        };
        if session.member.is_none() {
            session.user = name;
        }
        match user {
            Some(user) if session.member.is_none() => match self.join(cx, id, user) {
                Ok(()) => verdict,
                Err(refusal) => Verdict::Refuse(refusal),
            },
            _ => verdict,
        }
    }

    fn on_link_up(&mut self, cx: &mut Cx<'_, P>, id: SessionId, mtu: u16) {
        let hub_states = &self.hub_states;
        let Some(session) = self.sessions.find_mut(id) else { return };
        session.mtu = session.mtu.min(mtu);
        let Some(member) = &mut session.member else { return };
        member.host.set_mtu(session.mtu);
        let Some(assignment) = member.host.assignment() else { return };
        if core::mem::replace(&mut session.was_up, true) {
            return;
        }
        let hub = hub_states.iter().flatten().find(|state| state.id == member.hub);
        let event = Event::SessionUp {
            session: id,
            remote: session.remote,
            user: session.user.clone(),
            hub: hub.map(|state| state.name.clone()).unwrap_or_default(),
            address: assignment.address,
            took: cx.now.since(session.began),
        };
        self.tell(event);
    }

    /// Takes a session down: its host leaves the hub, its call is closed.
    pub(super) fn end_session(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        cause: DownCause,
        failure: Option<(Stage, FailureCause)>,
    ) {
        self.leave_hub(cx, id);
        let Some(session) = self.sessions.find(id) else { return };
        let (call, end) = (session.call, end_of(id, session, cause, failure));
        self.sessions.remove(id);
        self.session_timers.set(id.index(), None);
        if let Some(place) = self.by_call.get_mut(call.index() as usize) {
            *place = Place::Free;
        }
        let result = match cause {
            DownCause::Administrative => ResultCode::ADMINISTRATIVE,
            _ => ResultCode::CARRIER_LOST,
        };
        self.with_lns(cx, |lns, now, _, out| lns.close_call(now, call, result, out));
        self.tell(end);
    }
}

/// What to tell of a session that ended: that it did, or why its dial failed.
fn end_of<B>(
    id: SessionId,
    session: &Session<B>,
    cause: DownCause,
    failure: Option<(Stage, FailureCause)>,
) -> Event {
    let (remote, user) = (session.remote, session.user.clone());
    if session.was_up {
        return Event::SessionDown { session: id, remote, user, cause };
    }
    let cause = match cause {
        DownCause::Silence | DownCause::Expired => FailureCause::Silence,
        _ => FailureCause::PeerClosed,
    };
    let failure = failure.or_else(|| session.link.failure(cause));
    let (stage, cause) = failure.unwrap_or((Stage::Address, cause));
    Event::DialFailed(DialFailure { remote, stage, cause, user, offered: Offered::new() })
}
