//! A dial from the first datagram to the first ping.

use super::setup::{ROUTER, Setup};
use super::world::play;
use crate::event::Event;
use crate::ppp::tests::client::Habits;

#[test]
fn a_client_dials_in_gets_an_address_and_pings_the_router() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        assert_eq!(world.clients[client].ip()[..3], [192, 168, 30]);
        assert!(world.pings(client, ROUTER.octets()));
        let is_up = |event: &Event| matches!(event, Event::SessionUp { .. });
        assert_eq!(world.events.iter().filter(|event| is_up(event)).count(), 1);
        assert_eq!(world.server.session_count(), 1);
    });
}
