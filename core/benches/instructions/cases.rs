//! The cases. Each returns how many operations it counted.

use kumihimo_core::addr::MacAddr;
use kumihimo_core::buf::Frame;
use kumihimo_core::crypto::{Cipher, EspSuite, Rng};
use kumihimo_core::esp::{self, Esp};
use kumihimo_core::hub::{Decision, HubStorage, Hubs, PortKind, PortOwner};
use kumihimo_core::ids::{PeerId, SaId};
use kumihimo_core::ike::{self, Action, Ike};
use kumihimo_core::ipsec::{Encapsulation, EspKey, Lifetime, SaParams, Spi, SpiSource as _};
use kumihimo_core::limits::Limits;
use kumihimo_core::server::Input;
use kumihimo_core::store::Key;
use kumihimo_core::time::{Duration, Instant};

use crate::client::{Dialled, path_of};
use crate::counted;
use crate::ike::{CBC, in_buffer, path};
use crate::pool::{Buffer, BufferPool};
use crate::tests::client::Client;
use crate::world::{BRIDGE, World, ipsec};

type Case = (&'static str, fn() -> u64);

pub(crate) const ALL: &[Case] = &[
    ("esp-open-cbc-sha1", || open(CBC)),
    ("esp-open-gcm", || open(GCM)),
    ("esp-seal-1-cbc-sha1", || seal(CBC, 1)),
    ("esp-seal-16-cbc-sha1", || seal(CBC, 16)),
    ("esp-seal-1-gcm", || seal(GCM, 1)),
    ("esp-seal-16-gcm", || seal(GCM, 16)),
    ("l2tp-ppp-in", || packets_in(false)),
    ("l2tp-ppp-out", || packets_out(false)),
    ("server-in", || packets_in(true)),
    ("server-out", || packets_out(true)),
    ("hub-forward", hub_forward),
    ("timer-10", || timers(10)),
    ("timer-10000", || timers(10_000)),
    ("main-mode-no-dh", main_mode),
];

/// Our end of a pair of SAs, and a packet of the other end.
fn ends(suite: EspSuite) -> ([Esp<'static>; 2], [SaId; 2], Rng) {
    let limits = Limits::server(8);
    let mut rng = Rng::from_seed([5; 32]);
    let mut ends = [1, 2].map(|_| Esp::new(esp::Storage::allocate(&limits), &limits, &mut rng));
    let spis = ends.each_mut().map(|end| end.reserve(peer()).unwrap());
    let keys = [1_u8, 2].map(|seed| EspKey::filled(suite.key_len(), |key| key.fill(seed)));
    let mut ids = Vec::new();
    for (at, end) in ends.iter_mut().enumerate() {
        let other = 1 - at;
        let params = SaParams {
            peer: peer(),
            path: path(4500),
            suite,
            spi_in: spis[at],
            spi_out: Spi(spis[other].0),
            key_in: keys[at].clone(),
            key_out: keys[other].clone(),
            encapsulation: Encapsulation::Udp,
            peer_port: 1701,
            lifetime: Lifetime { time: Duration::from_secs(3_600), bytes: None },
        };
        ids.push(end.install(now(), &params).unwrap());
        end.activate(spis[at]);
    }
    (ends, [ids[0], ids[1]], rng)
}

fn open(suite: EspSuite) -> u64 {
    let ([mut client, mut server], [id, _], mut rng) = ends(suite);
    let mut pool = BufferPool::new(PACKETS);
    let mut packets: Vec<_> = (0..PACKETS).map(|_| in_buffer(&mut pool, &PAYLOAD)).collect();
    for packet in &mut packets {
        client.prepare(now(), &mut rng, id, packet).unwrap();
        client.seal(id, &mut [packet.bytes_mut()]).unwrap();
    }
    let path = path(4500);
    counted(|| {
        for packet in &mut packets {
            server.open(now(), &path, packet).unwrap();
        }
    });
    PACKETS as u64
}

fn seal(suite: EspSuite, together: usize) -> u64 {
    let ([mut client, _], [id, _], mut rng) = ends(suite);
    let mut pool = BufferPool::new(PACKETS);
    let mut packets: Vec<_> = (0..PACKETS).map(|_| in_buffer(&mut pool, &PAYLOAD)).collect();
    for group in packets.chunks_mut(together) {
        counted(|| seal_group(&mut client, &mut rng, id, group));
    }
    PACKETS as u64
}

fn seal_group(esp: &mut Esp<'_>, rng: &mut Rng, id: SaId, group: &mut [Frame<Buffer>]) {
    for packet in &mut *group {
        esp.prepare(now(), rng, id, packet).unwrap();
    }
    let mut octets = group.iter_mut().map(Frame::bytes_mut);
    match octets.len() {
        1 => esp.seal(id, &mut [octets.next().unwrap()]).unwrap(),
        _ => esp.seal(id, &mut [(); 16].map(|()| octets.next().unwrap())).unwrap(),
    }
}

/// From a client's datagrams to frames at the bridge.
fn packets_in(with_ipsec: bool) -> u64 {
    let mut world = World::new(16);
    let mut client = Dialled::new(&mut world, with_ipsec);
    let mut count = 0;
    for _ in 0..4 {
        let inputs = (0..16).map(|_| {
            let (path, octets) = client.datagram(PACKET_LEN);
            let payload = in_buffer(&mut world.pool, &octets);
            Input::Datagram { path, payload }
        });
        let inputs = inputs.collect();
        count += world.count_batch(inputs);
    }
    assert_eq!(count, 64, "every packet left");
    count
}

/// From frames at the bridge to datagrams for a client.
fn packets_out(with_ipsec: bool) -> u64 {
    let mut world = World::new(16);
    let client = Dialled::new(&mut world, with_ipsec);
    let mut count = 0;
    for _ in 0..4 {
        let inputs = (0..16).map(|_| {
            let frame = in_buffer(&mut world.pool, &client.frame(PACKET_LEN));
            Input::Frame { bridge: BRIDGE, frame }
        });
        let inputs = inputs.collect();
        count += world.count_batch(inputs);
    }
    assert_eq!(count, 64, "every packet left");
    count
}

/// Between two bridges that know where everyone is.
fn hub_forward() -> u64 {
    let limits = Limits { macs: 4_096, ..Limits::server(1_000) };
    let mut hubs = Hubs::new(HubStorage::allocate(&limits), [3; 16]);
    let hub = hubs.add().unwrap();
    let ports = [0, 1].map(|bridge| {
        hubs.attach(hub, PortKind::Bridge, PortOwner::Bridge { hub: 0, bridge }).unwrap()
    });
    let mac = |side: u8, number: u8| MacAddr([2, 0, 0, 0, side, number]);
    let frame = |from: MacAddr, to: MacAddr| {
        let mut frame = vec![0; 14 + PACKET_LEN];
        frame[..6].copy_from_slice(&to.0);
        frame[6..12].copy_from_slice(&from.0);
        frame[12] = 8;
        frame
    };
    for number in 0..200 {
        let _ = hubs.forward(now(), ports[0], &frame(mac(0, number), mac(1, number)));
        let _ = hubs.forward(now(), ports[1], &frame(mac(1, number), mac(0, number)));
    }
    let frames: Vec<_> = (0..200).map(|at| frame(mac(0, at), mac(1, 199 - at))).collect();
    counted(|| {
        for frame in &frames {
            assert_eq!(hubs.forward(now(), ports[0], frame), Decision::Port(ports[1]));
        }
    });
    frames.len() as u64
}

/// Sessions whose LCP gets no answer: each says it again.
fn timers(sessions: usize) -> u64 {
    let mut world = World::new(sessions);
    for number in 0..sessions as u32 {
        world.now += Duration::from_micros(100);
        Dialled::called(&mut world, path_of(number), None);
    }
    assert_eq!(world.server.session_count(), sessions);
    let end = world.now + Duration::from_millis(2_500);
    let mut count = 0;
    while let Some(at) = world.deadline.filter(|at| *at <= end) {
        world.now = world.now.max(at);
        count += world.count_batch(vec![Input::Timer]);
    }
    assert!(count >= 2 * sessions as u64, "each session's timer fired twice: {count}");
    count
}

/// The responder's part of main mode; what a worker computes is left out.
fn main_mode() -> u64 {
    let limits = Limits::server(64);
    let mut rng = Rng::from_seed([9; 32]);
    let mut esp = Esp::new(esp::Storage::allocate(&limits), &limits, &mut rng);
    let mut ike = Ike::new(ike::Storage::allocate(&limits), &limits, &ipsec(), &mut rng);
    let mut out = ike::Out::new();
    let mut deliver = |port: u16, message: &[u8]| {
        let mut message = message.to_vec();
        let mut cx = ike::Cx { now: now(), rng: &mut rng, spis: &mut esp };
        counted(|| ike.handle_datagram(&mut cx, path(port), &mut message, &mut out)).unwrap();
        let mut answer = Vec::new();
        while let Some(action) = out.pop() {
            match action {
                Action::Send { message, .. } => answer = out.bytes(message).to_vec(),
                Action::Dh { token, job } => {
                    let result = job.assemble(&out).run();
                    counted(|| ike.handle_dh(&mut cx, token, &result, &mut out)).unwrap();
                }
                _ => {}
            }
        }
        out.clear();
        answer
    };
    let count = 8;
    for number in 0..count {
        let mut client = Client::new(number);
        let second = deliver(500, &client.first());
        let third = client.third(&second);
        let fourth = deliver(500, &third);
        let fifth = client.fifth(&fourth, false);
        let sixth = deliver(4500, &fifth);
        client.done(&sixth);
    }
    u64::from(count)
}

fn peer() -> PeerId {
    Key { index: 3, generation: 0 }.into()
}

const fn now() -> Instant {
    Instant::from_micros(1_000_000_000)
}

const GCM: EspSuite = EspSuite::AesGcm16 { cipher: Cipher::Aes128 };
/// Octets of an IP packet inside the tunnel.
const PACKET_LEN: usize = 1_360;
/// What ESP protects of it: UDP, L2TP and PPP are in front.
const PAYLOAD: [u8; PACKET_LEN + 20] = [0xa5; PACKET_LEN + 20];
const PACKETS: usize = 64;
