//! The order in which a batch leaves: flow by flow.
//!
//! What arrives from many peers is mixed, and so is what leaves. The kernel takes several
//! datagrams, or frames, as one only where they follow each other ([`crate::sys::mmsg`],
//! [`crate::gather`]), so those of one flow are put together. Within a flow nothing changes
//! places; between flows order means nothing, for they meet again on no wire.

use std::net::IpAddr;

use kumihimo_core::addr::Path;

/// Most things that are put in order at a time.
pub const WINDOW: usize = 128;

/// The memory of it.
#[derive(Debug)]
pub struct Order {
    /// The chain of each remainder of a key, and [`NONE`] where there is none.
    chain_of: [u8; SLOTS],
    /// First and last thing of each chain.
    chains: [(u8, u8); WINDOW],
    /// What follows each thing in its chain.
    next: [u8; WINDOW],
    order: [u8; WINDOW],
}

impl Order {
    /// No order.
    pub const fn new() -> Self {
        Self {
            chain_of: [NONE; SLOTS],
            chains: [(NONE, NONE); WINDOW],
            next: [NONE; WINDOW],
            order: [0; WINDOW],
        }
    }

    /// Orders things with these keys, at most [`WINDOW`]: things of one key keep their order and
    /// stand together, keys stand in the order in which they came. Returns the things' places.
    ///
    /// Keys may fall together; then their things stay mixed.
    pub fn of(&mut self, keys: impl Iterator<Item = u64>) -> &[u8] {
        self.chain_of = [NONE; SLOTS];
        let mut count = 0;
        for (at, key) in keys.take(WINDOW).enumerate() {
            let at = at as u8;
            self.next[usize::from(at)] = NONE;
            let slot = &mut self.chain_of[(key % SLOTS as u64) as usize];
            if *slot == NONE {
                *slot = count;
                self.chains[usize::from(count)] = (at, at);
                count += 1;
            } else {
                let (_, last) = &mut self.chains[usize::from(*slot)];
                self.next[usize::from(*last)] = at;
                *last = at;
            }
        }
        let mut len = 0;
        for &(first, _) in &self.chains[..usize::from(count)] {
            let mut at = first;
            while at != NONE {
                self.order[len] = at;
                len += 1;
                at = self.next[usize::from(at)];
            }
        }
        &self.order[..len]
    }
}

impl Default for Order {
    fn default() -> Self {
        Self::new()
    }
}

/// The key of datagrams between two addresses.
pub fn key_of_path(path: &Path) -> u64 {
    let mix = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => {
            let all = u128::from(ip);
            (all >> 64) as u64 ^ all as u64
        }
    };
    let ends = mix(path.remote.ip()) ^ mix(path.local.ip()).rotate_left(32);
    let ports = u64::from(path.remote.port()) << 16 | u64::from(path.local.port());
    scatter(ends, ports)
}

/// The key of Ethernet frames of one flow: of both stations, and for TCP and UDP over IPv4 of
/// both addresses and ports.
pub fn key_of_frame(frame: &[u8]) -> u64 {
    let word =
        |at: usize| frame.get(at..).and_then(<[u8]>::first_chunk).map(|w| u64::from_ne_bytes(*w));
    let stations = scatter(word(0).unwrap_or_default(), word(4).unwrap_or_default());
    let is_flow = |frame: &[u8]| {
        // No options, no fragment, TCP or UDP.
        frame[12..15] == [8, 0, 0x45]
            && frame[20] & 0x3f == 0
            && frame[21] == 0
            && [6, 17].contains(&frame[23])
    };
    match frame.get(..ENDS_AT + 12) {
        Some(head) if is_flow(head) => {
            let addresses = word(ENDS_AT).unwrap_or_default();
            let ports = word(ENDS_AT + 4).unwrap_or_default();
            scatter(stations ^ addresses, ports)
        }
        _ => scatter(stations, 0),
    }
}

/// Spreads what differs in any octet over the low ones.
fn scatter(one: u64, two: u64) -> u64 {
    let mixed = (one.wrapping_mul(ODD) ^ two).wrapping_mul(ODD);
    mixed ^ mixed >> 32
}

const NONE: u8 = u8::MAX;
const SLOTS: usize = 256;
/// 2^64 divided by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Where a frame's IPv4 addresses begin; ports follow them.
const ENDS_AT: usize = 26;
const _: () = assert!(WINDOW < NONE as usize, "every place has a number");

#[cfg(test)]
mod tests;
