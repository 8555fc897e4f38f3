//! A client's packets on their way between its PPP link and its hub.

use core::net::Ipv4Addr;

use crate::addr::MacAddr;
use crate::buf::{Frame, Pool};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DownCause, FailureCause};
use crate::host::{self, Action, Delivery, Host, Route};
use crate::ids::SessionId;
use crate::ppp::Data;
use crate::session::{Held, mss_of};
use crate::time::Instant;
use crate::wire::ethernet::{self, EtherType};
use crate::wire::ppp::Protocol;
use crate::wire::tcp::clamp_mss;

use super::{Cx, Server};

impl<P: Pool> Server<'_, P> {
    /// Takes a PPP frame from a client.
    pub(super) fn handle_ppp(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        mut frame: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let session = self.sessions.find_mut(id).ok_or(DropReason::UnknownCall)?;
        session.link.note_heard(cx.now);
        match session.link.data(frame.bytes()) {
            Some(Data::Ipv4 { offset }) => {
                frame.strip(offset)?;
                self.handle_client_packet(cx, id, frame)
            }
            Some(Data::Ipv6 { .. }) => Err(DropReason::Unsupported),
            None => {
                let handled = self.with_link(cx, id, |link, now, rng, out| {
                    link.handle_frame(now, rng, frame.bytes(), out)
                });
                handled.unwrap_or(Err(DropReason::UnknownCall))
            }
        }
    }

    /// Takes an IPv4 packet from a client to its hub.
    fn handle_client_packet(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        packet: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let route =
            self.with_host(cx, id, |host, now, _, out| host.route(now, packet.bytes(), out));
        match route.ok_or(DropReason::LinkDown)? {
            Route::Frame { destination } => self.enter_packet(id, destination, packet),
            Route::Resolving { next_hop } => self.hold(id, Held { next_hop, packet }),
            Route::Drop(reason) => Err(reason),
        }
    }

    /// Puts a client's IPv4 packet on its hub.
    fn enter_packet(
        &mut self,
        id: SessionId,
        destination: MacAddr,
        mut packet: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let session = self.sessions.find(id).ok_or(DropReason::UnknownCall)?;
        let member = session.member.as_ref().ok_or(DropReason::LinkDown)?;
        clamp_mss(packet.bytes_mut(), mss_of(session.mtu));
        let source = member.host.mac();
        let header = ethernet::Header { destination, source, ether_type: EtherType::IPV4 };
        packet.push(ethernet::HEADER_LEN)?.copy_from_slice(&header.to_bytes());
        let port = member.port;
        self.enter(port, packet);
        Ok(())
    }

    /// Keeps a packet until its next hop answers ARP; where too many wait, in place of the oldest
    /// (RFC 1122 §2.3.2.2).
    fn hold(&mut self, id: SessionId, held: Held<P::Buf>) -> Result<(), DropReason> {
        let most = self.held_per_session;
        let session = self.sessions.find_mut(id).ok_or(DropReason::UnknownCall)?;
        let member = session.member.as_mut().ok_or(DropReason::LinkDown)?;
        let is_full = member.held.len() >= most;
        if is_full && !member.held.is_empty() {
            member.held.remove(0);
        }
        member.held.push(held).map_err(|_| DropReason::ArpQueueFull)?;
        if is_full { Err(DropReason::ArpQueueFull) } else { Ok(()) }
    }

    /// Takes a frame that the hub has for a client.
    pub(super) fn handle_hub_frame(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        mut frame: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let delivery = self.with_host(cx, id, |host, now, rng, out| {
            host.handle_frame(now, rng, frame.bytes(), out)
        });
        match delivery.ok_or(DropReason::LinkDown)? {
            Delivery::ToClient { offset, len } => {
                frame.strip(offset)?;
                frame.truncate(len);
                self.send_packet(cx, id, frame)
            }
            Delivery::Consumed => Ok(()),
            Delivery::Drop(reason) => Err(reason),
        }
    }

    /// Sends an IPv4 packet to a client.
    fn send_packet(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        mut packet: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let session = self.sessions.find(id).ok_or(DropReason::UnknownCall)?;
        if !session.link.carries_ipv4() {
            return Err(DropReason::LinkDown);
        }
        clamp_mss(packet.bytes_mut(), mss_of(session.mtu));
        let (header, len) = session.link.header(Protocol::IPV4);
        let header = header.get(..len).ok_or(DropReason::NoRoom)?;
        packet.push(len)?.copy_from_slice(header);
        let call = session.call;
        self.send_ppp(cx, call, packet)
    }

    /// Calls the host of a session and carries out what it asks for.
    pub(super) fn with_host<R>(
        &mut self,
        cx: &mut Cx<'_, P>,
        id: SessionId,
        call: impl FnOnce(&mut Host, Instant, &mut Rng, &mut host::Actions) -> R,
    ) -> Option<R> {
        if self.outboxes.host.is_empty() {
            self.outboxes.host.clear();
        }
        let member = self.sessions.find_mut(id)?.member.as_mut()?;
        let result = call(&mut member.host, cx.now, &mut self.rng, &mut self.outboxes.host);
        if self.outboxes.host.is_empty() {
            return Some(result);
        }
        while let Some(action) = self.outboxes.host.pop() {
            self.carry_out_host(cx, id, action);
        }
        self.file_session(id);
        Some(result)
    }

    fn carry_out_host(&mut self, cx: &mut Cx<'_, P>, id: SessionId, action: Action) {
        match action {
            Action::Frame(span) => {
                let frame = Frame::copy_of(cx.pool, self.outboxes.host.bytes(span));
                let member = self.sessions.find(id).and_then(|session| session.member.as_ref());
                match (member.map(|member| member.port), frame) {
                    (Some(port), Ok(frame)) => self.enter(port, frame),
                    (None, _) => self.drops.count(DropReason::LinkDown),
                    (_, Err(_)) => self.drops.count(DropReason::NoBuffer),
                }
            }
            Action::Leased(assignment) => self.on_assignment(cx, id, Ok(assignment)),
            Action::NoOffer => self.on_assignment(cx, id, Err(FailureCause::NoDhcpAnswer)),
            Action::Refused => self.on_assignment(cx, id, Err(FailureCause::NoAddress)),
            Action::LeaseLost => {
                self.with_link(cx, id, |link, now, _, out| {
                    link.close(now, DownCause::LeaseLost, out);
                });
            }
            Action::Resolved { next_hop, mac } => {
                while let Some(held) = self.take_held(id, next_hop) {
                    let entered = self.enter_packet(id, mac, held.packet);
                    self.count(entered);
                }
            }
            Action::ResolveFailed { next_hop } => {
                while self.take_held(id, next_hop).is_some() {
                    self.drops.count(DropReason::NoNextHop);
                }
            }
        }
    }

    /// Takes the oldest packet that waits for `next_hop`.
    fn take_held(&mut self, id: SessionId, next_hop: Ipv4Addr) -> Option<Held<P::Buf>> {
        let member = self.sessions.find_mut(id)?.member.as_mut()?;
        let at = member.held.iter().position(|held| held.next_hop == next_hop)?;
        Some(member.held.remove(at))
    }
}
