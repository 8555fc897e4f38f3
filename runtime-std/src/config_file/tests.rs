//! Every message with its exact line.

mod draft;
mod keys;
mod rows;
mod together;

use std::path::Path;

use kumihimo_core::config::{EncapsulationPolicy, Policy};
use kumihimo_core::crypto::mschap;
use kumihimo_core::time::Duration;

use super::{Settings, load, parse, write_first};

const GOOD: &str = r#"[server]
listen = ["192.0.2.1", "2001:db8::1"]
state-dir = "state"
workers = 1
max-sessions = 50

[ipsec]
psk = "0x00ff"
default-hub = "default"
policy = "modern"
encapsulation = "auto"
etherip = false
ike-lifetime = "1h30m"
esp-lifetime = "10m"
dead-after = "3m"

[[hub]]
name = "DEFAULT"
[hub.secure-nat]
nat = false
address = "10.1.2.1/22"
pool = "10.1.2.10-10.1.3.200"
lease = "1h"
dns = ["10.1.2.1", "9.9.9.9"]
[[hub.bridge]]
tap = "vpn0"
[[hub.user]]
name = "jiro"
password = "pässword"
max-sessions = 2
[[hub.user]]
name = "hanako"
auth = "password"
nt-hash = "00112233445566778899AABBCCDDEEFF"

[[hub]]
name = "LAB"
"#;

fn settings(text: &str) -> Settings {
    parse("kumihimo.toml", text, Path::new("/etc/k")).unwrap()
}

