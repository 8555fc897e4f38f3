//! Whole dials through the real runner.

mod rig;

use kumihimo_sim::peer::Input;
use kumihimo_sim::profile::CP_WIN;
use rig::dialer::Dialer;
use rig::host::{Station, echo};
use rig::{BOARD, Rig, settings};

#[test]
fn a_client_dials_in_and_gets_its_address_from_the_lan() {
    let mut rig = Rig::new(settings());
    let router = rig.add(Station::router());
    let client = rig.add(Dialer::near(50, &CP_WIN, "jiro", "pass"));
    rig.run_ms(100);
    rig.host::<Dialer>(client).tell(Input::Dial);
    let is_up = |rig: &mut Rig| rig.host::<Dialer>(client).address().is_some();
    let up = rig.run_until(20_000, is_up);
    let events = rig.host::<Dialer>(client).events.clone();
    assert!(up, "{}\n{events:?}\n{:?}", rig.log, rig.handle.status());
    let address = rig.host::<Dialer>(client).address().unwrap();
    assert_eq!(address.octets(), [192, 0, 2, 100], "of the LAN's DHCP server");

    // The LAN reaches the client, and the client the LAN and the board itself.
    rig.host::<Station>(router).ping(address, 7);
    assert!(rig.run_until(2_000, |rig| rig.host::<Station>(router).has_pong(address, 7)));
    for (to, sequence) in [([192, 0, 2, 254], 8), (BOARD, 9)] {
        let ping = echo(address, to.into(), true, sequence, b"hello");
        rig.host::<Dialer>(client).tell(Input::Packet(ping));
        let expected = echo(to.into(), address, false, sequence, b"hello");
        let has_pong = |rig: &mut Rig| {
            let received = &rig.host::<Dialer>(client).received;
            received.iter().any(|packet| packet[20..] == expected[20..])
        };
        assert!(rig.run_until(2_000, has_pong), "{to:?} answers");
    }
}
