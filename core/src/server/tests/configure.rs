//! A new configuration, and what it leaves alone.

use core::net::Ipv4Addr;
use std::boxed::Box;
use std::vec::Vec;

use super::setup::{self, ROUTER, Setup};
use super::world::{World, play};
use crate::config::{Config, ConfigError, HubConfig, IpsecConfig, SecureNatConfig, UserConfig};
use crate::discard::DropReason;
use crate::event::{DownCause, Event};
use crate::limits::Limits;
use crate::ppp::tests::client::Habits;
use crate::server::{BridgeId, Command};

fn two_hubs() -> Setup {
    Setup::with_hubs(std::vec![setup::hub("DEFAULT"), setup::hub("OTHER")])
}

fn named(name: &[u8]) -> Habits {
    Habits { user: name.to_vec(), ..Habits::default() }
}

fn with_users(users: Vec<UserConfig<'static>>) -> HubConfig<'static> {
    HubConfig { users: Box::leak(users.into_boxed_slice()), ..setup::hub("DEFAULT") }
}

fn downs(world: &World) -> Vec<DownCause> {
    let cause = |event: &Event| match event {
        Event::SessionDown { cause, .. } => Some(*cause),
        _ => None,
    };
    world.events.iter().filter_map(cause).collect()
}

#[test]
fn a_changed_password_keeps_sessions_and_counts_for_the_next() {
    play(&Setup::default(), |world| {
        let client = world.dial_up(Habits::default());
        let hub = with_users(std::vec![setup::user("jiro", "new")]);
        world.configure(&setup::config(std::vec![hub])).expect("a good configuration");
        assert!(world.pings(client, ROUTER.octets()));
        let old = world.dial(Habits::default());
        assert!(!world.run_until_up(old, 10_000));
        let new = world.dial_up(Habits { password: "new".into(), ..Habits::default() });
        assert!(world.pings(new, ROUTER.octets()) && world.pings(client, ROUTER.octets()));
        assert_eq!(downs(world), []);
    });
}

#[test]
fn the_same_configuration_again_disturbs_nobody() {
    play(&two_hubs(), |world| {
        let [a, b] = [&b"jiro"[..], b"jiro@other"].map(|name| world.dial_up(named(name)));
        let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
        let ip = world.stations[station].ip;
        assert!(world.pings(a, ip));
        let events = world.events.len();
        for _ in 0..10 {
            world.configure(&two_hubs().config).expect("it was good before");
            assert!(world.pings(a, ip) && world.pings(a, ROUTER.octets()));
            assert!(world.pings(b, ROUTER.octets()));
        }
        world.run_ms(10_000_000);
        assert!(world.pings(a, ip) && world.pings(b, ROUTER.octets()));
        assert_eq!(world.events.len(), events);
    });
}

#[test]
fn a_hub_that_is_removed_takes_its_sessions_along_and_no_others() {
    play(&two_hubs(), |world| {
        let [stays, goes] = [&b"jiro"[..], b"jiro@other"].map(|name| world.dial_up(named(name)));
        world.configure(&setup::config(std::vec![setup::hub("DEFAULT")])).expect("good");
        world.run_ms(100);
        assert_eq!(downs(world), [DownCause::Administrative]);
        assert!(world.clients[goes].is_down());
        assert!(world.pings(stays, ROUTER.octets()));
        let late = world.dial(named(b"jiro@other"));
        assert!(!world.run_until_up(late, 10_000));
        world.configure(&two_hubs().config).expect("and back");
        let again = world.dial_up(named(b"jiro@other"));
        assert!(world.pings(again, ROUTER.octets()));
    });
}

/// Sixty sessions and room for forty outputs.
fn crowd() -> Setup {
    let pool = (Ipv4Addr::new(192, 168, 30, 10), Ipv4Addr::new(192, 168, 30, 90));
    let secure_nat = Some(SecureNatConfig { pool, ..setup::secure_nat() });
    let full = HubConfig { secure_nat, ..setup::hub("FULL") };
    let limits = Limits { outputs: 40, leases: 64, macs: 128, ..setup::limits(60) };
    Setup { limits, ..Setup::with_hubs(std::vec![full, setup::hub("OTHER")]) }
}

#[test]
fn a_crowd_leaves_without_a_word_being_lost() {
    type Ending = fn(&mut World);
    let endings: [Ending; 3] = [
        |world| world.configure(&setup::config(std::vec![setup::hub("OTHER")])).expect("good"),
        |world| {
            let full = HubConfig { users: &[], ..setup::hub("FULL") };
            world.configure(&setup::config(std::vec![full])).expect("good");
        },
        |world| world.command(Command::Shutdown),
    ];
    for ending in endings {
        play(&crowd(), |world| {
            let clients = [(); 60].map(|()| world.dial(Habits::default()));
            world.run_ms(5_000);
            assert!(clients.iter().all(|&client| world.clients[client].is_up()));
            ending(world);
            assert_eq!(downs(world), [DownCause::Administrative; 60]);
            world.run_ms(100);
            assert!(clients.iter().all(|&client| world.clients[client].is_down()));
            assert_eq!(world.drops(DropReason::OutputFull), 0);
        });
    }
}

#[test]
fn a_user_who_is_removed_is_thrown_out() {
    play(&Setup::default(), |world| {
        let hanako = Habits { password: "hana".into(), ..named(b"hanako") };
        let [goes, stays] = [Habits::default(), hanako].map(|habits| world.dial_up(habits));
        let hub = with_users(std::vec![setup::user("hanako", "hana")]);
        world.configure(&setup::config(std::vec![hub])).expect("good");
        world.run_ms(100);
        assert!(world.clients[goes].is_down());
        assert_eq!(downs(world), [DownCause::Administrative]);
        assert!(world.pings(stays, ROUTER.octets()));
        assert_eq!(world.server.session_count(), 1);
    });
}

#[test]
fn hubs_may_change_places() {
    play(&two_hubs(), |world| {
        let [a, b] = [&b"jiro"[..], b"jiro@other"].map(|name| world.dial_up(named(name)));
        let mut config = setup::config(std::vec![setup::hub("OTHER"), setup::hub("DEFAULT")]);
        config.ipsec.default_hub = "DEFAULT";
        world.configure(&config).expect("good");
        let station = world.add_station(BridgeId { hub: 1, bridge: 0 });
        let ip = world.stations[station].ip;
        assert!(world.pings(a, ip) && !world.pings(b, ip));
        assert!(world.pings(a, ROUTER.octets()) && world.pings(b, ROUTER.octets()));
        assert_eq!(downs(world), []);
    });
}

#[test]
fn hubs_may_all_be_replaced_at_once() {
    let names = |names: [&'static str; 4]| Setup::with_hubs(names.map(setup::hub).to_vec());
    play(&names(["A", "B", "C", "D"]), |world| {
        let client = world.dial_up(named(b"jiro@d"));
        world.configure(&names(["D", "E", "F", "G"]).config).expect("as many as fit");
        assert!(world.pings(client, ROUTER.octets()));
        for name in ["jiro", "jiro@e", "jiro@f", "jiro@g"] {
            let client = world.dial_up(named(name.as_bytes()));
            assert!(world.pings(client, ROUTER.octets()), "{name}");
        }
    });
}

type Broken = (&'static str, Config<'static>, ConfigError);

/// Configurations that must be refused, each with changes that must not show.
fn broken() -> Vec<Broken> {
    let good = setup::config(std::vec![changed()]);
    let ipsec = |ipsec: IpsecConfig<'static>| Config { ipsec, ..good.clone() };
    let twice = std::vec![setup::user("jiro", "a"), setup::user("Jiro", "b")];
    let long: &'static str = Box::leak("n".repeat(65).into_boxed_str());
    let no_name = HubConfig { name: "", ..setup::hub("X") };
    let no_key = ipsec(IpsecConfig { psk: b"", ..good.ipsec.clone() });
    let long_key = ipsec(IpsecConfig { psk: &[b'k'; 257], ..good.ipsec.clone() });
    let no_hub = ipsec(IpsecConfig { default_hub: "NONE", ..good.ipsec.clone() });
    let host_name = Config { host_name: long, ..good.clone() };
    let of = |hubs| setup::config(hubs);
    let one_name = of(std::vec![changed(), setup::hub("default")]);
    let two_users = of(std::vec![with_users(twice)]);
    let long_name = of(std::vec![with_users(std::vec![setup::user(long, "pass")])]);
    let mut broken = std::vec![
        ("no key", no_key, ConfigError::BadPsk),
        ("long key", long_key, ConfigError::BadPsk),
        ("no default hub", no_hub, ConfigError::NoDefaultHub),
        ("host name", host_name, ConfigError::BadName),
        ("two hubs of one name", one_name, ConfigError::DuplicateName),
        ("a hub without a name", of(std::vec![changed(), no_name]), ConfigError::BadName),
        ("two users of one name", two_users, ConfigError::DuplicateName),
        ("a long name", long_name, ConfigError::BadName),
    ];
    broken.extend(too_many());
    broken.extend(bad_subnets());
    broken
}

fn too_many() -> [Broken; 4] {
    let crowd = (0..17).map(|number| {
        setup::user(Box::leak(std::format!("user{number}").into_boxed_str()), "pass")
    });
    let hubs = ["B", "C", "D", "E"].map(setup::hub);
    let hubs = core::iter::once(changed()).chain(hubs).collect();
    let bridges = |bridges, hub| HubConfig { bridges, ..hub };
    let ports = std::vec![bridges(8, changed()), bridges(8, setup::hub("OTHER"))];
    [
        ("too many users", std::vec![with_users(crowd.collect())]),
        ("too many hubs", hubs),
        ("too many bridges", std::vec![bridges(9, changed())]),
        ("more ports than there are", ports),
    ]
    .map(|(what, hubs)| (what, setup::config(hubs), ConfigError::TooMany))
}

fn bad_subnets() -> [Broken; 2] {
    let far = Ipv4Addr::new(10, 0, 0, 1);
    let subnet = SecureNatConfig { pool: (far, far), ..setup::secure_nat() };
    let long_prefix = SecureNatConfig { prefix_len: 33, ..setup::secure_nat() };
    let other = HubConfig { secure_nat: Some(subnet), ..setup::hub("OTHER") };
    let own = HubConfig { secure_nat: Some(long_prefix), ..changed() };
    [("a pool elsewhere", std::vec![changed(), other]), ("another pool elsewhere", std::vec![own])]
        .map(|(what, hubs)| (what, setup::config(hubs), ConfigError::BadSubnet))
}

/// The hub with a change that must not show.
fn changed() -> HubConfig<'static> {
    with_users(std::vec![setup::user("jiro", "other")])
}

#[test]
fn a_broken_configuration_leaves_the_old_one_in_force() {
    for (what, config, error) in broken() {
        play(&two_hubs(), |world| {
            let [a, b] = [&b"jiro"[..], b"jiro@other"].map(|name| world.dial_up(named(name)));
            let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
            let ip = world.stations[station].ip;
            assert!(world.pings(a, ip));
            let events = world.events.len();
            assert_eq!(world.configure(&config), Err(error), "{what}");
            assert_eq!(world.events.len(), events, "{what}");
            assert!(world.pings(a, ip) && world.pings(a, ROUTER.octets()), "{what}");
            assert!(world.pings(b, ROUTER.octets()), "{what}");
            let more = [&b"jiro"[..], b"jiro@other"].map(|name| world.dial_up(named(name)));
            for client in more {
                assert!(world.pings(client, ROUTER.octets()), "{what}");
            }
            world.configure(&two_hubs().config).expect("what is good is still good");
            assert!(world.pings(a, ip) && world.pings(b, ROUTER.octets()), "{what}");
        });
    }
}

#[test]
fn a_broken_first_configuration_makes_no_server() {
    use super::pool::Counting;
    use crate::server::{Server, Storage};
    for (what, config, error) in broken() {
        let limits = two_hubs().limits;
        let server = Server::<Counting>::new(Storage::allocate(&limits), &limits, &config, [1; 32]);
        assert_eq!(server.err(), Some(error), "{what}");
    }
}

#[test]
fn ports_that_sessions_have_are_not_given_away_by_a_reload() {
    let limits = Limits { ports: 8, ..setup::limits(8) };
    play(&Setup { limits, ..two_hubs() }, |world| {
        let inside = [(); 3].map(|()| world.dial_up(Habits::default()));
        let with = |bridges| setup::hub_with_bridges("DEFAULT", bridges);
        let config = |hubs| setup::config(hubs);
        // With the router there are eight, and nine.
        world.configure(&config(std::vec![with(4)])).expect("as many as there are");
        let result = world.configure(&config(std::vec![with(5)]));
        assert_eq!(result, Err(ConfigError::TooMany));
        for client in inside {
            assert!(world.pings(client, ROUTER.octets()));
        }
        let newcomer = world.dial(Habits::default());
        assert!(!world.run_until_up(newcomer, 10_000));
        // Sessions whose hub goes need no ports any more.
        let other = HubConfig { name: "OTHER", ..with(7) };
        world.configure(&config(std::vec![other])).expect("as many as there are");
        world.run_ms(1_000);
        assert_eq!(world.server.session_count(), 0);
    });
}

#[test]
fn the_longest_names_and_the_longest_key_will_do() {
    let long: &'static str = Box::leak("n".repeat(64).into_boxed_str());
    let users = Box::leak(std::vec![setup::user(long, "pass")].into_boxed_slice());
    let mut config = setup::config(std::vec![HubConfig { users, ..setup::hub(long) }]);
    config.ipsec.psk = &[b'k'; 256];
    config.host_name = long;
    play(&Setup::default(), |world| {
        world.configure(&config).expect("no longer than may be");
        let client = world.dial_up(named(long.as_bytes()));
        assert!(world.pings(client, ROUTER.octets()));
    });
}
