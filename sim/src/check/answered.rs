//! `answered`: a Configure-Request that was answered by a Configure-Nak is answered again when it
//! comes again (RFC 1661 §4.3: a lost Nak must not end a negotiation), or its drop is counted.
//!
//! Watched on L2TP without IPsec, where PPP can be read.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kumihimo_core::addr::L2TP_PORT;
use kumihimo_core::time::Instant;

use super::{Turns, is_server};
use crate::observe::{Failure, Happening, Observer};
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Answered {
    turns: Turns,
    servers: BTreeSet<NodeId>,
    /// What servers sent since their last turn.
    sent: Vec<(NodeId, SocketAddr, Packet)>,
    /// Requests that were answered by a Nak.
    refused: BTreeSet<(Call, Vec<u8>)>,
}

/// A server, a client and its tunnel and call.
type Call = (NodeId, SocketAddr, [u8; 4]);

/// A packet of a control protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    ids: [u8; 4],
    protocol: [u8; 2],
    code: u8,
    id: u8,
    /// The protocol and the options.
    content: Vec<u8>,
}

impl Packet {
    /// Reads an L2TP data message without numbers (RFC 2661 §3.1) with PPP's control protocols.
    fn parse(payload: &[u8]) -> Option<Self> {
        let flags = *payload.first()?;
        if flags & 0x88 != 0 || flags & 0x02 != 0 || payload.get(1)? & 0x0f != 2 {
            return None;
        }
        let at = if flags & 0x40 == 0 { 2 } else { 4 };
        let ids = payload.get(at..at + 4)?.try_into().ok()?;
        let frame = payload.get(at + 4..)?;
        let frame = frame.strip_prefix(&[0xff, 3]).unwrap_or(frame);
        let (&protocol, rest) = frame.split_first_chunk::<2>()?;
        if !matches!(protocol, [0xc0 | 0x80, 0x21]) {
            return None;
        }
        let (&[code, id, _, _], options) = rest.split_first_chunk()?;
        let content = [&protocol[..], options].concat();
        Some(Self { ids, protocol, code, id, content })
    }
}

impl Answered {
    fn judge(&mut self, server: NodeId, taken: Vec<(SocketAddr, Packet)>, dropped: u64) -> bool {
        let mut unanswered = 0;
        let sent = std::mem::take(&mut self.sent);
        for (remote, request) in taken.into_iter().filter(|(_, packet)| packet.code == REQUEST) {
            let call = (server, remote, request.ids);
            let answer = sent.iter().find(|(from, to, packet)| {
                let is_its = (*from, *to) == (server, remote);
                is_its
                    && packet.protocol == request.protocol
                    && packet.id == request.id
                    && matches!(packet.code, ACK | NAK | REJECT)
            });
            let key = (call, request.content);
            match answer {
                Some((.., answer)) if answer.code == NAK => {
                    self.refused.insert(key);
                }
                Some(_) => {}
                None => unanswered += u64::from(self.refused.contains(&key)),
            }
        }
        // Who ends its link is done with negotiating.
        for (_, to, packet) in &sent {
            if !matches!(packet.code, REQUEST..=REJECT) {
                self.refused.retain(|((node, remote, _), _)| (node, remote) != (&server, to));
            }
        }
        unanswered <= dropped
    }
}

impl Observer for Answered {
    fn on(&mut self, _: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        if let Happening::Sent { node, packet } = happening
            && self.servers.contains(node)
            && packet.datagram.from.port() == L2TP_PORT
        {
            let parsed = Packet::parse(&packet.datagram.payload);
            self.sent.extend(parsed.map(|parsed| (*node, packet.datagram.to, parsed)));
        }
        Ok(())
    }

    fn after(&mut self, at: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if is_server(node) {
            self.servers.insert(id);
        }
        let Some(server) = self.turns.fresh(id, node) else { return Ok(()) };
        let turn = server.turn();
        let raw = turn.taken.iter().filter(|(path, _)| path.local.port() == L2TP_PORT);
        let taken = raw.filter_map(|(path, payload)| Some((path.remote, Packet::parse(payload)?)));
        let taken: Vec<_> = taken.collect();
        let dropped = turn.drops.total() - turn.drops_before.total();
        let is_starved = turn.is_starved || turn.buffers.0 == 0;
        if self.judge(id, taken, dropped) || is_starved {
            return Ok(());
        }
        let text = "a request that was answered by a Nak came again and had no answer";
        Err(Failure::new("answered", at, text))
    }
}

const REQUEST: u8 = 1;
const ACK: u8 = 2;
const NAK: u8 = 3;
const REJECT: u8 = 4;
