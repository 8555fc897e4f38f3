use std::net::SocketAddr;

use super::capture::ip_packet;
use crate::net::Datagram;
use crate::run::Plan;
use crate::scenario::{NodeKind, named};

fn recorded(name: &str) -> crate::run::Outcome {
    let plan = Plan::new(named(name).unwrap(), NodeKind::Core);
    let mut outcomes = (0..500).map(|seed| plan.play_seed(seed, true));
    outcomes.find(|outcome| outcome.failure.is_some()).unwrap()
}

#[test]
fn a_datagram_gets_headers_with_right_checksums() {
    let ends: [(SocketAddr, SocketAddr); 2] = [
        ("192.0.2.1:500".parse().unwrap(), "192.0.2.2:4500".parse().unwrap()),
        ("[2001:db8::1]:500".parse().unwrap(), "[2001:db8::2]:4500".parse().unwrap()),
    ];
    let [v4, v6] = ends.map(|(from, to)| ip_packet(&Datagram::udp(from, to, vec![1, 2, 3])));
    assert_eq!(sum(&v4[..20]), 0xffff, "the header of IPv4");
    assert_eq!(sum(&[&[0, 17, 0, 11], &v4[12..], &[0]].concat()), 0xffff, "UDP over IPv4");
    assert_eq!(sum(&[&[0, 17, 0, 11], &v6[8..], &[0]].concat()), 0xffff, "UDP over IPv6");
    assert_eq!((v4.len(), v6.len()), (31, 51));
}

/// The sum of 16-bit words that a right checksum completes to all ones.
fn sum(octets: &[u8]) -> u32 {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    (sum & 0xffff) + (sum >> 16)
}

#[test]
fn a_failing_run_is_told_in_at_most_sixty_lines() {
    let outcome = recorded("echo-canary");
    let story = super::tell(&outcome);
    assert!(story.contains("FAILED canary"), "{story}");
    assert!(story.lines().count() <= super::STORY_LENGTH + 5, "{story}");
}

#[test]
fn the_log_has_a_line_for_each_thing_and_the_page_names_the_check() {
    let outcome = recorded("echo-canary");
    let log = super::log(&outcome);
    assert!(log.lines().count() as u64 > outcome.count);
    let folder = std::env::temp_dir().join(format!("kumihimo-sim-{}", std::process::id()));
    super::write(&folder, &outcome).unwrap();
    let page = std::fs::read_to_string(folder.join("timeline.html")).unwrap();
    assert!(page.contains("<h1>canary</h1>"));
    let capture = std::fs::read(folder.join("link-asker.pcapng")).unwrap();
    assert_eq!(capture[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    std::fs::remove_dir_all(folder).unwrap();
}
