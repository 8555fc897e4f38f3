//! What must hold at every step, whatever the scenario is.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use crate::addr::{L2TP_PORT, Outer, Path};

/// Who has proven that it receives what it is sent, and what went to everyone else.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    parties: BTreeMap<SocketAddr, Party>,
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
        let party = self.parties.entry(path.remote).or_default();
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
        let party = self.parties.entry(path.remote).or_default();
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
        self.parties.entry(remote).or_default().proven = true;
    }

    /// Octets from and to `remote`.
    pub(super) fn octets(&self, remote: SocketAddr) -> (usize, usize) {
        self.parties.get(&remote).map_or((0, 0), |party| (party.octets_in, party.octets_out))
    }
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
