//! Every setting that a reload can change: the new value is in force for the next dial.
//!
//! [`settings_of`] takes the configuration apart without `..`, and a test compares its list with
//! that of [`CASES`]: a setting without a case does not compile, or fails.

mod cases;

use core::net::SocketAddr;
use std::boxed::Box;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::setup::{self, ROUTER, Setup};
use super::world::{World, play};
use crate::addr::Ipv4Assignment;
use crate::config::{Config, HubConfig, IpsecConfig, SecureNatConfig, UserConfig};
use crate::event::{Event, FailureCause};
use crate::ppp::tests::client::Habits;

use cases::CASES;

/// A setting, a change of it, and what shows that the change is in force.
///
/// Two clients are up before the change, one over IPsec and one without.
struct Case {
    setting: &'static str,
    change: fn(Config<'static>) -> Config<'static>,
    check: fn(&mut World, [usize; 2]),
    /// Whether those who were there before still reach the router afterwards.
    live: [bool; 2],
}

/// Every setting, and what it is.
fn settings_of(config: &Config<'_>) -> Vec<(&'static str, String)> {
    let Config { ipsec, hubs, host_name } = config;
    let IpsecConfig {
        l2tp,
        l2tp_raw,
        psk,
        default_hub,
        policy,
        encapsulation,
        ike_lifetime,
        esp_lifetime,
        dead_after,
    } = ipsec;
    let HubConfig { name, secure_nat, users, bridges } = &hubs[0];
    let UserConfig { name: user, nt_hash, max_sessions } = &users[0];
    let mut settings = std::vec![
        ("l2tp", format!("{l2tp}")),
        ("l2tp_raw", format!("{l2tp_raw}")),
        ("psk", format!("{psk:?}")),
        ("default_hub", (*default_hub).into()),
        ("policy", format!("{policy:?}")),
        ("encapsulation", format!("{encapsulation:?}")),
        ("ike_lifetime", format!("{ike_lifetime:?}")),
        ("esp_lifetime", format!("{esp_lifetime:?}")),
        ("dead_after", format!("{dead_after:?}")),
        ("host_name", (*host_name).into()),
        ("hub name", (*name).into()),
        ("user name", (*user).into()),
        ("nt_hash", format!("{nt_hash:?}")),
        ("max_sessions", format!("{max_sessions:?}")),
        ("bridges", format!("{bridges}")),
        ("secure_nat", format!("{}", secure_nat.is_some())),
    ];
    if let Some(secure_nat) = secure_nat {
        let SecureNatConfig { mac, address, prefix_len, dhcp, pool, lease, dns, gateway } =
            secure_nat;
        settings.extend([
            ("router mac", format!("{mac:?}")),
            ("router address", format!("{address}")),
            ("prefix_len", format!("{prefix_len}")),
            ("dhcp", format!("{dhcp}")),
            ("pool", format!("{pool:?}")),
            ("lease", format!("{lease:?}")),
            ("dns", format!("{dns:?}")),
            ("gateway", format!("{gateway}")),
        ]);
    }
    settings
}

#[test]
fn every_setting_has_a_case_that_changes_it() {
    let before = settings_of(&before().config);
    for case in CASES {
        let after = settings_of(&(case.change)(self::before().config));
        let changed = after.iter().find(|(name, value)| {
            *name == case.setting && !before.contains(&(*name, value.clone()))
        });
        assert!(changed.is_some(), "{} is not changed", case.setting);
    }
    let names: BTreeSet<_> = before.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, CASES.iter().map(|case| case.setting).collect());
}

#[test]
fn what_a_reload_changes_is_in_force_for_the_next_dial() {
    for case in CASES {
        std::eprintln!("{}", case.setting);
        play(&before(), |world| {
            let old = [dial_ipsec(world), world.dial(Habits::default())];
            for client in old {
                assert!(world.run_until_up(client, 20_000));
                assert!(world.pings(client, ROUTER.octets()));
            }
            reload(world, (case.change)(world.setup.config.clone()));
            (case.check)(world, old);
            let live = old.map(|client| {
                world.clients[client].is_up() && world.pings(client, ROUTER.octets())
            });
            assert_eq!(live, case.live, "those who were there before");
            // And back: whoever dials now finds what was there in the beginning.
            reload(world, before().config);
            for client in [dial_ipsec(world), world.dial(Habits::default())] {
                assert!(world.run_until_up(client, 20_000), "{:?}", world.clients[client]);
                assert!(world.pings(client, ROUTER.octets()));
                assert_eq!(newest_session(world), ["jiro", "DEFAULT"]);
            }
        });
    }
}

