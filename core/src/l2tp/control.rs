//! Control messages of a tunnel that is known (RFC 2661 §5.8, §7.2.1, §7.4.2).

use super::channel::{Inbound, Order};
use super::reply::Reply;
use super::tunnel::{State, Tunnel};
use super::{Action, Lns, Out};
use crate::addr::Carrier;
use crate::buf::Writer;
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DownCause, FailureCause};
use crate::ids::TunnelId;
use crate::time::Instant;
use crate::wire::l2tp::{
    Control, ControlHeader, Fault, Message, MessageKind, ResultCode, emit_ack,
};

impl Lns<'_> {
    /// Works on a control message of `len` octets.
    pub(super) fn on_control(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        carrier: Carrier,
        control: &Control<'_>,
        len: usize,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        if control.tunnel == 0 {
            return self.on_first(now, rng, carrier, control, len, out);
        }
        let id = self.find_tunnel(carrier, control.tunnel).ok_or(DropReason::UnknownTunnel)?;
        self.on_tunnel_control(now, rng, id, control, out)
    }

    /// Works on a message of tunnel `id`, and on those that waited for it.
    pub(super) fn on_tunnel_control(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        id: TunnelId,
        control: &Control<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let message = match control.avps.is_empty() {
            true => None,
            false => Some(Message::parse(control.avps)?),
        };
        let verdict = self.receive(now, id, control, message.as_ref(), out);
        let mut worked = Ok(());
        while let Some(next) = self.next_message(now, id) {
            worked = worked.and(self.deliver(now, rng, id, &next, out));
        }
        self.settle(now, id, out);
        verdict.and(worked)
    }

    /// Works on the numbers of a message, and keeps it for [`Lns::next_message`].
    fn receive(
        &mut self,
        now: Instant,
        id: TunnelId,
        control: &Control<'_>,
        message: Option<&Message<'_>>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let tunnel = self.tunnels.find_mut(id).ok_or(DropReason::UnknownTunnel)?;
        let acked = tunnel.channel.on_nr(now, control.nr)?;
        tunnel.heard = now;
        if acked {
            tunnel.on_acked(now);
            self.prove(id);
        }
        let Some(message) = message else { return Ok(()) };
        let tunnel = self.tunnels.find_mut(id).ok_or(DropReason::UnknownTunnel)?;
        if !tunnel.proven && message.kind != MessageKind::StopCcn {
            return Err(DropReason::UnexpectedMessage);
        }
        match tunnel.channel.order(control.ns) {
            Order::Inside(ahead) => tunnel.channel.keep(ahead, inbound(control, message)),
            Order::Outside => Err(DropReason::OutsideWindow),
            Order::Old => {
                // It has been worked on; our answer or our acknowledgement was lost.
                match tunnel.channel.repeat().filter(|_| tunnel.proven) {
                    Some((ns, reply)) => send(tunnel, &self.host_name, ns, reply, out),
                    None => tunnel.channel.ack_by(now),
                }
                Err(DropReason::Duplicate)
            }
        }
    }

    /// The next message in order, if there is room for what it may cause.
    fn next_message(&mut self, now: Instant, id: TunnelId) -> Option<Inbound> {
        let tunnel = self.tunnels.find_mut(id)?;
        if tunnel.channel.room() < 2 && !tunnel.is_closing() {
            return None;
        }
        tunnel.channel.take_next(now)
    }

    fn deliver(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let tunnel = self.tunnels.find_mut(id).ok_or(DropReason::UnknownTunnel)?;
        match tunnel.state {
            State::Closing { .. } => {
                tunnel.channel.ack_by(now);
                Ok(())
            }
            State::Opening { replaces, .. } => {
                self.deliver_opening(now, id, replaces, message, out)
            }
            State::Open => self.deliver_open(now, rng, id, message, out),
        }
    }

    fn deliver_opening(
        &mut self,
        now: Instant,
        id: TunnelId,
        replaces: Option<TunnelId>,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        match message.kind {
            MessageKind::StopCcn => self.on_stop_ccn(now, id, out),
            MessageKind::Scccn | MessageKind::Hello if message.fault.is_some() => {
                return self.on_tunnel_fault(now, id, message, out);
            }
            MessageKind::Scccn => self.on_scccn(id, replaces, out),
            MessageKind::Hello | MessageKind::Unknown { mandatory: false } => {}
            MessageKind::Unknown { mandatory: true } => {
                return self.on_tunnel_fault(now, id, message, out);
            }
            _ => {
                let reason = DropReason::UnexpectedMessage;
                let failure = Some(FailureCause::Protocol(reason));
                let result = Some(ResultCode::STATE_ERROR);
                self.shut(now, id, DownCause::Failed, result, failure, out);
                return Err(reason);
            }
        }
        Ok(())
    }

    fn deliver_open(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        match message.kind {
            MessageKind::Icrq => self.on_icrq(now, rng, id, message, out),
            MessageKind::Iccn => self.on_iccn(id, message, out),
            MessageKind::Cdn => self.on_cdn(id, message, out),
            MessageKind::Ocrq => self.on_ocrq(rng, id, message),
            MessageKind::Wen | MessageKind::Sli => self.on_call_notice(id, message, out),
            MessageKind::StopCcn => {
                self.on_stop_ccn(now, id, out);
                Ok(())
            }
            MessageKind::Unknown { mandatory: false } => Ok(()),
            MessageKind::Unknown { mandatory: true } => self.on_tunnel_fault(now, id, message, out),
            MessageKind::Hello if message.fault.is_some() => {
                self.on_tunnel_fault(now, id, message, out)
            }
            MessageKind::Hello => Ok(()),
            MessageKind::Sccrq
            | MessageKind::Sccrp
            | MessageKind::Scccn
            | MessageKind::Ocrp
            | MessageKind::Occn
            | MessageKind::Icrp => Err(DropReason::UnexpectedMessage),
        }
    }

    /// SCCCN: the control connection stands.
    fn on_scccn(&mut self, id: TunnelId, replaces: Option<TunnelId>, out: &mut Out) {
        let Some(tunnel) = self.tunnels.find_mut(id) else { return };
        tunnel.state = State::Open;
        out.push(Action::TunnelUp { tunnel: id, carrier: tunnel.carrier });
        if let Some(old) = replaces {
            // Without a word: the client would take StopCCN, which names its id, for the new
            // one's.
            self.kill(old, DownCause::Replaced, out);
        }
    }

    /// StopCCN: the client ends the tunnel.
    pub(super) fn on_stop_ccn(&mut self, now: Instant, id: TunnelId, out: &mut Out) {
        let failure = Some(FailureCause::PeerClosed);
        self.shut(now, id, DownCause::PeerClosed, None, failure, out);
        if let Some(tunnel) = self.tunnels.find_mut(id) {
            tunnel.channel.ack_by(now);
        }
    }

    /// A message about the tunnel demands something that we do not know (RFC 2661 §4.1).
    fn on_tunnel_fault(
        &mut self,
        now: Instant,
        id: TunnelId,
        message: &Inbound,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let result = message.fault.map_or(ResultCode::general(3), Fault::result);
        let failure = Some(FailureCause::Protocol(DropReason::BadAvp));
        self.shut(now, id, DownCause::Failed, Some(result), failure, out);
        Err(DropReason::BadAvp)
    }

    /// Sends what a tunnel has to send now, and files it anew.
    pub(super) fn settle(&mut self, now: Instant, id: TunnelId, out: &mut Out) {
        while self.say_goodbye(id) {}
        let Some(tunnel) = self.tunnels.find_mut(id) else { return };
        tunnel.note_vacancy(now);
        if tunnel.is_closing() {
            tunnel.channel.open_windows();
        }
        while let Some((ns, reply)) = tunnel.channel.take_to_send(now) {
            send(tunnel, &self.host_name, ns, reply, out);
        }
        if tunnel.channel.take_ack(now) {
            acknowledge(tunnel, out);
        }
        self.file(id);
    }
}

/// Sends `reply` as number `ns`.
pub(super) fn send(tunnel: &Tunnel, host_name: &str, ns: u16, reply: Reply, out: &mut Out) {
    let ends = tunnel.ends(host_name);
    let nr = tunnel.channel.next_nr();
    let write = |writer: &mut Writer<'_>| reply.emit(writer, ends, ns, nr);
    if let Some(message) = out.emit(write) {
        out.push(Action::Send { carrier: tunnel.carrier, message });
    }
}

fn acknowledge(tunnel: &Tunnel, out: &mut Out) {
    let header = ControlHeader {
        tunnel: tunnel.remote.get(),
        session: 0,
        ns: tunnel.channel.next_ns(),
        nr: tunnel.channel.next_nr(),
    };
    if let Some(message) = out.emit(|writer| emit_ack(writer, &header)) {
        out.push(Action::Send { carrier: tunnel.carrier, message });
    }
}

fn inbound(control: &Control<'_>, message: &Message<'_>) -> Inbound {
    Inbound {
        kind: message.kind,
        session: control.session,
        assigned: message.assigned_session.unwrap_or(0),
        sequencing: message.sequencing_required,
        fault: message.fault,
    }
}
