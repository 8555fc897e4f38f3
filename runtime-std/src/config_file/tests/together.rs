//! What several settings say together: what is there twice, what is too many, what must fit.

use std::path::Path;

use kumihimo_core::config::{Config, HubConfig, IpsecConfig, SecureNatConfig, UserConfig};
use kumihimo_core::limits::Limits;

use super::super::{Settings, parse};
use super::draft::Draft;
use super::{GOOD, messages, settings};
use crate::machine::Core;

const IPSEC: &str = "[ipsec]\npsk = \"a key\"\ndefault-hub = \"h0\"\n";

/// Every field of the core's configuration is named here, so that a new one is not forgotten.
#[test]
fn the_core_gets_every_setting() {
    let text = GOOD
        .replace("psk = \"0x00ff\"", "psk = \"0x00ff\"\nl2tp = false\nl2tp-raw = true")
        .replace("nat = false", "dhcp = false");
    let shown = |config: &Config<'_>| {
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
        } = *ipsec;
        assert_eq!((l2tp, l2tp_raw, psk, default_hub), (false, true, &[0, 255][..], "DEFAULT"));
        assert_eq!(format!("{policy:?} {encapsulation:?}"), "Modern Auto");
        let spans = [ike_lifetime, esp_lifetime, dead_after].map(|span| span.as_secs());
        assert_eq!(spans, [5_400, 600, 180]);
        assert_eq!(*host_name, "kumihimo");
        let [first, second] = *hubs else { panic!("two hubs") };
        let HubConfig { name, secure_nat, users, bridges } = first;
        assert_eq!((*name, *bridges), ("DEFAULT", 1));
        let Some(SecureNatConfig { mac, address, prefix_len, dhcp, pool, lease, dns, gateway }) =
            secure_nat
        else {
            panic!("the first has SecureNAT")
        };
        assert_eq!((mac.0[0], *prefix_len, *dhcp, *gateway), (0x5e, 22, false, false));
        assert_eq!(address.to_string(), "10.1.2.1");
        assert_eq!(format!("{pool:?} {dns:?}"), "(10.1.2.10, 10.1.3.200) [10.1.2.1, 9.9.9.9]");
        assert_eq!(lease.as_secs(), 3_600);
        let users = users.iter().map(|UserConfig { name, nt_hash, max_sessions }| {
            format!("{name} {:02x} {max_sessions:?}", nt_hash[1])
        });
        assert_eq!(users.collect::<Vec<_>>()[1], "hanako 11 None");
        assert_eq!(first.users[0].max_sessions, Some(2));
        assert_eq!((second.name, second.bridges, second.users.len()), ("LAB", 0, 0));
        assert!(second.secure_nat.is_none());
    };
    settings(&text).with_core(shown);
}

/// Its clients know the router by its MAC address, so that it must outlive a start.
#[test]
fn the_router_of_each_hub_has_a_mac_address_that_stays() {
    let macs = |text: &str| {
        settings(text).with_core(|config| {
            let macs = config.hubs.iter().map(|hub| hub.secure_nat.as_ref().map(|nat| nat.mac));
            macs.collect::<Vec<_>>()
        })
    };
    let both = format!("{GOOD}[hub.secure-nat]\n");
    let first = macs(&both);
    assert!(first[0] != first[1] && first.iter().all(Option::is_some));
    assert_eq!(macs(&both), first);
    let renamed = both.replace("name = \"LAB\"", "name = \"lab\"");
    assert_eq!(macs(&renamed), first, "case does not matter to a name");
}

#[test]
fn without_ipsec_no_key_is_needed_and_nobody_knows_the_one_in_its_place() {
    let of = || {
        let draft = Draft::new().without("ipsec", "psk").with("ipsec", "l2tp", "false");
        draft.settings().ipsec.psk
    };
    let (one, two) = (of(), of());
    assert!(one.len() > 30 && one != two);
    // But one that is there has to be right.
    let draft = Draft::new().with("ipsec", "l2tp", "false").with("ipsec", "psk", "\"0x0\"");
    assert!(draft.message("ipsec", "psk").starts_with("is not hexadecimal"));
}

