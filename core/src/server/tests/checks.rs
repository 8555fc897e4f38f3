//! What must hold at every step, whatever the scenario is.

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::pool::Counting;
use crate::addr::{L2TP_PORT, Outer, Path};
use crate::hub::PortOwner;
use crate::limits::Limits;
use crate::server::Server;
use crate::time::{Duration, earliest};

/// Who has proven that it receives what it is sent, and what went to everyone else.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    parties: BTreeMap<IpAddr, Party>,
}

#[derive(Debug, Default)]
struct Party {
    octets_in: usize,
    octets_out: usize,
    /// What we told it and it can know from nowhere else.
    told: BTreeSet<Vec<u8>>,
    proven: bool,
}

impl Ledger {
    /// A datagram comes from the party at the path's other end.
    pub(super) fn note_in(&mut self, path: &Path, payload: &[u8]) {
        let party = self.parties.entry(path.remote.ip()).or_default();
        party.octets_in += payload.len();
        let shown = match path.local.port() {
            L2TP_PORT if payload.len() > 5 && payload[0] & 0x80 != 0 => &payload[4..6],
            500 => payload.get(8..16).unwrap_or_default(),
            4500 => payload.get(12..20).unwrap_or_default(),
            _ => &[],
        };
        party.proven |= party.told.contains(shown);
    }

    /// A datagram goes to the party at the path's other end.
    pub(super) fn note_out(&mut self, path: &Path, payload: &[u8]) {
        let party = self.parties.entry(path.remote.ip()).or_default();
        party.octets_out += payload.len();
        let told = match path.local.port() {
            L2TP_PORT if payload.len() > 12 && payload[0] & 0x80 != 0 => {
                // The number that we give the tunnel is the value of AVP 9.
                payload.windows(6).position(|it| it[2..] == [0, 0, 0, 9]).map(|at| at + 6..at + 8)
            }
            500 => Some(8..16),
            4500 if payload.starts_with(&[0; 4]) => Some(12..20),
            _ => None,
        };
        if let Some(told) = told.and_then(|range| payload.get(range)) {
            party.told.insert(told.to_vec());
        }
        if party.proven || path.outer == Outer::Esp {
            return;
        }
        let budget = if path.local.port() == L2TP_PORT { 0 } else { IKE_BUDGET };
        let Party { octets_in, octets_out, .. } = *party;
        assert!(
            octets_out <= octets_in + budget,
            "{octets_out} octets to {} for {octets_in} from it",
            path.remote,
        );
    }

    /// This party proves itself by other means, such as an authentic ESP packet.
    pub(super) fn prove(&mut self, remote: SocketAddr) {
        self.parties.entry(remote.ip()).or_default().proven = true;
    }
}

/// What holds whenever the server waits.
pub(super) fn check_at_rest(server: &Server<'_, Counting>, pool: &Counting, limits: &Limits) {
    let census = server.census();
    assert_eq!((census.contradiction(), census.beyond(limits)), (None, None), "{census:#?}");
    let mut due = None;
    for (id, session) in server.sessions.iter() {
        assert_eq!(server.by_call[session.call.index() as usize].as_ref(), Some(&id));
        due = earliest(due, session.deadline());
        let Some(member) = &session.member else { continue };
        assert_eq!(server.hubs.owner(member.port), Some(PortOwner::Session(id)));
        assert_eq!(server.hubs.hub_of(member.port), Some(member.hub));
        assert!(server.hub_states.iter().flatten().any(|state| state.id == member.hub));
    }
    assert_eq!(
        pool.total - pool.free(),
        census.held,
        "only packets that wait for ARP keep buffers"
    );
    let filed = server.session_timers.deadline();
    let late = due.is_some_and(|due| filed.is_none_or(|filed| filed > due + TICK));
    assert!(!late, "a session is due {due:?}, the wheel says {filed:?}");
}

/// A running hash of all that happened (FNV-1a).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// What one address may get beyond what it sent, before it has proven itself.
const IKE_BUDGET: usize = 8 * 1024;
/// Timers are this coarse.
const TICK: Duration = Duration::from_micros(8_192);
