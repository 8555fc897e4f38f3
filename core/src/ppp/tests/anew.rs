//! A client that asks anew: only its last request counts.

use super::CONFIG;
use super::bench::{Bench, CHAP, IPCP, LCP, parse, respond, up_with_mtu};
use crate::wire::ppp::Protocol;

#[test]
fn what_a_client_asked_for_once_does_not_count_when_it_asks_anew() {
    // Compression of both headers and an MRU of 1280, and then nothing.
    let mut bench = up_with_mtu(&CONFIG, &[7, 2, 8, 2, 1, 4, 5, 0, 5, 6, 1, 2, 3, 4], "up 1280");
    let (header, len) = bench.link.header(Protocol::IPV4);
    assert_eq!(header[..len], [0x21]);
    let lines = bench.take(LCP, 1, 0x40, &[]);
    let (id, options) = parse(&lines[0]);
    let challenge = bench.take(LCP, 2, id, &options);
    assert_eq!(challenge[0], "C021 02 40 ");
    let (id, data) = parse(&challenge[1]);
    bench.take(CHAP, 2, id, &respond(&data[1..17], "pass").0);
    let verdict = bench.verdict.unwrap();
    let lines = bench.tell(verdict);
    bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]);
    let (id, options) = parse(&lines[1]);
    assert_eq!(bench.take(IPCP, 2, id, &options)[1], "up 1400");
    let (header, len) = bench.link.header(Protocol::IPV4);
    assert_eq!(header[..len], [0xff, 3, 0, 0x21]);
}

#[test]
fn of_two_requests_of_one_negotiation_only_the_last_counts() {
    let (mut bench, sent) = Bench::new(&CONFIG);
    // The first has an option that is refused, so that the client asks once more without any.
    let nak = bench.take(LCP, 1, 9, &[7, 2, 8, 2, 1, 4, 2, 0x58, 99, 3, 1]);
    assert_eq!(nak[0][..7], *"C021 04");
    let challenge = bench.open_lcp(&sent[0], &[]);
    let (id, data) = parse(challenge.last().unwrap());
    bench.take(CHAP, 2, id, &respond(&data[1..17], "pass").0);
    let verdict = bench.verdict.unwrap();
    bench.tell(verdict);
    bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]);
    let sent = bench.assign();
    let (id, options) = parse(&sent[0]);
    assert_eq!(bench.take(IPCP, 2, id, &options)[1], "up 1400");
    let (header, len) = bench.link.header(Protocol::IPV4);
    assert_eq!(header[..len], [0xff, 3, 0, 0x21]);
}
