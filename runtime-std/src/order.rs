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
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_stands_together_in_its_order() {
        let keys = [7, 9, 7, 8, 9, 7, 8, 9];
        let mut order = Order::new();
        assert_eq!(order.of(keys.into_iter()), [0, 2, 5, 1, 4, 7, 3, 6]);
        assert_eq!(order.of([1, 2].into_iter()), [0, 1]);
        assert!(order.of([].into_iter()).is_empty());
    }

    #[test]
    fn every_thing_of_a_full_window_has_its_place() {
        let mut order = Order::new();
        let mut places = order.of((0..1_000).map(|at| scatter(at % 40, 3))).to_vec();
        places.sort_unstable();
        assert_eq!(places, (0..WINDOW as u8).collect::<Vec<_>>());
    }

    #[test]
    fn paths_and_flows_have_keys_of_their_own() {
        let path = |remote: &str| {
            key_of_path(&Path {
                local: "192.0.2.1:4500".parse().unwrap(),
                remote: remote.parse().unwrap(),
                outer: kumihimo_core::addr::Outer::Udp,
            })
        };
        let some =
            ["198.51.100.1:4500", "198.51.100.2:4500", "198.51.100.1:4501", "[2001:db8::1]:1"];
        let mut keys: Vec<_> = some.map(|it| path(it) % SLOTS as u64).to_vec();
        keys.dedup();
        assert_eq!(keys.len(), 4);
        let mut frame = [0; 60];
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[23] = 17;
        let udp = key_of_frame(&frame);
        frame[37] = 1;
        assert_ne!(key_of_frame(&frame), udp);
        assert_eq!(key_of_frame(&frame[..14]), key_of_frame(&frame[..12]));
    }

    /// A frame of UDP from port 1024 to port 500, with this field of flags and offset.
    fn udp(fragment: u16, ports: [u16; 2]) -> [u8; 60] {
        let mut frame = [0; 60];
        frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[20..22].copy_from_slice(&fragment.to_be_bytes());
        frame[23] = 17;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..36].copy_from_slice(&ports[0].to_be_bytes());
        frame[36..38].copy_from_slice(&ports[1].to_be_bytes());
        frame
    }

    /// Only the first fragment has ports; with a key of its own it would leave after the others.
    #[test]
    fn all_fragments_of_a_packet_have_one_key() {
        const MORE: u16 = 0x2000;
        const DONT: u16 = 0x4000;
        let of = |fragment, ports| key_of_frame(&udp(fragment, ports));
        let first = of(MORE, [1_024, 500]);
        // What stands there in the others is payload.
        for fragment in [MORE | 1, MORE | 185, MORE | 0x100, 370, 0x100, 0x1fff, 1] {
            assert_eq!(of(fragment, [0xdead, 0xbeef]), first, "{fragment:#x}");
        }
        assert_eq!(of(MORE, [1_025, 500]), first, "of another packet");
        // Whole packets have their ports, whether they may be cut or not.
        assert_ne!(of(0, [1_024, 500]), first);
        assert_eq!(of(DONT, [1_024, 500]), of(0, [1_024, 500]));
        assert_ne!(of(DONT, [1_025, 500]), of(DONT, [1_024, 500]));
        assert_ne!(of(DONT, [1_024, 501]), of(DONT, [1_024, 500]));
    }

    #[test]
    fn what_is_not_a_whole_packet_of_tcp_or_udp_is_told_apart_by_its_stations_alone() {
        let plain = udp(0, [1_024, 500]);
        let by_flow = |edits: &[(usize, u8)]| {
            let mut frame = plain;
            edits.iter().for_each(|&(at, octet)| frame[at] = octet);
            let key = key_of_frame(&frame);
            frame[35] ^= 1;
            key_of_frame(&frame) != key
        };
        assert!(by_flow(&[]) && by_flow(&[(23, 6)]));
        assert!(!by_flow(&[(23, 1)]), "ICMP");
        assert!(!by_flow(&[(14, 0x46)]), "options");
        assert!(!by_flow(&[(12, 0x86), (13, 0xdd)]), "IPv6");
        assert!(!by_flow(&[(13, 6)]), "ARP");
        assert_eq!(key_of_frame(&plain[..37]), key_of_frame(&plain[..12]), "cut short");
        assert_ne!(key_of_frame(&plain[..38]), key_of_frame(&plain[..12]));
        // Every octet of stations, addresses and ports counts.
        for at in (0..12).chain(26..38) {
            let mut frame = plain;
            frame[at] ^= 1;
            assert_ne!(key_of_frame(&frame), key_of_frame(&plain), "octet {at}");
        }
        let empty = key_of_frame(&[]);
        assert_eq!(key_of_frame(&plain[..7]), empty, "no station at all");
    }

    /// Peers that differ in one thing, as those behind one NAT or of one prefix do, seldom share
    /// a chain.
    #[test]
    fn neighbours_are_spread_over_the_chains() {
        let of = |local: &str, remote: String| {
            let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
            key_of_path(&Path { local, remote, outer: kumihimo_core::addr::Outer::Udp })
        };
        let peers: [fn(u16) -> String; 5] = [
            |at| format!("198.51.100.1:{}", 4_500 + at),
            |at| format!("198.51.100.{at}:4500"),
            |at| format!("198.51.{at}.7:4500"),
            |at| format!("[2001:db8:0:{at:x}::1]:4500"),
            |at| format!("[2001:db8::{at:x}]:4500"),
        ];
        for peer in peers {
            let mut chains: Vec<_> =
                (0..100).map(|at| of("192.0.2.1:4500", peer(at)) % SLOTS as u64).collect();
            chains.sort_unstable();
            chains.dedup();
            // As many as where chance alone decides, but for a few.
            assert!(chains.len() > 60, "{}: {}", peer(1), chains.len());
        }
        let one = of("192.0.2.1:4500", "198.51.100.1:500".to_owned());
        assert_ne!(of("192.0.2.2:4500", "198.51.100.1:500".to_owned()), one);
        assert_ne!(of("192.0.2.1:500", "198.51.100.1:500".to_owned()), one);
    }
}
