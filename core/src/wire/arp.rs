//! ARP for IPv4 over Ethernet (RFC 826): hardware type 2, protocol type 2, their lengths 1 and
//! 1, operation 2, sender MAC 6 and IP 4, target MAC 6 and IP 4.

use core::net::Ipv4Addr;

use super::Error;
use super::ethernet::EtherType;
use crate::addr::MacAddr;
use crate::buf::{Reader, Writer};

/// What an ARP packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has its address.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it wants.
    pub operation: Operation,
    /// Who sends it.
    pub sender_mac: MacAddr,
    /// The sender's address; unspecified in a probe (RFC 5227 §1.1).
    pub sender_ip: Ipv4Addr,
    /// Whom it asks or tells; zero in a request.
    pub target_mac: MacAddr,
    /// The address that is asked for, or the asker's.
    pub target_ip: Ipv4Addr,
}

impl Packet {
    /// Reads a packet; padding behind it is ignored.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Unsupported`] for other networks and operations.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != NETWORKS {
            return Err(Error::Unsupported);
        }
        let operation = match reader.u16()? {
            REQUEST => Operation::Request,
            REPLY => Operation::Reply,
            _ => return Err(Error::Unsupported),
        };
        Ok(Self {
            operation,
            sender_mac: MacAddr(reader.array()?),
            sender_ip: reader.array::<4>()?.into(),
            target_mac: MacAddr(reader.array()?),
            target_ip: reader.array::<4>()?.into(),
        })
    }

    /// Writes the packet.
    pub fn emit(&self, writer: &mut Writer<'_>) {
        writer.put(&NETWORKS);
        writer.u16(match self.operation {
            Operation::Request => REQUEST,
            Operation::Reply => REPLY,
        });
        writer.put(&self.sender_mac.0);
        writer.put(&self.sender_ip.octets());
        writer.put(&self.target_mac.0);
        writer.put(&self.target_ip.octets());
    }
}

/// Ethernet, IPv4 and the lengths of their addresses.
const NETWORKS: [u8; 6] = {
    let [high, low] = EtherType::IPV4.0.to_be_bytes();
    [0, 1, high, low, 6, 4]
};
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_round_trips_and_other_networks_are_refused() {
        let mut bytes = *b"\0\x01\x08\0\x06\x04\0\x01\x4a\x01\x02\x03\x04\x05\xc0\xa8\x1e\x0a\
            \0\0\0\0\0\0\xc0\xa8\x1e\x01";
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.operation, Operation::Request);
        assert_eq!(packet.sender_ip, Ipv4Addr::new(192, 168, 30, 10));
        assert_eq!(packet.target_ip, Ipv4Addr::new(192, 168, 30, 1));
        let mut room = [0; 28];
        packet.emit(&mut Writer::new(&mut room));
        assert_eq!(room, bytes);
        assert_eq!(Packet::parse(&bytes[..27]), Err(Error::Truncated));
        bytes[7] = 8;
        assert_eq!(Packet::parse(&bytes), Err(Error::Unsupported));
        bytes[1] = 6;
        assert_eq!(Packet::parse(&bytes), Err(Error::Unsupported));
    }
}
