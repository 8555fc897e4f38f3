//! `amplification`: towards an address that has proven nothing, a server sends at most a small
//! budget more than came from there; and what nobody has to have, the same answer again or the
//! news that an offer is no good, it sends out of that budget alone, however much was asked.
//!
//! An address proves itself by showing what only the receiver of a server's packets can know: the
//! responder's cookie, or the number of an L2TP tunnel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kumihimo_core::addr::{L2TP_PORT, Path};
use kumihimo_core::time::{Duration, Instant};

use super::esp::{Kind, kind_of};
use super::{STARTED, is_server};
use crate::net::Datagram;
use crate::observe::{Failure, Happening, Leapt, Observer, State, fact_as};
use crate::trace::Hash;
use crate::world::{Node, NodeId};

/// The check.
#[derive(Debug, Default)]
pub struct Amplification {
    servers: BTreeSet<NodeId>,
    parties: BTreeMap<IpAddr, Party>,
}

#[derive(Debug, Default)]
struct Party {
    octets_in: usize,
    octets_out: usize,
    /// Of those, octets of answers that nobody has to have.
    spent: usize,
    /// Hashes of what it was sent.
    answers: BTreeSet<u64>,
    since: Instant,
    /// Leaps of the server's clock since then: each fills the budget at once.
    leaps: usize,
    told: BTreeSet<Vec<u8>>,
    is_proven: bool,
}

impl Amplification {
    fn on_taken(&mut self, now: Instant, path: &Path, payload: &[u8]) {
        let fresh = || Party { since: now, ..Party::default() };
        let party = self.parties.entry(path.remote.ip()).or_insert_with(fresh);
        party.octets_in += payload.len();
        let shown = match kind_of(path.outer, path.local.port(), payload) {
            Kind::Ike { responder, .. } => responder.to_vec(),
            Kind::Other if is_l2tp_control(path.local.port(), payload) => payload[4..6].to_vec(),
            _ => return,
        };
        party.is_proven |= party.told.contains(&shown);
    }

    fn on_sent(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Failure> {
        let Datagram { outer, from, to, payload, .. } = datagram;
        let fresh = || Party { since: now, ..Party::default() };
        let party = self.parties.entry(to.ip()).or_insert_with(fresh);
        party.octets_out += payload.len();
        let kind = kind_of(*outer, from.port(), payload);
        if matches!(kind, Kind::Ike { is_encrypted: false, .. }) {
            let is_repeated = !party.answers.insert(Hash::of(payload));
            if is_repeated || exchange_of(payload) == Some(INFORMATIONAL) {
                party.spent += payload.len();
            }
        }
        match kind {
            Kind::Ike { responder, .. } => party.told.extend([responder.to_vec()]),
            Kind::Other if is_l2tp_control(from.port(), payload) => {
                // The number that it gives the tunnel is the value of AVP 9.
                let at = payload.windows(6).position(|it| it[2..] == [0, 0, 0, 9]);
                let number = at.and_then(|at| payload.get(at + 6..at + 8));
                party.told.extend(number.map(<[u8]>::to_vec));
            }
            _ => {}
        }
        // ESP needs keys, and those who have them have proven more.
        if party.is_proven || matches!(kind, Kind::Esp { .. }) {
            return Ok(());
        }
        let minutes = now.since(party.since).as_micros() / Duration::from_secs(60).as_micros();
        let bursts = 1 + minutes as usize + party.leaps;
        let budget = if from.port() == L2TP_PORT { 0 } else { BUDGET * bursts };
        // A part of a minute fills a part of the budget.
        let spare = BUDGET * (1 + bursts);
        if party.spent > spare {
            let text = format!("{} octets to {} that nobody has to have", party.spent, to.ip());
            return Err(Failure::new("amplification", now, text));
        }
        if party.octets_out <= party.octets_in + budget {
            return Ok(());
        }
        let Party { octets_in, octets_out, .. } = *party;
        let text = format!("{octets_out} octets to {} for {octets_in} from it", to.ip());
        Err(Failure::new("amplification", now, text))
    }
}

impl Observer for Amplification {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        match happening {
            Happening::Sent { node, packet } if self.servers.contains(node) => {
                self.on_sent(at, &packet.datagram)
            }
            // What a server has before it, it may answer at once.
            Happening::Delivered { node, packet } if self.servers.contains(node) => {
                let Datagram { outer, from, to, payload, .. } = &packet.datagram;
                self.on_taken(at, &Path { local: *to, remote: *from, outer: *outer }, payload);
                Ok(())
            }
            // A server that restarts knows nothing of what it spent.
            Happening::Fact { fact, .. } if matches!(fact_as(*fact), Some(State(STARTED))) => {
                self.parties.values_mut().for_each(|party| party.spent = 0);
                Ok(())
            }
            Happening::Fact { node, fact }
                if self.servers.contains(node) && fact_as::<Leapt>(*fact).is_some() =>
            {
                self.parties.values_mut().for_each(|party| party.leaps += 1);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, _: Instant, id: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if is_server(node) {
            self.servers.insert(id);
        }
        Ok(())
    }
}

fn is_l2tp_control(port: u16, payload: &[u8]) -> bool {
    port == L2TP_PORT && payload.len() >= 12 && payload[0] & 0x80 != 0
}

/// The exchange type of an IKE message.
fn exchange_of(payload: &[u8]) -> Option<u8> {
    payload.strip_prefix(&[0; 4]).unwrap_or(payload).get(18).copied()
}

/// Exchange type of notices (RFC 2408 §3.1).
const INFORMATIONAL: u8 = 5;
/// Octets that a server may send to an address in a minute beyond what came from there.
const BUDGET: usize = 8 * 1024;
