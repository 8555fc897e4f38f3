//! `endpoint`: a server sends ESP of a client only to where fresh packets of that client came
//! from. Copies that someone else sends, or that come late, move nobody.
//!
//! Fresh is what the server takes for the first time, whoever brings it. A copy whose original was
//! lost on its way, or for want of a buffer, is as good as the original: nothing tells it from a
//! packet of a client whose NAT box has given it another port, and so it does move the client
//! (RFC 7296 §2.23: "a new packet"). Whoever can both suppress a packet and send it from elsewhere
//! can also suppress all of them; the client's next packet moves it back.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kumihimo_core::time::Instant;

use super::esp::{Kind, kind_of};
use super::{Turns, is_server};
use crate::node::server::Turn;
use crate::observe::{Failure, Happening, Observer};
use crate::trace::Hash;
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Endpoint {
    turns: Turns,
    servers: BTreeSet<NodeId>,
    /// Payloads that a server has taken, by their digests.
    seen: BTreeSet<u64>,
    /// Payloads that clients wrote.
    written: BTreeSet<u64>,
    /// Where fresh packets came from.
    homes: BTreeSet<SocketAddr>,
    /// Where servers sent ESP since their last turn.
    sent: Vec<(NodeId, SocketAddr)>,
}

impl Endpoint {
    fn take(&mut self, turn: &Turn) {
        for (path, payload) in &turn.taken {
            let digest = Hash::of(payload);
            if self.written.contains(&digest) && !self.seen.contains(&digest) {
                self.homes.insert(path.remote);
                // Of a turn without buffers nobody knows what was received.
                if !turn.is_starved {
                    self.seen.insert(digest);
                }
            }
        }
    }
}

impl Observer for Endpoint {
    fn on(&mut self, _: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Sent { node, packet } = happening else { return Ok(()) };
        let datagram = &packet.datagram;
        if !self.servers.contains(node) {
            // What a stranger sends again is still the client's.
            self.written.insert(Hash::of(&datagram.payload));
        } else if matches!(
            kind_of(datagram.outer, datagram.from.port(), &datagram.payload),
            Kind::Esp { .. }
        ) {
            self.sent.push((*node, datagram.to));
        }
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if is_server(node) {
            self.servers.insert(id);
        }
        let Some(server) = self.turns.fresh(id, node) else { return Ok(()) };
        self.take(server.turn());
        let own = self.sent.extract_if(.., |(sender, _)| *sender == id);
        let stray = own.filter(|(_, to)| !self.homes.contains(to)).last();
        stray.map_or(Ok(()), |(_, to)| {
            let text = format!("ESP to {to}, where nothing fresh came from");
            Err(Failure::new("endpoint", at, text))
        })
    }
}
