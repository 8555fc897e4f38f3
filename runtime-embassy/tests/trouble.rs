//! What a LAN and its clients can do to a board: it is counted, told, and gone when it is over.

mod rig;

use kumihimo_core::event::{Event, FailureCause};
use kumihimo_core::wire::ethernet::EtherType;
use kumihimo_embassy::settings::Addressing;
use kumihimo_sim::peer::Input;
use kumihimo_sim::profile::CP_WIN;
use rig::dialer::Dialer;
use rig::host::{Station, frame};
use rig::{BOARD, BOARD_MAC, BUFFERS, Rig, settings};

/// A LAN with its router, and a client on it that is up.
fn with_client() -> (Rig, usize, usize) {
    let mut rig = Rig::new(settings());
    let router = rig.add(Station::router());
    let client = dial(&mut rig, 50, "jiro");
    assert!(is_up_within(&mut rig, client, 20_000), "{}", rig.log);
    (rig, router, client)
}

fn dial(rig: &mut Rig, number: u8, user: &str) -> usize {
    let password = if user == "jiro" { "pass" } else { "hana" };
    let client = rig.add(Dialer::near(number, &CP_WIN, user, password));
    rig.run_ms(1);
    rig.host::<Dialer>(client).tell(Input::Dial);
    client
}

fn is_up_within(rig: &mut Rig, client: usize, within_ms: u64) -> bool {
    rig.run_until(within_ms, |rig| rig.host::<Dialer>(client).address().is_some())
}

/// Whether the router reaches a client through its tunnel.
fn reaches(rig: &mut Rig, router: usize, client: usize, sequence: u16, within_ms: u64) -> bool {
    let address = rig.host::<Dialer>(client).address().expect("an address");
    rig.host::<Station>(router).ping(address, sequence);
    rig.run_until(within_ms, |rig| rig.host::<Station>(router).has_pong(address, sequence))
}

