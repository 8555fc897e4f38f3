//! Dialling.

use super::wire::{ROUTER, Terms, Wire};
use crate::peer::{Carrier, Event};
use crate::profile::{ALL, CP_WIN};

#[test]
fn a_client_dials_in_gets_an_address_and_pings_the_router() {
    let mut wire = Wire::new(Terms::default());
    let client = wire.dial(&CP_WIN, Carrier::Ipsec);
    assert!(
        wire.run_until(10, |wire| wire.is_up(client)),
        "{:?} {:?}",
        wire.events,
        wire.core_events
    );
    let Some(Event::Up { address, gateway, dns }) = wire.events[client].last() else { panic!() };
    assert_eq!(address.octets()[..3], [192, 168, 30]);
    assert_eq!((*gateway, &dns[..]), (Some(ROUTER), &[ROUTER][..]));
    assert!(wire.pings(client, ROUTER));
}

#[test]
fn every_profile_dials_in_over_every_carrier() {
    for profile in ALL {
        for carrier in [Carrier::Ipsec, Carrier::IpsecInUdp, Carrier::Bare] {
            let mut wire = Wire::new(Terms::default());
            let client = wire.dial(profile, carrier);
            let up = wire.run_until(10, |wire| wire.is_up(client));
            assert!(up, "{} {carrier:?} {:?} {:?}", profile.name, wire.events, wire.core_events);
            assert!(wire.pings(client, ROUTER), "{} {carrier:?}", profile.name);
        }
    }
}

#[test]
fn a_dial_over_a_good_line_takes_less_than_a_second() {
    for profile in ALL {
        let mut wire = Wire::new(Terms::default());
        let client = wire.dial(profile, Carrier::IpsecInUdp);
        assert!(
            wire.run_until(1, |wire| wire.is_up(client)),
            "{} {:?}",
            profile.name,
            wire.drops()
        );
    }
}
