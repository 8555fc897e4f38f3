//! DHCP options (RFC 2132): those that we use as typed values, all others skipped.

use core::net::Ipv4Addr;

use super::Error;
use crate::buf::{Reader, Writer};

/// What a message is (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// A client looks for servers.
    Discover,
    /// A server offers an address.
    Offer,
    /// A client asks for an offered address, or to keep its own.
    Request,
    /// A client found the address in use.
    Decline,
    /// A server grants the address.
    Ack,
    /// A server refuses it.
    Nak,
    /// A client gives its address back.
    Release,
    /// A client has an address and wants everything else.
    Inform,
    /// Another code.
    Unknown(u8),
}

impl From<u8> for MessageType {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Unknown(other),
        }
    }
}

impl From<MessageType> for u8 {
    fn from(kind: MessageType) -> Self {
        match kind {
            MessageType::Discover => 1,
            MessageType::Offer => 2,
            MessageType::Request => 3,
            MessageType::Decline => 4,
            MessageType::Ack => 5,
            MessageType::Nak => 6,
            MessageType::Release => 7,
            MessageType::Inform => 8,
            MessageType::Unknown(other) => other,
        }
    }
}

/// Addresses in the order of preference; what does not fit is left out.
pub type AddressList = heapless::Vec<Ipv4Addr, 4>;

/// The options of a message. What is absent is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options<'a> {
    /// What the message is. `None` in BOOTP.
    pub kind: Option<MessageType>,
    /// The client's name for itself among all clients of its subnet.
    pub client_id: &'a [u8],
    /// The address that the client wants.
    pub requested_address: Option<Ipv4Addr>,
    /// The server that speaks, or that the client chose.
    pub server: Option<Ipv4Addr>,
    /// How long the address is granted, in seconds; all ones for ever.
    pub lease_secs: Option<u32>,
    /// When to renew, in seconds.
    pub renewal_secs: Option<u32>,
    /// When to ask any server, in seconds.
    pub rebinding_secs: Option<u32>,
    /// The subnet's mask.
    pub subnet_mask: Option<Ipv4Addr>,
    /// Routers.
    pub routers: AddressList,
    /// DNS servers.
    pub dns: AddressList,
    /// WINS servers.
    pub wins: AddressList,
    /// The domain of the subnet.
    pub domain_name: &'a [u8],
    /// The client's host name.
    pub host_name: &'a [u8],
    /// What kind of client it is.
    pub vendor_class: &'a [u8],
    /// Octets of the longest message that the client takes.
    pub max_size: Option<u16>,
    /// Codes of the options that the client wants.
    pub parameters: &'a [u8],
}

impl<'a> Options<'a> {
    pub(super) fn parse(
        options: &'a [u8],
        file: &'a [u8],
        server_name: &'a [u8],
    ) -> Result<Self, Error> {
        let mut parsed = Self::default();
        let overload = parsed.read(options)?;
        if overload & OVERLOAD_FILE != 0 {
            parsed.read(file)?;
        }
        if overload & OVERLOAD_SERVER_NAME != 0 {
            parsed.read(server_name)?;
        }
        Ok(parsed)
    }

    /// Reads one region; tells which others hold options too.
    fn read(&mut self, region: &'a [u8]) -> Result<u8, Error> {
        let mut reader = Reader::new(region);
        let mut overload = 0;
        while !reader.is_empty() {
            let code = reader.u8()?;
            if code == code::END {
                break;
            }
            if code == code::PAD {
                continue;
            }
            let len = reader.u8()?;
            let value = reader.take(usize::from(len))?;
            match code {
                code::OVERLOAD => overload = u8::from_be_bytes(fixed(value)?),
                _ => self.accept(code, value)?,
            }
        }
        Ok(overload)
    }