fn reload(world: &mut World, config: Config<'static>) {
    world.configure(&config).expect("a good one");
    world.setup.config = config;
    world.run_ms(1_000);
}

#[test]
fn a_hub_whose_name_is_written_in_another_case_is_the_same_hub() {
    play(&before(), |world| {
        let old = world.dial_up(Habits::default());
        for name in ["default", "Default", "DEFAULT"] {
            let config = hub(&before().config, |hub| hub.name = name);
            world.configure(&config).expect("good");
            world.run_ms(1_000);
            assert!(world.pings(old, ROUTER.octets()), "{name}");
            let new = world.dial_up(Habits { user: b"jiro@dEFAULT".to_vec(), ..Habits::default() });
            assert!(world.pings(new, ROUTER.octets()), "{name}");
        }
        let is_down = |event: &&Event| matches!(event, Event::SessionDown { .. });
        assert_eq!(world.events.iter().find(is_down), None);
    });
}

fn before() -> Setup {
    Setup::with_hubs(std::vec![setup::hub("DEFAULT"), setup::hub("OTHER")])
}

fn ipsec(
    config: &Config<'static>,
    change: impl FnOnce(&mut IpsecConfig<'static>),
) -> Config<'static> {
    let mut config = config.clone();
    change(&mut config.ipsec);
    config
}

/// The same with a change of the first hub.
fn hub(config: &Config<'static>, change: impl FnOnce(&mut HubConfig<'static>)) -> Config<'static> {
    let mut hubs = config.hubs.to_vec();
    change(&mut hubs[0]);
    Config { hubs: Box::leak(hubs.into_boxed_slice()), ..config.clone() }
}

/// The same with a change of its first user.
fn user(
    config: &Config<'static>,
    change: impl FnOnce(&mut UserConfig<'static>),
) -> Config<'static> {
    hub(config, |hub| {
        let mut users = hub.users.to_vec();
        change(&mut users[0]);
        hub.users = Box::leak(users.into_boxed_slice());
    })
}

/// The same with a change of its router.
fn router(
    config: &Config<'static>,
    change: impl FnOnce(&mut SecureNatConfig<'static>),
) -> Config<'static> {
    hub(config, |hub| change(hub.secure_nat.as_mut().expect("a router")))
}

/// An address that no client has.
fn home(world: &World) -> SocketAddr {
    ([203, 0, 113, 1 + world.clients.len() as u8], 4500).into()
}

fn dial_ipsec(world: &mut World) -> usize {
    world.dial_ipsec(home(world), Habits::default())
}

/// Pairs that a client has made, and those among them that the server asked for.
fn sas(world: &World, client: usize) -> (usize, usize) {
    let ipsec = world.clients[client].ipsec.as_ref().expect("it speaks IPsec");
    (ipsec.sas.len(), ipsec.answered.len())
}

/// Why the last dial failed.
fn failure(world: &World) -> Option<FailureCause> {
    world.events.iter().rev().find_map(|event| match event {
        Event::DialFailed(failure) => Some(failure.cause),
        _ => None,
    })
}

/// User and hub of the session that came up last.
fn newest_session(world: &World) -> [String; 2] {
    let newest = world.events.iter().rev().find_map(|event| match event {
        Event::SessionUp { user, hub, .. } => Some([user, hub].map(|name| name.as_str().into())),
        _ => None,
    });
    newest.expect("a session")
}

fn newest_assignment(world: &World) -> Ipv4Assignment {
    let newest = world.server.sessions.iter().max_by_key(|(_, session)| session.began);
    let member = newest.and_then(|(_, session)| session.member.as_ref()).expect("a member");
    *member.host.assignment().expect("an address")
}
