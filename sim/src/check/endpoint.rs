//! `endpoint`: a server sends ESP of a client only to where fresh packets of that client came
//! from. Copies that someone else sends, or that come late, move nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use kumihimo_core::time::Instant;

use super::esp::{Kind, kind_of};
use super::is_server;
use crate::observe::{Failure, Happening, Observer};
use crate::trace::Hash;
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Endpoint {
    servers: BTreeSet<NodeId>,
    /// Payloads that reached a server, by their digests: the first arrival counts.
    seen: BTreeSet<u64>,
    /// Payloads that clients wrote.
    written: BTreeSet<u64>,
    /// Where fresh packets came from.
    homes: BTreeSet<SocketAddr>,
    /// Who has an address that only copies came from.
    strays: BTreeMap<SocketAddr, Instant>,
}

impl Observer for Endpoint {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        match happening {
            Happening::Sent { node, packet } if !self.servers.contains(node) => {
                // What a stranger sends again is still the client's.
                self.written.insert(digest_of(&packet.datagram.payload));
            }
            Happening::Delivered { node, packet } if self.servers.contains(node) => {
                let digest = digest_of(&packet.datagram.payload);
                let from = packet.datagram.from;
                if self.written.contains(&digest) && self.seen.insert(digest) {
                    self.homes.insert(from);
                    self.strays.remove(&from);
                } else if !self.homes.contains(&from) {
                    self.strays.insert(from, at);
                }
            }
            Happening::Sent { packet, .. } => {
                let datagram = &packet.datagram;
                let kind = kind_of(datagram.outer, datagram.from.port(), &datagram.payload);
                if matches!(kind, Kind::Esp { .. }) && !self.homes.contains(&datagram.to) {
                    let text = format!("ESP to {}, where nothing fresh came from", datagram.to);
                    return Err(Failure::new("endpoint", at, text));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn after(&mut self, _: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if is_server(node) {
            self.servers.insert(id);
        }
        Ok(())
    }
}

fn digest_of(payload: &[u8]) -> u64 {
    let mut hash = Hash::default();
    hash.add(payload);
    hash.value()
}