/// The messages about `text`.
fn messages(text: &str) -> Vec<String> {
    let problems = parse("k.toml", text, Path::new("")).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

/// The one message about a good file in which one line is replaced.
fn message(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    let messages = messages(&GOOD.replacen(old, new, 1));
    assert_eq!(messages.len(), 1, "{messages:#?}");
    messages[0].clone()
}

#[test]
fn a_file_with_every_working_key_is_read() {
    let settings = settings(GOOD);
    assert_eq!(settings.server.listen.len(), 2);
    assert_eq!(settings.server.state_dir, Path::new("/etc/k/state"));
    assert_eq!(settings.server.max_sessions, 50);
    let ipsec = &settings.ipsec;
    assert!(ipsec.l2tp && !ipsec.l2tp_raw);
    assert_eq!(ipsec.psk.as_slice(), [0, 255]);
    assert_eq!(ipsec.default_hub, "DEFAULT");
    assert_eq!((ipsec.policy, ipsec.encapsulation), (Policy::Modern, EncapsulationPolicy::Auto));
    assert_eq!(ipsec.ike_lifetime, Duration::from_secs(5_400));
    assert_eq!(ipsec.esp_lifetime, Duration::from_secs(600));
    assert_eq!(ipsec.dead_after, Duration::from_secs(180));
    let hub = &settings.hubs[0];
    assert_eq!(hub.bridges, ["vpn0"]);
    assert_eq!(hub.users[0].nt_hash, mschap::nt_hash("pässword"));
    assert_eq!((hub.users[0].max_sessions, hub.users[1].max_sessions), (Some(2), None));
    assert_eq!(hub.users[1].nt_hash[..3], [0x00, 0x11, 0x22]);
    let secure_nat = hub.secure_nat.as_ref().unwrap();
    assert!(secure_nat.dhcp);
    assert_eq!((secure_nat.prefix_len, secure_nat.dns.len()), (22, 2));
    assert!(settings.hubs[1].secure_nat.is_none());
}

#[test]
fn the_core_gets_what_the_file_says() {
    settings(GOOD).with_core(|config| {
        assert_eq!(config.hubs.len(), 2);
        assert_eq!((config.hubs[0].name, config.hubs[0].bridges), ("DEFAULT", 1));
        assert_eq!(config.hubs[0].users[0].name, "jiro");
        assert_eq!(config.ipsec.psk, [0, 255]);
        let mac = config.hubs[0].secure_nat.as_ref().unwrap().mac;
        assert_eq!(mac.0[0], 0x5e);
    });
}

#[test]
fn secrets_are_not_printed() {
    let settings = settings(&GOOD.replace("0x00ff", "topsecretkey"));
    let printed = format!("{settings:?}");
    assert!(!printed.contains("topsecretkey") && !printed.contains("psk"), "{printed}");
    assert!(!printed.contains("nt_hash"), "{printed}");
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_one() {
    assert_eq!(
        message("policy = \"modern\"", "polcy = \"modern\""),
        "k.toml:10: ipsec.polcy: unknown key; did you mean \"policy\"?"
    );
    assert_eq!(
        message("[hub.secure-nat]", "[hub.securenat]").split("; ").next(),
        Some("k.toml:19: hub.securenat: unknown key")
    );
    assert_eq!(
        message("state-dir = \"state\"", "frobnicate = 1"),
        "k.toml:3: server.frobnicate: unknown key; \
         known here: listen, state-dir, workers, max-sessions"
    );
}

#[test]
fn what_is_not_built_is_refused() {
    assert_eq!(
        message("etherip = false", "etherip = true"),
        "k.toml:12: ipsec.etherip: true is not supported yet; write false or remove it"
    );
    assert_eq!(
        message("nat = false", "nat = true"),
        "k.toml:20: hub.secure-nat.nat: true is not supported yet; \
         write false; bridge the hub to a TAP and let Linux route"
    );
    assert_eq!(
        message("tap = \"vpn0\"", "device = \"eth1\""),
        "k.toml:26: hub.bridge.device: not supported yet; remove it"
    );
    assert_eq!(
        message("workers = 1", "workers = 4"),
        "k.toml:4: server.workers: more than one packet thread is not supported yet; write 0 or 1"
    );
    assert_eq!(
        message("auth = \"password\"", "auth = \"radius\""),
        "k.toml:33: hub.user.auth: \"radius\" is not supported yet; write \"password\""
    );
    let sections =
        "[admin]\npassword = \"x\"\n[[link]]\nname = \"hq\"\n[[ipsec.group]]\nid = \"a\"\n";
    let found = messages(&format!("{GOOD}{sections}"));
    assert_eq!(
        found,
        [
            "k.toml:39: admin.password: not supported yet; remove it",
            "k.toml:40: link: not supported yet; remove it",
            "k.toml:42: ipsec.group: not supported yet; remove it",
        ]
    );
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    assert_eq!(
        message("workers = 1", "workers = \"1\""),
        "k.toml:4: server.workers: is a string; write a whole number"
    );
    assert_eq!(
        message("max-sessions = 50", "max-sessions = 0"),
        "k.toml:5: server.max-sessions: 0 is out of range; use a number from 1 to 1000000"
    );
    assert_eq!(
        message("dead-after = \"3m\"", "dead-after = 180"),
        "k.toml:15: ipsec.dead-after: is an integer; write a text in quotes"
    );
    assert_eq!(
        message("dead-after = \"3m\"", "dead-after = \"180\""),
        "k.toml:15: ipsec.dead-after: \"180\" is not valid; \
         write a duration, as in \"90s\" or \"2h\""
    );
    assert_eq!(
        message("dead-after = \"3m\"", "dead-after = \"30s\""),
        "k.toml:15: ipsec.dead-after: 30 s is out of range; write \"120s\" to \"24h\""
    );
    assert_eq!(
        message("policy = \"modern\"", "policy = \"strong\""),
        "k.toml:10: ipsec.policy: \"strong\" is not valid; \
         use \"modern\" or \"compat\" or \"legacy\""
    );
    assert_eq!(
        message("\"192.0.2.1\"", "\"eth0\""),
        "k.toml:2: server.listen: \"eth0\" is not valid; write an address of this machine"
    );
    assert_eq!(
        message("etherip = false", "etherip = \"no\""),
        "k.toml:12: ipsec.etherip: is a string; write true or false"
    );
}

#[test]
fn names_subnets_and_pools_are_checked() {
    assert_eq!(
        message("name = \"jiro\"", "name = \"jiro@home\""),
        "k.toml:28: hub.user.name: '@' cannot be part of a name; \
         it would not survive user@hub and hub\\user: leave it out"
    );
    assert_eq!(
        message("name = \"hanako\"", "name = \"JIRO\""),
        "k.toml:32: hub.user.name: a user \"JIRO\" exists; \
         names differ in more than case; rename one"
    );
    assert_eq!(
        message("name = \"LAB\"", "name = \"Default\""),
        "k.toml:37: hub.name: a hub \"Default\" exists; names differ in more than case; rename one"
    );
    assert_eq!(
        message("default-hub = \"default\"", "default-hub = \"OFFICE\""),
        "k.toml:9: ipsec.default-hub: there is no hub \"OFFICE\"; write default-hub = \"DEFAULT\""
    );
    assert_eq!(
        message("10.1.2.1/22", "10.1.2.1"),
        "k.toml:21: hub.secure-nat.address: \"10.1.2.1\" is not valid; \
         write address/prefix, as in \"192.168.30.1/24\""
    );
    assert_eq!(
        message("10.1.3.200", "10.1.4.200"),
        "k.toml:22: hub.secure-nat.pool: leaves the subnet of address; \
         stay between 10.1.0.0 and 10.1.3.255"
    );
    assert_eq!(
        message("10.1.2.1/22", "10.1.2.20/22"),
        "k.toml:22: hub.secure-nat.pool: holds 10.1.2.20, the router; leave it out"
    );
    assert_eq!(
        message("tap = \"vpn0\"", "tap = \"a name that is too long\""),
        "k.toml:26: hub.bridge.tap: \"a name that is too long\" is not the name of a device; \
         write 1 to 15 letters and digits, as in \"vpn0\""
    );
}

#[test]
fn keys_and_passwords_are_checked_and_not_repeated() {
    assert_eq!(
        message("psk = \"0x00ff\"", ""),
        "k.toml:7: ipsec.psk: is missing; add psk = \"…\", the key that clients share"
    );
    assert_eq!(
        message("0x00ff", "0xsecret"),
        "k.toml:8: ipsec.psk: is not hexadecimal after 0x; write pairs of digits"
    );
    assert_eq!(
        message("psk = \"0x00ff\"", "psk = \"\""),
        "k.toml:8: ipsec.psk: is empty; write a key of 16 characters or more"
    );
    assert_eq!(
        message("max-sessions = 2\n", "nt-hash = \"00\"\n"),
        "k.toml:29: hub.user.password: stands beside nt-hash; remove one of them"
    );
    assert_eq!(
        message("password = \"pässword\"", ""),
        "k.toml:27: hub.user.password: is missing; add password = \"…\" or nt-hash = \"…\""
    );
    assert_eq!(
        message("00112233445566778899AABBCCDDEEFF", "0011"),
        "k.toml:34: hub.user.nt-hash: is not valid; write 32 hexadecimal digits"
    );
}

#[test]
fn what_is_not_toml_names_its_line() {
    let found = messages("[server]\nlisten = [\"::\"\n[ipsec]\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("k.toml:") && found[0].ends_with("this is not valid TOML"));
    assert!(!found[0].contains('\n'));
    let found = messages("[ipsec]\npsk = \"a\"\npsk = \"b\"\n");
    assert!(found[0].starts_with("k.toml:3: "), "{found:?}");
}

#[test]
fn all_problems_are_found_in_the_order_of_lines() {
    assert_eq!(messages("").len(), 2);
    let found = messages("[[hub]]\nname = \"\"\n[ipsec]\npsk = 7\n[server]\nlisten = []\n");
    assert_eq!(
        found,
        [
            "k.toml:2: hub.name: is empty or has blanks around it; write a name",
            "k.toml:4: ipsec.psk: is an integer; write a text in quotes",
            "k.toml:6: server.listen: is empty; write [\"0.0.0.0\", \"::\"]",
        ]
    );
}

#[test]
fn hubs_may_be_written_inline() {
    let text =
        "ipsec = { psk = \"abc\" }\nhub = [{ name = \"DEFAULT\", user = [{ nam = \"x\" }] }]\n";
    assert!(messages(text)[0].starts_with("k.toml:2: hub.user.nam: unknown key"));
}

#[test]
fn the_first_run_writes_what_can_be_read_back_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = std::env::temp_dir().join(format!("kumihimo-first-run-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("kumihimo.toml");
    let secrets = write_first(&file).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(secrets.password.as_str()), "only the hash is kept");
    let settings = load(&file).unwrap();
    assert_eq!(settings.ipsec.psk.as_slice(), secrets.psk.as_bytes());
    let user = &settings.hubs[0].users[0];
    assert_eq!((user.name.as_str(), user.nt_hash), ("user", mschap::nt_hash(&secrets.password)));
    assert_eq!(secrets.psk.len(), 24);
    assert!(crate::weak::warnings(&settings).is_empty());
    assert!(write_first(&file).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load(Path::new("/nowhere/k.toml")).unwrap_err();
    let message = problems[0].to_string();
    assert!(message.starts_with("/nowhere/k.toml: cannot be read: No such file"), "{message}");
}
