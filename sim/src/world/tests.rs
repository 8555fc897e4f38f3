use super::*;
use crate::choice::{Odds, Tape};

/// Sends numbered datagrams to another node, which counts them.
#[derive(Default)]
struct Talker {
    own: Option<std::net::SocketAddr>,
    peer: Option<std::net::SocketAddr>,
    left: u8,
    next_at: Option<Instant>,
    got: Vec<(Instant, u8)>,
}

impl Node for Talker {
    fn handle(&mut self, cx: &mut NodeCx<'_>, stimulus: Stimulus) {
        match stimulus {
            Stimulus::Start | Stimulus::Timer => {
                self.next_at = None;
                if let (Some(own), Some(peer), 1..) = (self.own, self.peer, self.left) {
                    cx.send(Datagram::udp(own, peer, vec![self.left]));
                    self.left -= 1;
                    self.next_at = Some(cx.now() + Duration::from_millis(1));
                }
            }
            Stimulus::Datagram(datagram) => self.got.push((cx.now(), datagram.payload[0])),
            Stimulus::Frame { port, frame } => {
                self.got.push((cx.now(), frame[14]));
                if frame[14] > 0 {
                    let mut frame = frame;
                    frame[14] -= 1;
                    cx.send_frame(port, &frame);
                }
            }
            Stimulus::TooBig { mtu, .. } => self.got.push((cx.now(), (mtu >> 8) as u8)),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.next_at
    }
}

fn address(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

/// Two talkers, the first of which sends `count` datagrams over `way`.
fn talk(choices: Choices, count: u8, way: Way) -> (World, NodeId) {
    let mut world = World::new(choices, Trace::default());
    let mut from = Talker { left: count, ..Talker::default() };
    from.own = Some((address(1), 1).into());
    from.peer = Some((address(2), 2).into());
    let a = world.add("a", from);
    let b = world.add("b", Talker::default());
    world.attach_public(a, address(1), LinkConfig::both(way));
    world.attach_public(b, address(2), LinkConfig::perfect());
    world.run_for(Duration::from_secs(10)).expect("no check");
    (world, b)
}

fn got(world: &World, id: NodeId) -> &[(Instant, u8)] {
    &world.node::<Talker>(id).expect("a talker").got
}

fn bad_way() -> Way {
    Way {
        jitter: Duration::from_millis(3),
        loss: Odds::percent(10),
        burst: Some(crate::net::Burst { start: Odds::percent(3), longest: 4 }),
        duplicate: Odds::percent(10),
        reorder: Odds::percent(10),
        reorder_by: Duration::from_millis(5),
        corrupt: Odds::percent(5),
        ..Way::default()
    }
}

#[test]
fn over_a_good_link_everything_comes_in_order_after_its_delay() {
    let (world, b) = talk(Choices::seeded(1), 3, Way::default());
    let start = Instant::ZERO + START;
    let want = [(10, 3), (11, 2), (12, 1)].map(|(ms, n)| (start + Duration::from_millis(ms), n));
    assert_eq!(got(&world, b), want);
}

#[test]
fn over_a_bad_link_packets_are_lost_doubled_and_reordered() {
    let (world, b) = talk(Choices::seeded(1), 200, bad_way());
    let numbers: Vec<u8> = got(&world, b).iter().map(|&(_, number)| number).collect();
    assert!(numbers.windows(2).any(|pair| pair[0] < pair[1]), "reordered: {numbers:?}");
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert!(sorted.len() < numbers.len(), "doubled");
    assert!(sorted.len() < 195, "lost");
}

#[test]
fn flipped_bits_reach_esp_but_not_what_has_a_checksum() {
    let way = Way { corrupt: Odds::ALWAYS, ..Way::default() };
    let (mut world, b) = talk(Choices::seeded(1), 20, way);
    assert_eq!(got(&world, b), []);
    let mut esp = Datagram::udp((address(1), 0).into(), (address(2), 0).into(), vec![0]);
    esp.outer = kumihimo_core::addr::Outer::Esp;
    world.with(NodeId(0), |_: &mut Talker, cx| cx.send(esp));
    world.run_for(Duration::from_secs(1)).expect("no check");
    let [(_, octet)] = got(&world, b) else { panic!("{:?}", got(&world, b)) };
    assert_eq!(octet.count_ones(), 1);
}

#[test]
fn one_tape_gives_one_trace_and_an_empty_one_gives_no_fault() {
    let (first, _) = talk(Choices::seeded(5), 200, bad_way());
    let tape = first.decisions().tape();
    let (second, _) = talk(Choices::replay(&tape), 200, bad_way());
    assert_eq!(first.trace().hash(), second.trace().hash());
    let (other, _) = talk(Choices::seeded(6), 200, bad_way());
    assert_ne!(first.trace().hash(), other.trace().hash());
    let (calm, b) = talk(Choices::replay(&Tape::default()), 200, bad_way());
    assert_eq!(got(&calm, b).len(), 200);
}

#[test]
fn a_rate_spaces_packets_and_a_full_queue_drops() {
    // 29 octets each: a kilobyte in a second makes that 29 ms.
    let way = Way { rate: 1_000, queue: 100, ..Way::default() };
    let (world, b) = talk(Choices::seeded(1), 20, way);
    let got = got(&world, b);
    assert_eq!(got[1].0.since(got[0].0), Duration::from_millis(29));
    assert!(got.len() < 8, "{got:?}");
}

#[test]
fn what_is_too_long_is_reported_to_its_sender_if_the_link_says_so() {
    let way = Way { mtu: 512, oversize: crate::net::Oversize::Report, ..Way::default() };
    let (mut world, b) = talk(Choices::seeded(1), 0, way);
    let a = NodeId(0);
    let long = Datagram::udp((address(1), 1).into(), (address(2), 2).into(), vec![9; 600]);
    world.with(a, |_: &mut Talker, cx| cx.send(long));
    world.run_for(Duration::from_secs(1)).expect("no check");
    assert_eq!(got(&world, b), []);
    assert_eq!(got(&world, a)[0].1, 2);
}

#[test]
fn a_cut_a_rule_and_a_node_without_power_stop_packets() {
    let (mut world, b) = talk(Choices::seeded(1), 1, Way::default());
    let send = |world: &mut World| {
        let datagram = Datagram::udp((address(1), 1).into(), (address(2), 2).into(), vec![7]);
        world.with(NodeId(0), |_: &mut Talker, cx| cx.send(datagram));
        world.run_for(Duration::from_secs(1)).expect("no check");
        got(world, b).len()
    };
    assert_eq!(send(&mut world), 2);
    world.way_mut(LinkId(0), Direction::Up).is_cut = true;
    assert_eq!(send(&mut world), 2);
    world.cut(LinkId(0), false);
    let rule = world.add_rule(Box::new(|crossing| match crossing.packet.datagram.payload[0] {
        7 => crate::net::Verdict::Drop,
        _ => crate::net::Verdict::Pass,
    }));
    assert_eq!(send(&mut world), 2);
    world.remove_rule(rule);
    world.power(b, false);
    assert_eq!(send(&mut world), 2);
    world.power(b, true);
    assert_eq!(send(&mut world), 3);
}

#[test]
fn through_two_nat_boxes_packets_find_out_and_back() {
    let mut world = World::new(Choices::seeded(1), Trace::default());
    let server = world.add("server", Talker::default());
    world.attach_public(server, address(1), LinkConfig::perfect());
    let perfect = LinkConfig::perfect;
    let outer = world.add_nat("outer", INTERNET, &[address(9)], NatConfig::default(), perfect());
    let wan = [[10, 0, 0, 2].into()];
    let inner = world.add_nat("inner", outer.inside, &wan, NatConfig::default(), perfect());
    let client = world.add("client", Talker::default());
    let own: IpAddr = [192, 168, 0, 2].into();
    world.attach(client, inner.inside, &[own], LinkConfig::default());
    let hello = Datagram::udp((own, 5_000).into(), (address(1), 500).into(), vec![1]);
    world.with(client, |_: &mut Talker, cx| cx.send(hello));
    world.run_for(Duration::from_secs(1)).expect("no check");
    assert_eq!(got(&world, server).len(), 1);
    let back = Datagram::udp((address(1), 500).into(), (address(9), 5_000).into(), vec![2]);
    world.with(server, |_: &mut Talker, cx| cx.send(back.clone()));
    world.run_for(Duration::from_secs(1)).expect("no check");
    assert_eq!(got(&world, client).len(), 1);
    world.rebind(outer.id);
    world.with(server, |_: &mut Talker, cx| cx.send(back));
    world.run_for(Duration::from_secs(1)).expect("no check");
    assert_eq!(got(&world, client).len(), 1, "the mapping is gone");
}

#[test]
fn a_frame_comes_out_of_every_other_port_of_its_lan() {
    let mut world = World::new(Choices::seeded(1), Trace::recording());
    let (lan, other_lan) = (world.add_lan("office"), world.add_lan("home"));
    let ids = ["a", "b", "c"].map(|name| world.add(name, Talker::default()));
    let ports = ids.map(|id| world.plug(id, lan, Way::default()));
    let stranger = world.add("d", Talker::default());
    world.plug(stranger, other_lan, Way::default());
    let mut frame = [0; 60];
    frame[14] = 1;
    world.with(ids[0], |_: &mut Talker, cx| cx.send_frame(ports[0], &frame));
    world.run_for(Duration::from_secs(1)).expect("no check");
    let counts = ids.map(|id| got(&world, id).len());
    assert_eq!(counts, [2, 2, 2], "one frame of `a`, one answer each of `b` and `c`");
    assert_eq!(got(&world, stranger), []);
    assert_eq!(world.trace().record().map(|record| record.captured.len()), Some(3));
}

#[test]
fn a_clock_set_forward_brings_timers_at_once() {
    let (mut world, _) = talk(Choices::seeded(1), 0, Way::default());
    let a = NodeId(0);
    world.with(a, |talker: &mut Talker, cx| {
        talker.left = 1;
        talker.next_at = Some(cx.now() + Duration::from_secs(3_600));
    });
    world.run_for(Duration::from_secs(5)).expect("no check");
    assert_eq!(world.node::<Talker>(a).map(|talker| talker.left), Some(1));
    world.jump_clock(a, Duration::from_secs(7_200));
    world.run_for(Duration::from_secs(5)).expect("no check");
    assert_eq!(world.node::<Talker>(a).map(|talker| talker.left), Some(0));
}

/// Wants its timer now, always.
struct Spinner;

impl Node for Spinner {
    fn handle(&mut self, _: &mut NodeCx<'_>, _: Stimulus) {}
    fn deadline(&self) -> Option<Instant> {
        Some(Instant::ZERO)
    }
}

#[test]
fn a_node_that_never_rests_is_found() {
    let mut world = World::new(Choices::seeded(1), Trace::default());
    world.add("spinner", Spinner);
    let failure = world.run_for(Duration::from_secs(1)).expect_err("a loop");
    assert_eq!(failure.check, "zero-delay-loop");
}
