use super::lac::{Lac, Seen, cdn, data, stop_ccn};
use super::*;

#[test]
fn a_client_dials_and_data_flows_both_ways() {
    for carrier in [esp(1), udp(1701)] {
        let (mut bench, lac) = Bench::dialled(carrier, 1);
        assert!(matches!(bench.actions[0], Action::TunnelUp { .. }));
        let Action::CallUp { call, tunnel, carrier: on } = bench.actions[1] else {
            panic!("{:?}", bench.actions);
        };
        let host_name = bench.lns.host_name(tunnel).map(|name| name.as_str());
        assert_eq!((on, host_name), (carrier, Some("client")));
        let (ours, theirs) = lac.calls[0];
        for with_length in [false, true] {
            let frame = data((lac.peer_tunnel, theirs), with_length, b"\xff\x03\xc0\x21frame");
            let received = bench.hear(carrier, &frame).unwrap();
            let Received::Data { call: of, ppp } = received else { panic!("{received:?}") };
            assert_eq!((of, &frame[ppp]), (call, &b"\xff\x03\xc0\x21frame"[..]));
        }
        let (on, header) = bench.lns.data_header(call).unwrap();
        let mut room = [0; 16];
        let mut writer = crate::buf::Writer::new(&mut room);
        header.emit(&mut writer, 5);
        writer.put(b"hello");
        assert_eq!(on, carrier);
        assert_eq!(writer.written(), data((lac.tunnel, ours), true, b"hello"));
    }
}

#[test]
fn sccrp_says_what_the_rfc_demands() {
    let mut bench = Bench::new();
    let first = Lac::new(7, 0).dial(0);
    bench.hear(esp(1), &first).unwrap();
    let seen = Seen::parse(&bench.take_sent()[0]);
    assert_eq!((seen.tunnel, seen.session, seen.ns, seen.nr, seen.kind), (7, 0, 0, 1, 2));
    assert_eq!(seen.avp(2), Some(&[1, 0][..]));
    assert_eq!(seen.avp(3), Some(&[0, 0, 0, 3][..]));
    assert_eq!(seen.avp(7), Some(&b"kumihimo"[..]));
    assert_ne!(seen.avp_u16(9), 0);
    assert_eq!(seen.avp_u16(10), 8);
}

#[test]
fn a_client_hangs_up_its_call_and_then_its_tunnel() {
    let (mut bench, mut lac) = Bench::dialled(esp(1), 2);
    let (ours, theirs) = lac.calls[0];
    let bytes = lac.say(0, theirs, cdn(ours));
    bench.hear(esp(1), &bytes).unwrap();
    let down = bench.actions.pop().unwrap();
    let first = bench.calls_up()[0];
    assert!(
        matches!(down, Action::CallDown { call, cause: DownCause::PeerClosed } if call == first)
    );
    let bytes = lac.say(0, 0, stop_ccn(lac.tunnel));
    bench.hear(esp(1), &bytes).unwrap();
    bench.run_timers();
    let tail = &bench.actions[bench.actions.len() - 2..];
    assert!(matches!(tail[0], Action::TunnelDown { cause: DownCause::PeerClosed, .. }));
    assert!(matches!(tail[1], Action::CallDown { cause: DownCause::PeerClosed, .. }));
    assert_eq!(bench.lns.call_count(), 0);
    bench.wait(32);
    assert_eq!(bench.lns.tunnel_count(), 0);
}

#[test]
fn of_an_attribute_that_is_there_twice_the_first_one_counts() {
    let mut bench = Bench::new();
    let mut request = lac::sccrq(7);
    request.push(lac::avp(9, &[0, 8]));
    bench.hear(esp(1), &lac::control((0, 0), 0, 0, &request)).unwrap();
    assert_eq!(Seen::parse(&bench.take_sent()[0]).tunnel, 7);
}
