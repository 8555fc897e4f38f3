//! Keys and the order of a batch.

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
    let some = ["198.51.100.1:4500", "198.51.100.2:4500", "198.51.100.1:4501", "[2001:db8::1]:1"];
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
