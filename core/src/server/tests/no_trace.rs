//! A hundred dials over IPsec, from one address, leave no trace in any count.

use core::net::SocketAddr;

use super::dialer::Dialer;
use super::ipsec::Ipsec;
use super::setup::{self, ROUTER, Setup};
use super::world::{World, play};
use crate::credentials::Refusal;
use crate::event::{Event, FailureCause, Stage};
use crate::ike::tests::client::{attributes, sa};
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;
use crate::server::Command;

/// How a dial goes, and how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dial {
    /// It comes up, and hangs up.
    Polite,
    /// It comes up, and is never heard again.
    Silent,
    /// It comes up, the server renews its SAs, and it hangs up.
    Renewed,
    /// It comes up and hears nothing of IKE when the server renews its SAs; it hangs up L2TP only.
    Deaf,
    /// It comes up, and the administrator ends it.
    Disconnected,
    /// The password is wrong.
    WrongPassword,
    /// The pre-shared key is wrong.
    WrongKey,
    /// It offers for phase 1 what no policy has.
    BadOffer,
    /// It offers for IPsec what no policy has.
    BadQuickOffer,
    /// It is never heard again after its first message.
    OneMessage,
    /// It is never heard again after its second message, while the server computes.
    TwoMessages,
    /// It is never heard again after the first message of quick mode.
    OneQuickMessage,
}

const ALL: [Dial; 12] = [
    Dial::Polite,
    Dial::Silent,
    Dial::Renewed,
    Dial::Deaf,
    Dial::Disconnected,
    Dial::WrongPassword,
    Dial::WrongKey,
    Dial::BadOffer,
    Dial::BadQuickOffer,
    Dial::OneMessage,
    Dial::TwoMessages,
    Dial::OneQuickMessage,
];

impl Dial {
    const fn comes_up(self) -> bool {
        use Dial::{Deaf, Disconnected, Polite, Renewed, Silent};
        matches!(self, Polite | Silent | Renewed | Deaf | Disconnected)
    }

    fn start(self, world: &mut World) -> usize {
        let number = world.clients.len();
        let address: SocketAddr = ([203, 0, 113, 1], 40_000 + 2 * number as u16).into();
        let password = if self == Self::WrongPassword { "wrong" } else { "pass" };
        let habits = Habits { password: password.into(), ..Habits::default() };
        let client = world.dial_ipsec_as(address, habits, |ike| {
            // Somebody else each time: nobody's SAs are taken for a renewal of another's.
            ike.id = [1, 0, 0, 0, 10, 0, 1, number as u8].to_vec();
            match self {
                Self::WrongKey => ike.psk = b"wrong".to_vec(),
                Self::BadOffer => ike.offer = Some(sa(1, &[], &[(1, attributes(DES))])),
                Self::BadQuickOffer => ike.quick.transform = ESP_DES,
                _ => {}
            }
        });
        world.clients[client].is_dead = self == Self::OneMessage;
        client
    }

    fn end(self, world: &mut World, client: usize) {
        match self {
            Self::Polite | Self::Renewed | Self::Deaf | Self::WrongPassword => {
                world.with_client(client, Dialer::hang_up);
            }
            _ => world.clients[client].is_dead = true,
        }
    }
}

/// One dial of each kind at once, and ten minutes.
fn play_round(world: &mut World) {
    let clients = ALL.map(|dial| (dial, dial.start(world)));
    world.run_ms(25);
    for (dial, client) in clients {
        world.clients[client].is_dead |= dial == Dial::TwoMessages;
    }
    let [.., (_, client)] = clients;
    world.run_until(1_000, |world| {
        world.clients[client].ipsec.as_ref().is_some_and(|ipsec| !ipsec.begun.is_empty())
    });
    world.clients[client].is_dead = true;
    world.run_ms(10_000);
    for (dial, client) in clients {
        assert_eq!(world.clients[client].is_up(), dial.comes_up(), "{dial:?}");
        if dial == Dial::Deaf {
            ipsec(world, client).ignores_ike = true;
        }
        if dial == Dial::Disconnected {
            let address = world.clients[client].address;
            let session = world.events.iter().rev().find_map(|event| match event {
                Event::SessionUp { session, remote, .. } if *remote == address => Some(*session),
                _ => None,
            });
            world.command(Command::Disconnect(session.expect("it is up")));
        }
    }
    world.command(Command::Rekey);
    world.run_ms(3_000);
    for (dial, client) in clients {
        dial.end(world, client);
    }
    // The dead are found out, and the last answers are forgotten.
    world.run_ms(600_000);
}

/// Every kind of failure was there.
fn check_failures(events: &[Event]) {
    let wrong_password = FailureCause::Refused(Refusal::WrongPassword);
    let expected = [
        (Stage::Phase1, FailureCause::NoProposal),
        (Stage::Phase1, FailureCause::WrongKey),
        (Stage::Phase1, FailureCause::Silence),
        (Stage::Phase2, FailureCause::NoProposal),
        (Stage::Phase2, FailureCause::Silence),
        (Stage::Authentication, wrong_password),
    ];
    for (stage, cause) in expected {
        let is_it = |event: &Event| match event {
            Event::DialFailed(failure) => (failure.stage, failure.cause) == (stage, cause),
            _ => false,
        };
        assert!(events.iter().any(is_it), "{stage:?} {cause:?}");
    }
}

fn ipsec(world: &mut World, client: usize) -> &mut Ipsec {
    world.clients[client].ipsec.as_mut().expect("it speaks IPsec")
}

#[test]
fn a_hundred_dials_over_ipsec_leave_no_trace_in_any_count() {
    // A round of dials at once is less than one address may have under way.
    let limits = Limits { half_open: 128, ..setup::limits(8) };
    play(&Setup::with_limits(limits), |world| {
        let before = world.server.census();
        assert_eq!(before, before.without_memories());
        for round in 0..10 {
            let events = world.events.len();
            play_round(world);
            check_failures(&world.events[events..]);
            let after = world.server.census().without_memories();
            assert_eq!(after, before, "after round {round}");
        }
        assert!(world.clients.len() > 100);
        let is_refusal = |event: &&Event| matches!(event, Event::Refused { .. });
        let refused = world.events.iter().find(is_refusal);
        assert_eq!(refused, None, "no quota is used up");
        // And there is room for as many again as may come from one address.
        let clients = [(); 8].map(|()| Dial::Polite.start(world));
        world.run_ms(10_000);
        for client in clients {
            assert!(world.pings(client, ROUTER.octets()), "{:?}", world.clients[client]);
        }
    });
}

/// DES and SHA-1 in group 2, as attributes of phase 1.
const DES: &[(u16, u16)] = &[(1, 1), (2, 2), (3, 1), (4, 2), (11, 1), (12, 28_800)];
/// The transform of quick mode (RFC 2407 §4.4.4).
const ESP_DES: u8 = 2;
