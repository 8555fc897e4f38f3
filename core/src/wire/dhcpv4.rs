//! DHCP for IPv4: message (RFC 2131 §2) and options (RFC 2132).
//!
//! ```text
//! op 8, hardware type 8, hardware length 8, hops 8 | transaction 32 | seconds 16, flags 16
//! client, your, server and gateway address, 32 each | hardware address 128
//! server name 512 | boot file 1024 | 63 82 53 63 | options: code 8, length 8, value
//! ```
//!
//! Options may continue in boot file and server name (option 52); they are read there, and never
//! written there. Values that are split over several options (RFC 3396) are joined for lists of
//! addresses only. The fields of a relay agent are read, relaying is not done.

mod options;

use core::net::Ipv4Addr;

use super::Error;
use crate::addr::MacAddr;
use crate::buf::{Reader, Writer};

pub use options::{AddressList, MessageType, Options, code};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A client.
    Request,
    /// A server.
    Reply,
}

/// A hardware address of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardwareAddr {
    /// Kind; 1 is Ethernet.
    pub kind: u8,
    /// Octets in use, at most 16.
    pub len: u8,
    /// The octets; zero behind `len` when written by those who follow the RFC.
    pub bytes: [u8; 16],
}

impl HardwareAddr {
    /// The MAC address, if it is one.
    pub fn mac(&self) -> Option<MacAddr> {
        let mac = self.bytes.first_chunk().map(|mac| MacAddr(*mac));
        mac.filter(|_| self.kind == ETHERNET && self.len == 6)
    }
}

impl From<MacAddr> for HardwareAddr {
    fn from(MacAddr([a, b, c, d, e, f]): MacAddr) -> Self {
        let bytes = [a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Self { kind: ETHERNET, len: 6, bytes }
    }
}

/// A DHCP message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Who speaks.
    pub op: Op,
    /// The transaction, chosen by the client.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The client cannot receive unicast before it has its address.
    pub broadcast: bool,
    /// The address that the client has.
    pub ciaddr: Ipv4Addr,
    /// The address that the client gets.
    pub yiaddr: Ipv4Addr,
    /// The next server of the boot.
    pub siaddr: Ipv4Addr,
    /// The relay agent.
    pub giaddr: Ipv4Addr,
    /// The client's hardware address.
    pub hardware: HardwareAddr,
    /// Everything else.
    pub options: Options<'a>,
}

impl<'a> Message<'a> {
    /// A message of a client: no addresses, no options but its type.
    pub fn request(kind: MessageType, xid: u32, mac: MacAddr) -> Self {
        Self {
            op: Op::Request,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            hardware: mac.into(),
            options: Options { kind: Some(kind), ..Options::default() },
        }
    }

    /// The server's answer to this message: the same transaction, no addresses, no options but
    /// its type (RFC 2131 §4.3.1, table 3).
    pub fn reply<'b>(&self, kind: MessageType) -> Message<'b> {
        Message {
            op: Op::Reply,
            xid: self.xid,
            secs: 0,
            broadcast: self.broadcast,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: self.giaddr,
            hardware: self.hardware,
            options: Options { kind: Some(kind), ..Options::default() },
        }
    }

    /// Reads the payload of a datagram.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Length`] for an option of a wrong length;
    /// [`Error::Unsupported`] for BOOTP and unknown operations.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let op = match reader.u8()? {
            REQUEST => Op::Request,
            REPLY => Op::Reply,
            _ => return Err(Error::Unsupported),
        };
        let (kind, len, _hops) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let (xid, secs, flags) = (reader.u32()?, reader.u16()?, reader.u16()?);
        let [ciaddr, yiaddr, siaddr, giaddr] = [
            reader.array::<4>()?.into(),
            reader.array::<4>()?.into(),
            reader.array::<4>()?.into(),
            reader.array::<4>()?.into(),
        ];
        let hardware = HardwareAddr { kind, len, bytes: reader.array()? };
        if usize::from(len) > hardware.bytes.len() {
            return Err(Error::Length);
        }
        let (server_name, file) = (reader.take(SERVER_NAME_LEN)?, reader.take(FILE_LEN)?);
        if reader.u32()? != MAGIC {
            return Err(Error::Unsupported);
        }
        let options = Options::parse(reader.rest(), file, server_name)?;
        let broadcast = flags & BROADCAST != 0;
        Ok(Self { op, xid, secs, broadcast, ciaddr, yiaddr, siaddr, giaddr, hardware, options })
    }

    /// Writes the message, padded to the 300 octets that BOOTP asks for (RFC 1542 §2.1).
    pub fn emit(&self, writer: &mut Writer<'_>) {
        let start = writer.len();
        writer.u8(match self.op {
            Op::Request => REQUEST,
            Op::Reply => REPLY,
        });
        writer.u8(self.hardware.kind);
        writer.u8(self.hardware.len);
        writer.u8(0);
        writer.u32(self.xid);
        writer.u16(self.secs);
        writer.u16(if self.broadcast { BROADCAST } else { 0 });
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            writer.put(&address.octets());
        }
        writer.put(&self.hardware.bytes);
        writer.zeros(SERVER_NAME_LEN + FILE_LEN);
        writer.u32(MAGIC);
        self.options.emit(writer);
        writer.zeros(MIN_LEN.saturating_sub(writer.len() - start));
    }
}

/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const BROADCAST: u16 = 0x8000;
const SERVER_NAME_LEN: usize = 64;
const FILE_LEN: usize = 128;
const MAGIC: u32 = 0x6382_5363;
const MIN_LEN: usize = 300;

#[cfg(test)]
mod tests;
