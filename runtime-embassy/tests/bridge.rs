//! The bridge around the real runner: the board as a host of its LAN.

mod rig;

use kumihimo_embassy::Settings;
use kumihimo_embassy::settings::Addressing;
use rig::host::Station;
use rig::{BOARD, Rig, settings};

#[test]
fn the_board_answers_arp_and_pings() {
    let mut rig = Rig::new(settings());
    let host = rig.add(Station::new(7));
    rig.host::<Station>(host).ping(BOARD.into(), 1);
    assert!(rig.run_until(50, |rig| rig.host::<Station>(host).has_pong(BOARD.into(), 1)));
    assert!(rig.log.contains("ready address=192.0.2.1/24"), "{}", rig.log);
    assert!(rig.log.contains("link up"));
}

#[test]
fn the_board_gets_its_address_from_the_lan() {
    let mut settings = settings();
    settings.set_addressing(Addressing::Dhcp).unwrap();
    let mut rig = Rig::new(settings);
    rig.add(Station::router());
    assert!(rig.run_until(20_000, |rig| rig.log.contains("ready address=192.0.2.100/24")));
    let status = rig.handle.status();
    rig.run_ms(1_000);
    assert!(rig.handle.status().beats > status.beats, "the heart beats");
    assert_eq!(rig.handle.status().address, Some(([192, 0, 2, 100].into(), 24)));
}

#[test]
fn a_board_without_a_key_is_there_but_serves_nobody() {
    let mut rig = Rig::new(Settings::default());
    rig.add(Station::router());
    assert!(rig.run_until(20_000, |rig| rig.log.contains("ready address=")), "{}", rig.log);
    assert_eq!(rig.handle.settings().map(|settings| settings.has_psk()), Some(false));
}
