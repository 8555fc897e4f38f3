//! `sequence`: no server sends two ESP packets with one SPI and sequence number, and none goes
//! back (RFC 4303 §3.3.3; with a counter as IV it would give the key away).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kumihimo_core::time::Instant;

use super::esp::{Kind, kind_of};
use crate::node::server::ServerNode;
use crate::observe::{Failure, Happening, Observer};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Sequence {
    servers: Vec<NodeId>,
    /// The highest number of each SPI, by server and by the address that it goes to: SPIs are
    /// chosen by the receiver.
    highest: BTreeMap<(NodeId, std::net::IpAddr, u32), (u32, SocketAddr)>,
}

impl Observer for Sequence {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Sent { node, packet } = happening else { return Ok(()) };
        let datagram = &packet.datagram;
        if !self.servers.contains(node) {
            return Ok(());
        }
        let kind = kind_of(datagram.outer, datagram.from.port(), &datagram.payload);
        let Kind::Esp { spi, sequence } = kind else { return Ok(()) };
        let key = (*node, datagram.to.ip(), spi);
        let last = self.highest.insert(key, (sequence, datagram.to));
        match last {
            Some((last, to)) if last >= sequence && (to == datagram.to || last == sequence) => {
                let text = format!("SPI {spi:08x} has {sequence} after {last}");
                Err(Failure::new("sequence", at, text))
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, _: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        let is_server = (node as &dyn std::any::Any).is::<ServerNode>();
        if is_server && !self.servers.contains(&id) {
            self.servers.push(id);
        }
        Ok(())
    }
}