#[test]
fn garbage_on_the_wire_is_counted_and_forgotten() {
    let (mut rig, router, client) = with_client();
    let mut random = Random(7);
    let server_ports = [500, 4500, 1701, 68, 9];
    for round in 0..6_000 {
        let len = random.below(1_600);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
        // Most of it is refused by the first look: some looks like what the board wants.
        if round % 4 > 0 && len >= 60 {
            bytes[..6].copy_from_slice(&if round % 8 > 4 { [0xff; 6] } else { BOARD_MAC });
            bytes[6] &= 0xfe;
            bytes[12..14].copy_from_slice(&[8, if random.below(4) == 0 { 6 } else { 0 }]);
            bytes[14] = 0x45;
            bytes[20..22].fill(0);
            bytes[23] = if random.below(3) == 0 { 50 } else { 17 };
            bytes[26..30].copy_from_slice(&[192, 0, 2, 7]);
            bytes[30..34].copy_from_slice(&BOARD);
            let total = (len - 14) as u16;
            bytes[16..18].copy_from_slice(&total.to_be_bytes());
            let port: u16 = server_ports[random.below(5)];
            bytes[36..38].copy_from_slice(&port.to_be_bytes());
            bytes[38..40].copy_from_slice(&(total - 20).to_be_bytes());
            bytes[40..42].fill(0);
            bytes[24..26].fill(0);
            let sum = kumihimo_core::wire::checksum::Sum::new().with(&bytes[14..34]).finish();
            bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        rig.wire.deliver(bytes);
        rig.settle();
        if round % 100 == 0 {
            rig.run_ms(1);
        }
    }
    rig.run_ms(1_000);
    let status = rig.handle.status();
    assert!(status.traffic.bad_frames > 500, "{status:?}");
    assert!(rig.log.contains("lost bad-frames="), "{}", rig.log);
    assert!(status.drops.total() > 100, "{status:?}");
    assert!(status.traffic.datagrams_in > 500, "{status:?}");
    assert_eq!(rig.pool.free(), BUFFERS, "every packet buffer came back");
    assert!(reaches(&mut rig, router, client, 1, 3_000), "the client does not mind");
    let other = dial(&mut rig, 51, "hanako");
    assert!(is_up_within(&mut rig, other, 20_000), "{}", rig.log);
}

#[test]
fn a_link_that_goes_and_comes_leaves_sessions_alone() {
    let (mut rig, router, client) = with_client();
    rig.wire.set_link(false);
    rig.run_ms(10_000);
    assert!(!rig.handle.status().is_link_up);
    rig.wire.set_link(true);
    rig.run_ms(1_000);
    assert!(rig.log.contains("link down"), "{}", rig.log);
    assert_eq!(rig.handle.status().traffic.link_losses, 1);
    assert!(reaches(&mut rig, router, client, 1, 5_000), "{}", rig.log);
}

#[test]
fn a_lan_without_a_dhcp_server_fails_the_dial_and_tells_why() {
    let mut rig = Rig::new(settings());
    let router = rig.add(Station::router());
    rig.host::<Station>(router).dhcp.as_mut().unwrap().is_dead = true;
    let client = dial(&mut rig, 50, "jiro");
    assert!(!is_up_within(&mut rig, client, 60_000));
    let is_it = |event: &Event| {
        let Event::DialFailed(failure) = event else { return false };
        failure.cause == FailureCause::NoDhcpAnswer
    };
    assert!(rig.events.borrow().iter().any(is_it), "{}", rig.log);
    assert!(rig.log.contains("cause=NoDhcpAnswer"), "{}", rig.log);
    rig.host::<Station>(router).dhcp.as_mut().unwrap().is_dead = false;
    rig.host::<Dialer>(client).tell(Input::Dial);
    assert!(is_up_within(&mut rig, client, 20_000), "{}", rig.log);
}

#[test]
fn a_board_whose_lease_runs_out_comes_back_with_the_dhcp_server() {
    let mut settings = settings();
    settings.set_addressing(Addressing::Dhcp).unwrap();
    let mut rig = Rig::new(settings);
    let router = rig.add(Station::router());
    rig.host::<Station>(router).dhcp.as_mut().unwrap().lease_secs = 120;
    assert!(rig.run_until(20_000, |rig| rig.log.contains("ready address=")));
    rig.host::<Station>(router).dhcp.as_mut().unwrap().is_dead = true;
    assert!(rig.run_until(200_000, |rig| rig.log.contains("no address")), "{}", rig.log);
    rig.host::<Station>(router).dhcp.as_mut().unwrap().is_dead = false;
    let is_back = |rig: &mut Rig| rig.log.matches("ready address=").count() == 2;
    assert!(rig.run_until(60_000, is_back), "{}", rig.log);
    assert_eq!(rig.handle.status().traffic.address_losses, 1);
}

#[test]
fn more_clients_than_there_is_room_for_are_refused_until_there_is() {
    let (mut rig, router, first) = with_client();
    let others: Vec<_> = (51..60).map(|number| dial(&mut rig, number, "hanako")).collect();
    rig.run_ms(60_000);
    let up = |rig: &mut Rig, client: usize| rig.host::<Dialer>(client).address().is_some();
    let count = others.iter().filter(|&&client| up(&mut rig, client)).count();
    assert!((3..9).contains(&count), "{count} are up: {}", rig.log);
    let status = rig.handle.status();
    assert!(status.drops.total() > 0 && status.sessions <= 5, "{status:?}");
    assert!(reaches(&mut rig, router, first, 1, 3_000), "who is there stays there");
    for &client in &others {
        rig.host::<Dialer>(client).tell(Input::HangUp);
    }
    rig.run_ms(40_000);
    let late = dial(&mut rig, 70, "hanako");
    assert!(is_up_within(&mut rig, late, 30_000), "{}", rig.log);
}

#[test]
fn a_device_that_takes_nothing_holds_nobody_up_for_ever() {
    let (mut rig, router, client) = with_client();
    rig.wire.set_room(0);
    let address = rig.host::<Dialer>(client).address().unwrap();
    for sequence in 0..40 {
        rig.host::<Station>(router).ping(address, sequence);
        rig.run_ms(250);
    }
    let beats = rig.handle.beats();
    rig.run_ms(2_000);
    assert!(rig.handle.beats() >= beats + 3, "the heart beats");
    rig.wire.set_room(4);
    rig.run_ms(2_000);
    assert!(reaches(&mut rig, router, client, 99, 5_000), "{}", rig.log);
}

#[test]
fn a_client_of_the_lan_that_is_gone_does_not_hold_up_the_others() {
    let (mut rig, router, gone) = with_client();
    let other = dial(&mut rig, 51, "hanako");
    assert!(is_up_within(&mut rig, other, 20_000));
    let station = &mut rig.host::<Dialer>(gone).station;
    station.is_silent = true;
    rig.host::<Dialer>(gone).tell(Input::Vanish);
    // Longer than the IP stack remembers who has which address.
    rig.run_ms(70_000);
    let chatter = frame([0xff; 6], [0x52, 0x54, 0, 0, 0, 9], EtherType(0x88b5), &[7; 60]);
    for sequence in 1..100 {
        rig.wire.deliver(chatter.clone());
        assert!(reaches(&mut rig, router, other, sequence, 20), "ping {sequence}");
    }
    assert_eq!(rig.handle.status().traffic.unsent, 0);
}

#[test]
fn a_dial_waits_for_its_key_exchange_and_nobody_else_does() {
    let (mut rig, router, client) = with_client();
    rig.computes = false;
    let other = dial(&mut rig, 51, "hanako");
    for sequence in 1..100 {
        assert!(reaches(&mut rig, router, client, sequence, 5), "ping {sequence}");
    }
    assert!(rig.host::<Dialer>(other).address().is_none());
    rig.computes = true;
    assert!(is_up_within(&mut rig, other, 20_000), "{}", rig.log);
}

/// Floods the board for a while, and looks whether the tasks below it had their share.
fn flood(frame: Vec<u8>) {
    let (mut rig, router, client) = with_client();
    let (began, beats) = (rig.now, rig.handle.beats());
    rig.wire.flood(Some((frame, 100)));
    // Only what goes by in these milliseconds goes by for the tasks below.
    rig.run_ms(500);
    let took_ms = (rig.now - began) / 1_000;
    assert!((2_000..=4_500).contains(&took_ms), "{took_ms} ms for 500 ms below");
    assert!(u64::from(rig.handle.beats() - beats) >= took_ms / 1_000, "the heart beats");
    let rests = rig.handle.status().traffic.rests;
    assert!(rests > 100, "{rests} rests");
    rig.wire.flood(None);
    rig.run_ms(1_000);
    let rests = rig.handle.status().traffic.rests;
    rig.run_ms(60_000);
    assert!(rig.log.contains(" rests="), "{}", rig.log);
    assert_eq!(rig.handle.status().traffic.rests, rests, "no rest without work");
    assert!(reaches(&mut rig, router, client, 1, 3_000), "{}", rig.log);
}

#[test]
fn a_flood_for_the_hub_leaves_time_to_the_tasks_below() {
    flood(frame([0x52, 0x54, 0, 0, 0, 8], [0x52, 0x54, 0, 0, 0, 9], EtherType(0x88b5), &[7; 60]));
}

#[test]
fn a_flood_for_the_board_leaves_time_to_the_tasks_below() {
    flood(frame(BOARD_MAC, [0x52, 0x54, 0, 0, 0, 9], EtherType(0x88b5), &[7; 60]));
}

#[test]
fn a_flood_of_frames_that_are_none_leaves_time_to_the_tasks_below() {
    flood(frame([0xff; 6], [0xff; 6], EtherType(0x88b5), &[7; 60]));
}

/// Xorshift64*: garbage need not be better than that.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}
