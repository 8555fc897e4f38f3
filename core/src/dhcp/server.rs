//! What a server answers (RFC 2131 §4.3).

use core::net::{Ipv4Addr, SocketAddrV4};

use super::lease::{ClientKey, State};
use super::{Action, Actions, Dhcp, Settings};
use crate::addr::MacAddr;
use crate::canary::{Fault, is_planted};
use crate::discard::DropReason;
use crate::ids::HubId;
use crate::time::{Duration, Instant};
use crate::wire::dhcpv4::{AddressList, CLIENT_PORT, Message, MessageType, Op, SERVER_PORT};
use crate::wire::ethernet::{EtherType, Header};
use crate::wire::{ipv4, udp};

impl Dhcp<'_> {
    /// Takes the payload of a datagram to the server of `hub`, which came in a frame from the MAC
    /// address `from`.
    ///
    /// # Errors
    /// Why there is no answer, where there should have been one.
    pub fn handle_message(
        &mut self,
        now: Instant,
        hub: HubId,
        from: MacAddr,
        payload: &[u8],
        out: &mut Actions,
    ) -> Result<(), DropReason> {
        let settings = self.leases.settings(hub).ok_or(DropReason::NotServed)?.clone();
        let message = Message::parse(payload)?;
        if message.op != Op::Request || !message.giaddr.is_unspecified() {
            return Err(DropReason::BadDhcp);
        }
        let call = Call { now, hub, from, settings: &settings, message: &message };
        let client = ClientKey::of(&message);
        match message.options.kind.ok_or(DropReason::BadDhcp)? {
            MessageType::Discover => self.on_discover(&call, client, out),
            MessageType::Request => self.on_request(&call, client, out),
            MessageType::Decline => self.on_decline(&call, &client),
            MessageType::Release => self.on_release(&call, &client),
            MessageType::Inform => call.inform(out),
            MessageType::Offer | MessageType::Ack | MessageType::Nak | MessageType::Unknown(_) => {
                Err(DropReason::BadDhcp)
            }
        }
    }

    /// Offers the address that the client has or had, or the one it wants, or any other.
    fn on_discover(
        &mut self,
        call: &Call<'_>,
        client: ClientKey,
        out: &mut Actions,
    ) -> Result<(), DropReason> {
        let (now, hub) = (call.now, call.hub);
        let (slot, address) = match self.kept(call, &client) {
            Some(kept) => kept,
            None => {
                let wanted = call.message.options.requested_address;
                let wanted = wanted.filter(|&wanted| self.is_available(call, wanted));
                let address = wanted.or_else(|| self.leases.choose(now, hub));
                let address = address.ok_or(DropReason::NoLease)?;
                (self.reserve(call, address, client)?, address)
            }
        };
        // A client that forgot its lease keeps it until it takes the offer.
        let is_bound = self.leases.of_client(hub, &client);
        if is_bound.is_none_or(|(_, lease)| lease.state(now) != State::Bound) {
            self.leases.set(now, slot, State::Offered, OFFER_TIME);
        }
        call.grant(MessageType::Offer, address, out)
    }

    /// Grants an offer, or an address that the client has or claims to have.
    fn on_request(
        &mut self,
        call: &Call<'_>,
        client: ClientKey,
        out: &mut Actions,
    ) -> Result<(), DropReason> {
        let options = &call.message.options;
        if options.server.is_some_and(|server| server != call.settings.address) {
            self.withdraw(call, &client);
            return Err(DropReason::NotForHost);
        }
        let address = options.requested_address.unwrap_or(call.message.ciaddr);
        if !call.settings.is_in_subnet(address) {
            // A client of another server on the same hub may be extending its lease.
            let is_extending = options.requested_address.is_none();
            return if is_extending { Err(DropReason::BadDhcp) } else { call.refuse(out) };
        }
        let slot = match self.leases.of_client(call.hub, &client) {
            Some((slot, lease)) if lease.address == address => slot,
            Some(_) => return call.refuse(out),
            None if self.is_available(call, address) => self.reserve(call, address, client)?,
            None if call.settings.is_leasable(address) => return call.refuse(out),
            None => return Err(DropReason::BadDhcp),
        };
        if !call.settings.is_leasable(address) {
            self.leases.remove(slot);
            return call.refuse(out);
        }
        self.leases.set_mac(slot, call.message.hardware.mac());
        self.leases.set(call.now, slot, State::Bound, call.settings.lease);
        call.grant(MessageType::Ack, address, out)
    }

    fn on_decline(&mut self, call: &Call<'_>, client: &ClientKey) -> Result<(), DropReason> {
        let wanted = call.message.options.requested_address.ok_or(DropReason::BadDhcp)?;
        let slot = self.slot_of(call, client, wanted)?;
        self.leases.decline(call.now, slot, DECLINE_TIME);
        Ok(())
    }

    fn on_release(&mut self, call: &Call<'_>, client: &ClientKey) -> Result<(), DropReason> {
        let slot = self.slot_of(call, client, call.message.ciaddr)?;
        self.leases.set(call.now, slot, State::Free, Duration::ZERO);
        Ok(())
    }

    /// The client chose another server.
    fn withdraw(&mut self, call: &Call<'_>, client: &ClientKey) {
        if let Some((slot, lease)) = self.leases.of_client(call.hub, client)
            && lease.state(call.now) == State::Offered
        {
            self.leases.set(call.now, slot, State::Free, Duration::ZERO);
        }
    }

    /// What the client has or had, if it may still have it.
    fn kept(&mut self, call: &Call<'_>, client: &ClientKey) -> Option<(u32, Ipv4Addr)> {
        let (slot, lease) = self.leases.of_client(call.hub, client)?;
        let address = lease.address;
        if call.settings.is_leasable(address) || is_planted(Fault::FormerAddressOffered) {
            return Some((slot, address));
        }
        self.leases.remove(slot);
        None
    }

    fn is_available(&self, call: &Call<'_>, address: Ipv4Addr) -> bool {
        let lease = self.leases.of_address(call.hub, address);
        let is_free = lease.is_none_or(|(_, lease)| lease.state(call.now) == State::Free);
        call.settings.is_leasable(address) && is_free
    }

    fn reserve(
        &mut self,
        call: &Call<'_>,
        address: Ipv4Addr,
        client: ClientKey,
    ) -> Result<u32, DropReason> {
        let mac = call.message.hardware.mac();
        let slot = self.leases.insert(call.now, call.hub, address, client, mac);
        slot.ok_or(DropReason::NoLease)
    }

    /// The client's lease of `address`, if the message is meant for us.
    fn slot_of(
        &self,
        call: &Call<'_>,
        client: &ClientKey,
        address: Ipv4Addr,
    ) -> Result<u32, DropReason> {
        let server = call.message.options.server;
        if server.is_some_and(|server| server != call.settings.address) {
            return Err(DropReason::NotForHost);
        }
        let lease = self.leases.of_client(call.hub, client);
        let slot = lease.filter(|(_, lease)| lease.address == address).map(|(slot, _)| slot);
        slot.ok_or(DropReason::BadDhcp)
    }
}

