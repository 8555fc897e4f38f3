//! One change of each setting.

use core::net::Ipv4Addr;

use super::super::setup::ROUTER;
use super::super::world::{World, instant, path_to};
use super::{
    Case, dial_ipsec, failure, home, hub, ipsec, newest_assignment, newest_session, router, sas,
    user,
};
use crate::addr::MacAddr;
use crate::config::{Config, EncapsulationPolicy, Policy};
use crate::credentials::Refusal;
use crate::crypto::{Group, Hash, mschap};
use crate::discard::DropReason;
use crate::event::FailureCause;
use crate::ike::tests::client::attributes;
use crate::l2tp::tests::lac;
use crate::ppp::tests::client::Habits;
use crate::server::BridgeId;
use crate::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case {
        setting: "l2tp",
        change: |config| ipsec(&config, |ipsec| ipsec.l2tp = false),
        check: |world, _| {
            let client = dial_ipsec(world);
            assert!(!world.run_until_up(client, 20_000));
            assert_eq!(world.server.ike.peer_count(), 1, "the old one");
            world.dial_up(Habits::default());
        },
        live: [false, true],
    },
    Case {
        setting: "l2tp_raw",
        change: |config| ipsec(&config, |ipsec| ipsec.l2tp_raw = false),
        check: |world, _| {
            let client = world.dial(Habits::default());
            assert!(!world.run_until_up(client, 20_000));
            let client = dial_ipsec(world);
            assert!(world.run_until_up(client, 20_000));
        },
        live: [true, false],
    },
    Case {
        setting: "psk",
        change: |config| ipsec(&config, |ipsec| ipsec.psk = b"another"),
        check: |world, _| {
            let old = dial_ipsec(world);
            assert!(!world.run_until_up(old, 20_000));
            assert_eq!(failure(world), Some(FailureCause::WrongKey));
            let new = world.dial_ipsec_as(home(world), Habits::default(), |ike| {
                ike.psk = b"another".to_vec();
            });
            assert!(world.run_until_up(new, 20_000));
        },
        live: BOTH,
    },
    Case {
        setting: "default_hub",
        change: |config| ipsec(&config, |ipsec| ipsec.default_hub = "OTHER"),
        check: |world, _| {
            world.dial_up(Habits::default());
            assert_eq!(newest_session(world), ["jiro", "OTHER"]);
        },
        live: BOTH,
    },
    Case {
        setting: "policy",
        change: |config| ipsec(&config, |ipsec| ipsec.policy = Policy::Modern),
        check: |world, _| {
            let old = dial_ipsec(world);
            assert!(!world.run_until_up(old, 20_000));
            assert_eq!(failure(world), Some(FailureCause::NoProposal));
            let new = world.dial_ipsec_as(home(world), Habits::default(), |ike| {
                (ike.hash, ike.group) = (Hash::Sha256, Group::Ecp256);
                ike.quick.attributes = attributes(&[(1, 1), (2, 3_600), (4, 4), (5, 5), (6, 256)]);
            });
            world.run_ms(5_000);
            assert_eq!(sas(world, new).0, 1, "quick mode has come to its end");
        },
        live: BOTH,
    },
    Case {
        setting: "encapsulation",
        change: |config| ipsec(&config, |it| it.encapsulation = EncapsulationPolicy::Auto),
        check: |world, _| {
            let address = home(world);
            let client = world.dial_ipsec_as(address, Habits::default(), |ike| {
                let [server, ours] = [([192, 0, 2, 1], 500).into(), (address.ip(), 500).into()];
                ike.outer = Some([server, ours]);
                ike.quick.attributes = attributes(&[(1, 1), (2, 3_600), (4, 2), (5, 2), (6, 256)]);
            });
            assert!(world.run_until_up(client, 20_000));
            assert!(world.clients[client].ipsec.as_ref().is_some_and(|ipsec| ipsec.is_bare));
        },
        live: BOTH,
    },
    Case {
        setting: "ike_lifetime",
        change: |config| ipsec(&config, |it| it.ike_lifetime = Duration::from_secs(600)),
        check: |world, _| {
            let renews = |world: &World| world.server.ike.negotiation_count() > 0;
            world.run_ms(120_000);
            assert!(!world.run_until(600_000, renews), "the old one lives for eight hours");
            let client = dial_ipsec(world);
            assert!(world.run_until_up(client, 20_000));
            world.run_ms(120_000);
            assert!(!renews(world) && world.run_until(480_000, renews));
        },
        live: BOTH,
    },
    Case {
        setting: "esp_lifetime",
        change: |config| ipsec(&config, |it| it.esp_lifetime = Duration::from_secs(600)),
        check: |world, [old, _]| {
            let new = dial_ipsec(world);
            assert!(world.run_until_up(new, 20_000));
            world.run_ms(600_000);
            assert_eq!((sas(world, old).1, sas(world, new).1), (0, 1), "rekeys by the server");
        },
        live: BOTH,
    },
    Case {
        setting: "dead_after",
        change: |config| ipsec(&config, |it| it.dead_after = Duration::from_secs(600)),
        check: |world, [old, _]| {
            // One whose PPP is dead while its tunnel lives, and one that is dead for IKE.
            let client = world.dial_up(Habits::default());
            world.clients[client].ppp_is_dead = true;
            world.clients[old].is_dead = true;
            world.run_ms(400_000);
            assert_eq!((world.server.session_count(), world.server.ike.peer_count()), (2, 1));
            world.run_ms(400_000);
            assert_eq!((world.server.session_count(), world.server.ike.peer_count()), (1, 0));
        },
        live: [false, true],
    },
    Case {
        setting: "host_name",
        change: |config| Config { host_name: "another", ..config },
        check: |world, _| {
            let stranger = path_to(1701, ([198, 18, 0, 1], 1701).into());
            world.inject(stranger, &lac::control((0, 0), 0, 0, &lac::sccrq(77)));
            let (_, answer) = world.strays.last().expect("SCCRP");
            assert_eq!(lac::Seen::parse(answer).avp(7), Some(&b"another"[..]));
            let client = world.dial_up(Habits::default());
            let ppp = world.clients[client].ppp.as_ref().expect("it is up");
            assert_eq!(ppp.challenger, b"another");
        },
        live: BOTH,
    },
    Case {
        setting: "hub name",
        change: |config| {
            let config = hub(&config, |hub| hub.name = "HOME");
            ipsec(&config, |ipsec| ipsec.default_hub = "HOME")
        },
        check: |world, _| {
            world.dial_up(Habits::default());
            assert_eq!(newest_session(world), ["jiro", "HOME"]);
            let lost = world.dial(Habits { user: b"jiro@DEFAULT".to_vec(), ..Habits::default() });
            assert!(!world.run_until_up(lost, 20_000));
        },
        live: NONE,
    },
    Case {
        setting: "user name",
        change: |config| user(&config, |user| user.name = "taro"),
        check: |world, _| {
            let old = world.dial(Habits::default());
            assert!(!world.run_until_up(old, 20_000));
            world.dial_up(Habits { user: b"taro".to_vec(), ..Habits::default() });
        },
        live: NONE,
    },
    Case {
        setting: "nt_hash",
        change: |config| user(&config, |user| user.nt_hash = mschap::nt_hash("new")),
        check: |world, _| {
            let old = world.dial(Habits::default());
            assert!(!world.run_until_up(old, 20_000));
            world.dial_up(Habits { password: "new".into(), ..Habits::default() });
        },
        live: BOTH,
    },
    Case {
        setting: "max_sessions",
        change: |config| user(&config, |user| user.max_sessions = Some(2)),
        check: |world, _| {
            let third = world.dial(Habits::default());
            world.run_ms(20_000);
            assert!(!world.clients[third].is_up());
            let refusal = FailureCause::Refused(Refusal::TooManySessions);
            assert_eq!(failure(world), Some(refusal));
        },
        live: BOTH,
    },
    Case {
        setting: "bridges",
        change: |config| hub(&config, |hub| hub.bridges = 2),
        check: |world, [client, _]| {
            let station = world.add_station(BridgeId { hub: 0, bridge: 1 });
            let ip = world.stations[station].ip;
            assert!(world.pings(client, ip));
            let config = hub(&world.setup.config.clone(), |hub| hub.bridges = 0);
            world.configure(&config).expect("good");
            let before = world.drops(DropReason::UnknownPort);
            assert!(!world.pings(client, ip));
            let ask = world.stations[station].ask(ROUTER.octets());
            world.send_frame(BridgeId { hub: 0, bridge: 1 }, ask);
            world.run_ms(100);
            assert_eq!(world.drops(DropReason::UnknownPort), before + 1);
        },
        live: BOTH,
    },
    Case {
        setting: "secure_nat",
        change: |config| hub(&config, |hub| hub.secure_nat = None),
        check: |world, _| {
            let client = world.dial(Habits::default());
            assert!(!world.run_until_up(client, 60_000));
            assert_eq!(failure(world), Some(FailureCause::NoDhcpAnswer));
        },
        live: NONE,
    },
    Case {
        setting: "router mac",
        change: |config| router(&config, |it| it.mac = MacAddr([0x5e, 0, 0, 0, 0, 9])),
        check: |world, _| {
            let station = world.add_station(BridgeId { hub: 0, bridge: 0 });
            let ask = world.stations[station].ask(ROUTER.octets());
            world.send_frame(BridgeId { hub: 0, bridge: 0 }, ask);
            world.run_ms(100);
            let mac = world.stations[station].mac_of(ROUTER.octets());
            assert_eq!(mac, Some([0x5e, 0, 0, 0, 0, 9]));
            let client = world.dial_up(Habits::default());
            assert!(world.pings(client, ROUTER.octets()));
            // Who knew the old address asks anew when that is out of date.
            world.run_ms(200_000);
        },
        live: BOTH,
    },
    Case {
        setting: "router address",
        change: |config| router(&config, |it| it.address = Ipv4Addr::new(192, 168, 30, 2)),
        check: |world, _| {
            let client = world.dial_up(Habits::default());
            let assignment = newest_assignment(world);
            let new = Ipv4Addr::new(192, 168, 30, 2);
            assert_eq!((assignment.server, assignment.gateway), (new, Some(new)));
            assert!(world.pings(client, new.octets()) && !world.pings(client, ROUTER.octets()));
        },
        live: NONE,
    },
    Case {
        setting: "prefix_len",
        change: |config| router(&config, |it| it.prefix_len = 25),
        check: |world, _| {
            world.dial_up(Habits::default());
            assert_eq!(newest_assignment(world).prefix_len, 25);
        },
        live: BOTH,
    },
    Case {
        setting: "dhcp",
        change: |config| router(&config, |it| it.dhcp = false),
        check: |world, [client, _]| {
            assert!(world.pings(client, ROUTER.octets()));
            let client = world.dial(Habits::default());
            assert!(!world.run_until_up(client, 60_000));
            assert_eq!(failure(world), Some(FailureCause::NoDhcpAnswer));
        },
        live: BOTH,
    },
    Case {
        setting: "pool",
        change: |config| {
            let at = |last| Ipv4Addr::new(192, 168, 30, last);
            router(&config, |it| it.pool = (at(100), at(110)))
        },
        check: |world, _| {
            world.dial_up(Habits::default());
            assert_eq!(newest_assignment(world).address, Ipv4Addr::new(192, 168, 30, 100));
        },
        live: BOTH,
    },
    Case {
        setting: "lease",
        change: |config| router(&config, |it| it.lease = Duration::from_secs(1_000)),
        check: |world, _| {
            world.dial_up(Habits::default());
            let (address, now) = (newest_assignment(world).address, instant(world.now));
            let hub = world.server.hub_states.iter().flatten().next().expect("a hub").id;
            let lease = world.server.dhcp.leases(now, hub).find(|it| it.address == address);
            let left = lease.expect("it is leased").expires_at.since(now);
            assert!((990..=1_000).contains(&left.as_secs()), "{left:?}");
        },
        live: BOTH,
    },
    Case {
        setting: "dns",
        change: |config| router(&config, |it| it.dns = DNS),
        check: |world, _| {
            let client = world.dial_up(Habits::default());
            let ppp = world.clients[client].ppp.as_ref().expect("it is up");
            let dns = ppp.ipcp.wishes.iter().find(|wish| wish[0] == 129).expect("DNS");
            assert_eq!(dns[2..], [192, 168, 30, 53]);
        },
        live: BOTH,
    },
    Case {
        setting: "gateway",
        change: |config| router(&config, |it| it.gateway = false),
        check: |world, _| {
            world.dial_up(Habits::default());
            assert_eq!(newest_assignment(world).gateway, None);
        },
        live: BOTH,
    },
];

const BOTH: [bool; 2] = [true; 2];
const NONE: [bool; 2] = [false; 2];
const DNS: &[Ipv4Addr] = &[Ipv4Addr::new(192, 168, 30, 53)];