#[test]
fn a_key_has_at_most_256_octets() {
    let of = |len: usize| Draft::new().with("ipsec", "psk", &format!("\"{}\"", "k".repeat(len)));
    assert_eq!(of(256).settings().ipsec.psk.len(), 256);
    assert_eq!(of(257).message("ipsec", "psk"), "has 257 octets; write at most 256");
}

#[test]
fn another_subnet_needs_a_pool_of_its_own() {
    let at = |address: &str| Draft::new().with("hub.secure-nat", "address", address);
    assert_eq!(
        at("\"10.1.2.1/22\"").message("hub.secure-nat", "pool"),
        "is missing; write first-last, as in \"192.168.30.10-192.168.30.200\""
    );
    for (address, pool) in [
        ("\"10.1.2.1/22\"", "\"10.1.0.1-10.1.2.0\""),
        ("\"10.1.2.1/22\"", "\"10.1.2.2-10.1.3.254\""),
        ("\"10.0.0.1/30\"", "\"10.0.0.2-10.0.0.2\""),
        ("\"10.0.0.1/1\"", "\"10.0.0.2-127.255.255.254\""),
    ] {
        at(address).with("hub.secure-nat", "pool", pool).settings();
    }
    let refused = |address: &str, pool: &str, key: &str| {
        at(address).with("hub.secure-nat", "pool", pool).message("hub.secure-nat", key)
    };
    let all = "\"192.168.30.1-192.168.30.2\"";
    let own = "is the subnet's own or broadcast address; \
               write address/prefix, as in \"192.168.30.1/24\"";
    assert_eq!(refused("\"192.168.30.0/24\"", all, "address"), own);
    assert_eq!(refused("\"192.168.30.255/24\"", all, "address"), own);
    assert_eq!(
        refused("\"10.1.2.1/22\"", "\"10.1.1.1-10.1.2.1\"", "pool"),
        "holds 10.1.2.1, the router; leave it out"
    );
}

#[test]
fn names_and_devices_are_there_once() {
    let hub = |at: usize, name: &str, taps: &[&str]| {
        let mut text = format!("[[hub]]\nname = \"{name}\"\n");
        for tap in taps {
            text += &format!("[[hub.bridge]]\ntap = \"{tap}\"\n");
        }
        text + &format!("[[hub.user]]\nname = \"ÄU{at}\"\npassword = \"x\"\n")
    };
    let two = |name: &str, tap: &str| {
        format!("{IPSEC}{}{}", hub(0, "h0", &["a"]), hub(1, name, &["b", tap]))
    };
    settings(&two("h1", "c"));
    assert_eq!(
        messages(&two("h1", "a")),
        ["k.toml:16: hub.bridge.tap: \"a\" is the device of another bridge; \
          each bridge needs a device of its own"]
    );
    assert_eq!(
        messages(&two("h1", "b")),
        ["k.toml:16: hub.bridge.tap: \"b\" is the device of another bridge; \
          each bridge needs a device of its own"]
    );
    assert_eq!(
        messages(&two("H0", "c")),
        ["k.toml:12: hub.name: a hub \"H0\" exists; names differ in more than case; rename one"]
    );
    // One user of this name in each hub is fine, two in one are not.
    let user = "[[hub.user]]\nname = \"äu1\"\npassword = \"x\"\n";
    settings(&format!("{IPSEC}{}{user}", hub(0, "h0", &[])));
    assert_eq!(
        messages(&format!("{IPSEC}{}{user}", hub(1, "h0", &[]))),
        ["k.toml:10: hub.user.name: a user \"äu1\" exists; names differ in more than case; \
          rename one"]
    );
}

