//! `counted`: every input is consumed or counted, and none is taken for what it is not.
//!
//! - `forged-esp`: an ESP packet that its sender did not write, or that came before, is dropped,
//!   and the drop is counted.
//! - `genuine`: what an honest client wrote and the network left alone is never taken for a
//!   forgery. Exempt is a client some of whose unprotected IKE messages were spoiled: main mode
//!   cannot tell before its end (RFC 2409 §5).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::discard::{DropCounters, DropReason};
use kumihimo_core::time::Instant;

use super::Turns;
use super::esp::{Kind, kind_of};
use crate::net::Datagram;
use crate::node::server::{ServerNode, Turn};
use crate::observe::{Failure, Happening, Observer};
use crate::trace::Hash;
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Counted {
    turns: Turns,
    servers: BTreeSet<NodeId>,
    /// Who wrote a payload.
    written: BTreeMap<u64, NodeId>,
    /// ESP packets that a server has taken.
    taken: BTreeSet<(NodeId, u64)>,
    /// Clients whose main mode may have been spoiled.
    spoiled: BTreeSet<NodeId>,
    /// Addresses in whose names unprotected messages were forged.
    spoiled_addresses: BTreeSet<IpAddr>,
    /// Clients that do not know the key, and machines that are no clients.
    strangers: BTreeSet<NodeId>,
    /// Whether the key is or was another one than the clients know.
    has_other_key: bool,
}

impl Counted {
    /// What this node writes counts as forged.
    pub fn distrust(&mut self, node: NodeId) {
        self.strangers.insert(node);
    }

    /// The key changes: honest clients are taken for forgers until they have the new one.
    pub const fn change_key(&mut self) {
        self.has_other_key = true;
    }

    fn judge(&mut self, server: NodeId, turn: &Turn) -> Result<(), String> {
        let (mut forged_esp, mut forged) = (0, 0);
        for (path, payload) in &turn.taken {
            let digest = Hash::of(payload);
            let writer = self.written.get(&digest).copied();
            let is_spoiled = self.spoiled_addresses.contains(&path.remote.ip());
            let honest = !is_spoiled
                && writer.is_some_and(|writer| {
                    !self.strangers.contains(&writer) && !self.spoiled.contains(&writer)
                });
            let is_written = writer.is_some_and(|writer| !self.strangers.contains(&writer));
            forged += u64::from(!honest);
            if is_esp(path, payload) {
                let is_first = self.taken.insert((server, digest));
                forged_esp += u64::from(!is_written || !is_first);
            }
        }
        let dropped = turn.drops.total() - turn.drops_before.total();
        if forged_esp > dropped {
            return Err(format!(
                "forged-esp: of {forged_esp} forged or repeated ESP packets {dropped} were dropped"
            ));
        }
        let called_forged = forgeries(&turn.drops) - forgeries(&turn.drops_before);
        if forged == 0 && called_forged > 0 && !self.has_other_key {
            let reasons = FORGERIES
                .iter()
                .filter(|reason| turn.drops.of(**reason) > turn.drops_before.of(**reason));
            let reasons: Vec<_> = reasons.collect();
            return Err(format!("genuine: honest packets were dropped as {reasons:?}"));
        }
        Ok(())
    }

    /// A client got something: if the server did not write it, its main mode may be spoiled.
    fn on_client(&mut self, node: NodeId, outer: Outer, port: u16, payload: &[u8]) {
        let is_plain = match kind_of(outer, port, payload) {
            Kind::Ike { is_encrypted, .. } => !is_encrypted,
            Kind::Other => true,
            _ => false,
        };
        if is_plain && !self.written.contains_key(&Hash::of(payload)) {
            self.spoiled.insert(node);
        }
    }

    fn on_server(&mut self, (sender, from): (NodeId, IpAddr), datagram: &Datagram) {
        let (outer, port, payload) = (datagram.outer, datagram.to.port(), &datagram.payload);
        let is_protected = match kind_of(outer, port, payload) {
            Kind::Ike { is_encrypted, .. } => is_encrypted,
            Kind::Esp { .. } | Kind::Keepalive => true,
            Kind::Other => false,
        };
        if !is_protected && !self.written.contains_key(&Hash::of(payload)) {
            self.spoiled.insert(sender);
            self.spoiled_addresses.insert(from);
        }
    }
}

impl Observer for Counted {
    fn on(&mut self, _: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        match happening {
            Happening::Sent { node, packet } => {
                // Who sends a copy did not write it.
                self.written.entry(Hash::of(&packet.datagram.payload)).or_insert(*node);
            }
            Happening::Delivered { node, packet } => {
                let datagram = &packet.datagram;
                let (outer, payload) = (datagram.outer, &datagram.payload);
                if self.servers.contains(node) {
                    self.on_server((packet.sender, datagram.from.ip()), datagram);
                } else {
                    self.on_client(*node, outer, datagram.from.port(), payload);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if (node as &dyn std::any::Any).is::<ServerNode>() {
            self.servers.insert(id);
        }
        let Some(server) = self.turns.fresh(id, node) else { return Ok(()) };
        // Without buffers nothing was received.
        if server.turn().is_starved {
            return Ok(());
        }
        self.judge(id, server.turn()).map_err(|text| {
            let (check, text) = text.split_once(": ").unwrap_or(("counted", &text));
            Failure::new(check, at, text)
        })
    }
}

fn is_esp(path: &Path, payload: &[u8]) -> bool {
    matches!(kind_of(path.outer, path.local.port(), payload), Kind::Esp { .. })
}

fn forgeries(drops: &DropCounters) -> u64 {
    FORGERIES.iter().map(|&reason| drops.of(reason)).sum()
}

/// What a server calls a packet that its sender cannot have written.
const FORGERIES: &[DropReason] = &[
    DropReason::BadIcv,
    DropReason::BadPadding,
    DropReason::NotDecryptable,
    DropReason::HashMismatch,
];
