//! SCCRQ: how a control connection begins (RFC 2661 §5.1, §6.1, §7.2.1).

use core::num::NonZeroU16;

use super::channel::{CYCLE, Channel};
use super::control::send;
use super::list::{Links, List};
use super::reply::Reply;
use super::tunnel::{Owner, State, Tunnel, TunnelKey};
use super::{Action, Lns, Out};
use crate::addr::Carrier;
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{FailureCause, name_of};
use crate::ids::TunnelId;
use crate::time::Instant;
use crate::wire::l2tp::{
    Control, ControlHeader, Message, MessageKind, ResultCode, SCCRP_LEN_MIN, STOP_CCN_LEN,
    emit_stop_ccn,
};

/// A request for a tunnel, with what every step on its way needs.
struct Request<'m> {
    carrier: Carrier,
    /// The client's tunnel id.
    remote: NonZeroU16,
    message: Message<'m>,
    /// Octets that an answer may have.
    budget: usize,
}

impl Lns<'_> {
    /// Works on a message that names no tunnel of ours.
    pub(super) fn on_first(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        carrier: Carrier,
        control: &Control<'_>,
        len: usize,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        if control.avps.is_empty() {
            return Err(DropReason::UnknownTunnel);
        }
        let message = Message::parse(control.avps)?;
        let remote = message.assigned_tunnel.and_then(NonZeroU16::new);
        let remote = remote.ok_or(DropReason::BadAvp)?;
        if message.kind == MessageKind::StopCcn {
            // The client gives up before it has heard our id.
            let id = self.find_remote(carrier, remote, |tunnel| !tunnel.is_closing());
            let id = id.ok_or(DropReason::UnknownTunnel)?;
            return self.on_tunnel_control(now, rng, id, control, out);
        }
        if message.kind != MessageKind::Sccrq || control.session != 0 || control.ns != 0 {
            return Err(DropReason::UnexpectedMessage);
        }
        let budget = match carrier {
            Carrier::Esp { .. } => usize::MAX,
            Carrier::Udp(_) => len,
        };
        let request = Request { carrier, remote, message, budget };
        let opening = |tunnel: &Tunnel| matches!(tunnel.state, State::Opening { .. });
        if let Some(id) = self.find_remote(carrier, remote, opening) {
            return Err(self.on_repeated_sccrq(now, id, budget, out));
        }
        self.on_sccrq(now, rng, &request, out)
    }

    fn on_sccrq(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        request: &Request<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        if let Err((reason, result)) = acceptable(&request.message) {
            let cause = FailureCause::Protocol(reason);
            out.push(Action::DialFailed { carrier: request.carrier, cause });
            self.refuse(rng, request, result, out);
            return Err(reason);
        }
        if request.budget < SCCRP_LEN_MIN + 1 {
            return Err(DropReason::UnprovenBudget);
        }
        let Some(id) = self.start_tunnel(now, rng, request) else {
            let reason = DropReason::TunnelTableFull;
            out.push(Action::Refused { carrier: request.carrier, reason });
            self.refuse(rng, request, ResultCode::NO_RESOURCES, out);
            return Err(reason);
        };
        let room = request.budget - SCCRP_LEN_MIN;
        let name_len = self.host_name.len().min(room).min(usize::from(u8::MAX)) as u8;
        self.say(id, Reply::Sccrp { name_len });
        self.settle(now, id, out);
        Ok(())
    }

    /// The client has not heard our answer.
    fn on_repeated_sccrq(
        &mut self,
        now: Instant,
        id: TunnelId,
        budget: usize,
        out: &mut Out,
    ) -> DropReason {
        let Some(tunnel) = self.tunnels.find_mut(id) else { return DropReason::UnknownTunnel };
        tunnel.heard = now;
        match tunnel.channel.repeat() {
            Some((ns, reply @ Reply::Sccrp { name_len })) => {
                if SCCRP_LEN_MIN + usize::from(name_len) > budget {
                    return DropReason::UnprovenBudget;
                }
                send(tunnel, &self.host_name, ns, reply, out);
            }
            // A late copy: the client has acknowledged our answer since.
            _ => tunnel.channel.ack_by(now),
        }
        self.settle(now, id, out);
        DropReason::Duplicate
    }

    fn start_tunnel(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        request: &Request<'_>,
    ) -> Option<TunnelId> {
        let Request { carrier, remote, ref message, .. } = *request;
        self.make_room(carrier)?;
        let local = self.free_tunnel_id(rng, carrier)?;
        let replaces = self.find_remote(carrier, remote, Tunnel::is_open);
        let proven = matches!(carrier, Carrier::Esp { .. });
        let tunnel = Tunnel {
            carrier,
            local,
            remote,
            host_name: name_of(message.host_name),
            state: State::Opening { until: now + CYCLE, replaces },
            // The window without the AVP: RFC 2661 §4.4.3.
            channel: Channel::new(message.receive_window.unwrap_or(4), 1),
            heard: now,
            proven,
            vacant_since: None,
            had_call: false,
            setup: List::default(),
            up: List::default(),
            goodbyes: List::default(),
            links: Links::default(),
        };
        let id = self.tunnels.insert(tunnel).ok()?;
        self.index_tunnel(id);
        if !proven {
            self.unproven.push(&mut self.tunnels, id);
        }
        Some(id)
    }

    /// Sees to it that a tunnel on `carrier` may be added; `None` if it may not.
    ///
    /// A tunnel that is over, or one whose client may not exist, makes room for a new one.
    /// Unproven ones never take more than half of the table.
    fn make_room(&mut self, carrier: Carrier) -> Option<()> {
        let (live, over, first_over) = self.count_tunnels(carrier.into());
        if live >= self.tunnels_per_carrier {
            return None;
        }
        if over >= self.tunnels_per_carrier {
            self.evict(first_over?)?;
        }
        let capacity = self.tunnels.capacity();
        if matches!(carrier, Carrier::Udp(_)) && self.unproven.len() * 2 >= capacity.max(2) {
            self.evict(self.unproven.first()?)?;
        }
        if self.tunnels.len() >= capacity {
            self.evict(self.lingering.first().or(self.unproven.first())?)?;
        }
        Some(())
    }

    /// Frees a tunnel for another; `None` if it still has calls.
    fn evict(&mut self, id: TunnelId) -> Option<()> {
        self.tunnels.find(id).filter(|tunnel| tunnel.call_count() == 0)?;
        self.free_tunnel(id);
        Some(())
    }

    /// Tunnels of `owner`: how many live, how many are over, and one of these.
    ///
    /// [`Lns::make_room`] bounds both numbers.
    fn count_tunnels(&self, owner: Owner) -> (usize, usize, Option<TunnelId>) {
        let hash = self.tunnel_index.hash(&TunnelKey::Owner(owner));
        let (mut live, mut over, mut first_over) = (0, 0, None);
        self.tunnel_index.find(hash, |slot| {
            let Some(id) = self.tunnels.key_at(slot) else { return false };
            match self.tunnels.find(id) {
                Some(it) if Owner::from(it.carrier) != owner => {}
                Some(it) if it.is_closing() => {
                    over += 1;
                    first_over = first_over.or(Some(id));
                }
                _ => live += 1,
            }
            false
        });
        (live, over, first_over)
    }

    /// Says StopCCN to one who gets no tunnel; nothing is kept, a repeated request hears it again.
    fn refuse(&self, rng: &mut Rng, request: &Request<'_>, result: ResultCode, out: &mut Out) {
        if request.budget < STOP_CCN_LEN {
            return;
        }
        let Some(local) = self.free_tunnel_id(rng, request.carrier) else { return };
        let header = ControlHeader { tunnel: request.remote.get(), session: 0, ns: 0, nr: 1 };
        let message = out.emit(|writer| emit_stop_ccn(writer, &header, local, result));
        if let Some(message) = message {
            out.push(Action::Send { carrier: request.carrier, message });
        }
    }

    /// The tunnel that the client on `carrier` calls `remote`, and that `is_it` accepts.
    fn find_remote(
        &self,
        carrier: Carrier,
        remote: NonZeroU16,
        is_it: impl Fn(&Tunnel) -> bool,
    ) -> Option<TunnelId> {
        let hash = self.tunnel_index.hash(&TunnelKey::Remote(carrier, remote.get()));
        let slot = self.tunnel_index.find(hash, |slot| {
            let tunnel = self.tunnels.key_at(slot).and_then(|key| self.tunnels.find(key));
            tunnel.is_some_and(|tunnel| {
                tunnel.carrier == carrier && tunnel.remote == remote && is_it(tunnel)
            })
        })?;
        self.tunnels.key_at(slot)
    }
}

/// Whether we can serve what a client asks for; if not, why, and what to tell it.
fn acceptable(message: &Message<'_>) -> Result<(), (DropReason, ResultCode)> {
    if let Some(fault) = message.fault {
        return Err((DropReason::BadAvp, fault.result()));
    }
    if message.protocol_version.is_some_and(|version| version >> 8 != 1) {
        return Err((DropReason::BadVersion, ResultCode::BAD_VERSION));
    }
    if message.challenged {
        return Err((DropReason::BadAvp, ResultCode::NOT_AUTHORIZED));
    }
    Ok(())
}