/// One message and where it came from.
struct Call<'a> {
    now: Instant,
    hub: HubId,
    from: MacAddr,
    settings: &'a Settings,
    message: &'a Message<'a>,
}

impl Call<'_> {
    fn grant(
        &self,
        kind: MessageType,
        address: Ipv4Addr,
        out: &mut Actions,
    ) -> Result<(), DropReason> {
        let mut reply = self.reply(kind);
        reply.ciaddr = self.message.ciaddr;
        reply.yiaddr = address;
        let lease_secs = self.settings.lease.as_secs().min(u64::from(u32::MAX)) as u32;
        reply.options.lease_secs = Some(lease_secs);
        reply.options.renewal_secs = Some(lease_secs / 2);
        reply.options.rebinding_secs = Some(lease_secs - lease_secs / 8);
        self.send(&reply, self.message.hardware.mac(), address, out)
    }

    /// Everything but an address, for a client that has one (RFC 2131 §4.3.5).
    fn inform(&self, out: &mut Actions) -> Result<(), DropReason> {
        let address = self.message.ciaddr;
        if !self.settings.is_in_subnet(address) {
            return Err(DropReason::BadDhcp);
        }
        let mut reply = self.reply(MessageType::Ack);
        reply.ciaddr = address;
        self.send(&reply, Some(self.from), address, out)
    }

    /// Only broadcast reaches a client whose address is wrong (RFC 2131 §4.1).
    fn refuse(&self, out: &mut Actions) -> Result<(), DropReason> {
        let mut reply = self.message.reply(MessageType::Nak);
        reply.options.server = Some(self.settings.address);
        reply.options.client_id = self.message.options.client_id;
        self.send(&reply, None, Ipv4Addr::BROADCAST, out)
    }

    /// A reply with what every client of the subnet is told. The identifier goes back as it came
    /// (RFC 6842).
    fn reply(&self, kind: MessageType) -> Message<'_> {
        let mut reply = self.message.reply(kind);
        let options = &mut reply.options;
        options.client_id = self.message.options.client_id;
        options.server = Some(self.settings.address);
        options.subnet_mask = Some(ipv4::mask_of(self.settings.prefix_len));
        if self.settings.gateway {
            options.routers = AddressList::from_iter([self.settings.address]);
        }
        options.dns = self.settings.dns.clone();
        reply
    }

    /// Sends to `mac` and `address`, or to everyone if the client asks for that or `mac` is not
    /// known.
    fn send(
        &self,
        reply: &Message<'_>,
        mac: Option<MacAddr>,
        address: Ipv4Addr,
        out: &mut Actions,
    ) -> Result<(), DropReason> {
        let wants_broadcast = self.message.broadcast && self.message.ciaddr.is_unspecified();
        let (destination, address) = match mac.filter(|mac| !wants_broadcast && !mac.is_group()) {
            Some(mac) => (mac, address),
            None => (MacAddr::BROADCAST, Ipv4Addr::BROADCAST),
        };
        let source = self.settings.mac;
        let header = Header { destination, source, ether_type: EtherType::IPV4 };
        let from = SocketAddrV4::new(self.settings.address, SERVER_PORT);
        let to = SocketAddrV4::new(address, CLIENT_PORT);
        let span = out.emit(|writer| {
            header.emit(writer);
            udp::emit(writer, from, to, |writer| reply.emit(writer));
        });
        out.push(Action::Frame(span.ok_or(DropReason::NoRoom)?));
        Ok(())
    }
}

/// How long an offer is kept.
const OFFER_TIME: Duration = Duration::from_secs(15);
/// How long an address that someone else uses is kept from everyone.
const DECLINE_TIME: Duration = Duration::from_secs(600);