    /// Of a value that comes twice, the first counts.
    fn accept(&mut self, code: u8, value: &'a [u8]) -> Result<(), Error> {
        let long = || fixed(value).map(u32::from_be_bytes);
        let address = || fixed::<4>(value).map(Ipv4Addr::from);
        match code {
            code::MESSAGE_TYPE => {
                let [kind] = fixed(value)?;
                keep(&mut self.kind, kind.into());
            }
            code::REQUESTED_ADDRESS => keep(&mut self.requested_address, address()?),
            code::SERVER => keep(&mut self.server, address()?),
            code::SUBNET_MASK => keep(&mut self.subnet_mask, address()?),
            code::LEASE => keep(&mut self.lease_secs, long()?),
            code::RENEWAL => keep(&mut self.renewal_secs, long()?),
            code::REBINDING => keep(&mut self.rebinding_secs, long()?),
            code::MAX_SIZE => keep(&mut self.max_size, u16::from_be_bytes(fixed(value)?)),
            code::ROUTERS => extend(&mut self.routers, value)?,
            code::DNS => extend(&mut self.dns, value)?,
            code::WINS => extend(&mut self.wins, value)?,
            code::CLIENT_ID => keep_bytes(&mut self.client_id, value),
            code::DOMAIN_NAME => keep_bytes(&mut self.domain_name, value),
            code::HOST_NAME => keep_bytes(&mut self.host_name, value),
            code::VENDOR_CLASS => keep_bytes(&mut self.vendor_class, value),
            code::PARAMETERS => keep_bytes(&mut self.parameters, value),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn emit(&self, writer: &mut Writer<'_>) {
        if let Some(kind) = self.kind {
            put(writer, code::MESSAGE_TYPE, &[kind.into()]);
        }
        put(writer, code::CLIENT_ID, self.client_id);
        let addresses = [
            (code::REQUESTED_ADDRESS, self.requested_address),
            (code::SERVER, self.server),
            (code::SUBNET_MASK, self.subnet_mask),
        ];
        for (code, address) in addresses {
            put(writer, code, address.map(|address| address.octets()).as_ref().map_or(&[], |a| a));
        }
        let times = [
            (code::LEASE, self.lease_secs),
            (code::RENEWAL, self.renewal_secs),
            (code::REBINDING, self.rebinding_secs),
        ];
        for (code, secs) in times {
            put(writer, code, secs.map(u32::to_be_bytes).as_ref().map_or(&[], |secs| secs));
        }
        let lists =
            [(code::ROUTERS, &self.routers), (code::DNS, &self.dns), (code::WINS, &self.wins)];
        for (code, list) in lists {
            put_list(writer, code, list);
        }
        put(writer, code::DOMAIN_NAME, self.domain_name);
        put(writer, code::HOST_NAME, self.host_name);
        put(writer, code::VENDOR_CLASS, self.vendor_class);
        if let Some(size) = self.max_size {
            put(writer, code::MAX_SIZE, &size.to_be_bytes());
        }
        put(writer, code::PARAMETERS, self.parameters);
        writer.u8(code::END);
    }
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Error> {
    value.try_into().map_err(|_| Error::Length)
}

fn keep<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

fn keep_bytes<'a>(slot: &mut &'a [u8], value: &'a [u8]) {
    if slot.is_empty() {
        *slot = value;
    }
}

fn extend(list: &mut AddressList, value: &[u8]) -> Result<(), Error> {
    let (addresses, rest) = value.as_chunks::<4>();
    if addresses.is_empty() || !rest.is_empty() {
        return Err(Error::Length);
    }
    let room = list.capacity() - list.len();
    list.extend(addresses.iter().take(room).copied().map(Ipv4Addr::from));
    Ok(())
}

/// Writes an option unless it is empty. A value beyond 255 octets is cut.
fn put(writer: &mut Writer<'_>, code: u8, value: &[u8]) {
    let value = value.get(..value.len().min(255)).unwrap_or_default();
    if !value.is_empty() {
        writer.u8(code);
        writer.u8(value.len() as u8);
        writer.put(value);
    }
}

fn put_list(writer: &mut Writer<'_>, code: u8, list: &AddressList) {
    if !list.is_empty() {
        writer.u8(code);
        writer.u8((list.len() * 4) as u8);
        list.iter().for_each(|address| writer.put(&address.octets()));
    }
}

/// Option codes (RFC 2132).
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub mod code {
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTERS: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const WINS: u8 = 44;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const MAX_SIZE: u8 = 57;
    pub const RENEWAL: u8 = 58;
    pub const REBINDING: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const END: u8 = 255;
}

const OVERLOAD_FILE: u8 = 1;
const OVERLOAD_SERVER_NAME: u8 = 2;