/// Hubs with so many users and bridges each.
fn many(hubs: usize, users: impl Fn(usize) -> usize, bridges: impl Fn(usize) -> usize) -> String {
    let mut text = IPSEC.to_owned();
    for hub in 0..hubs {
        text += &format!("[[hub]]\nname = \"h{hub}\"\n[hub.secure-nat]\n");
        for at in 0..bridges(hub) {
            text += &format!("[[hub.bridge]]\ntap = \"t{hub}-{at}\"\n");
        }
        for at in 0..users(hub) {
            text += &format!("[[hub.user]]\nname = \"u{at}\"\nnt-hash = \"{}\"\n", "00".repeat(16));
        }
    }
    text
}

/// What the reader lets pass must not be refused by the core, up to every limit.
#[test]
fn as_many_as_there_is_room_for_and_no_more() {
    let accepted = |text: &str| -> Settings {
        let settings = settings(text);
        let limits = Limits::server(settings.server.max_sessions);
        assert!(Core::new(&limits, &settings, [7; 32]).is_ok());
        settings
    };
    let small = "[server]\nmax-sessions = 1\n";
    accepted(&format!("{small}{}", many(64, |_| 1, |_| 1)));
    accepted(&format!("{small}{}", many(8, |_| 0, |_| 8)));
    let full = accepted(&format!("{small}{}", many(64, |at| 156 + usize::from(at < 16), |_| 0)));
    assert_eq!(full.hubs.iter().map(|hub| hub.users.len()).sum::<usize>(), 10_000);
    // All in one hub too, and without taking time that grows with the square.
    accepted(&format!("{small}{}", many(1, |_| 10_000, |_| 0)));

    let only = |text: String| {
        let found = messages(&text);
        let lines = text.lines().count();
        let at = |needle: &str| lines - text.lines().rev().position(|line| line == needle).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].clone(), at("[[hub]]"))
    };
    let (message, at) = only(many(65, |_| 0, |_| 0));
    assert_eq!(message, format!("k.toml:{}: hub.name: more than 64 hubs; remove some", at + 1));
    let (message, _) = only(many(2, |_| 0, |hub| if hub == 0 { 9 } else { 8 }));
    assert_eq!(message, "k.toml:7: hub.bridge: more than 8 bridges of one hub; remove some");
    let (message, _) = only(many(9, |_| 0, |hub| if hub < 8 { 8 } else { 1 }));
    assert!(message.ends_with(": hub.bridge: more than 64 bridges; remove some"), "{message}");
    let (message, _) = only(many(64, |at| 156 + usize::from(at < 17), |_| 0));
    assert!(message.ends_with(": hub.user: more than 10000 users; remove some"), "{message}");
}

#[test]
fn sections_may_be_missing() {
    let small = parse("k.toml", "[ipsec]\npsk = \"k\"\n[[hub]]\nname = \"x\"\n", Path::new(""));
    let found: Vec<_> = small.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        ["k.toml:1: ipsec.default-hub: there is no hub \"DEFAULT\"; write default-hub = \"x\""]
    );
    let settings = settings("[ipsec]\npsk = \"k\"\n[[hub]]\nname = \"default\"\n");
    assert_eq!((settings.server.max_sessions, settings.server.listen.len()), (1_000, 2));
    let hub = &settings.hubs[0];
    assert!(hub.secure_nat.is_none() && hub.bridges.is_empty() && hub.users.is_empty());
    assert_eq!(
        messages(""),
        [
            "k.toml: ipsec: is missing; add [ipsec] with psk = \"…\"",
            "k.toml: hub: is missing; add [[hub]] with name = \"DEFAULT\"",
        ]
    );
    assert_eq!(messages("[server]\n").len(), 2);
}

#[test]
fn long_and_strange_texts_are_cut_and_escaped_in_messages() {
    let of = |value: &str| Draft::new().with("ipsec", "policy", value).message("ipsec", "policy");
    let sixty = "é".repeat(60);
    assert!(of(&format!("\"{sixty}\"")).starts_with(&format!("\"{sixty}\" is not valid")));
    assert!(of(&format!("\"{sixty}é\"")).starts_with(&format!("\"{sixty}\"… is not valid")));
    assert!(of("\"a\\u001b[2J\\n\"").starts_with("\"a\\u{1b}[2J\\n\" is not valid"));
}
