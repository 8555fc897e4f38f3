//! What is opened at the start and at each reload, and what is said where that fails.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;
use crate::config_file::parse;

/// A machine that opens what it is asked to, and remembers it.
#[derive(Default)]
struct Machine {
    /// What was opened since the last look.
    opened: Vec<String>,
    /// What cannot be opened, and why.
    refused: Vec<(String, i32)>,
    /// The other ends of all that was opened.
    ends: Vec<UnixStream>,
}

impl Machine {
    fn open(&mut self, settings: &Settings, open: &Open) -> Result<Opened, String> {
        let this = std::cell::RefCell::new(self);
        let socket = |outer, address| {
            this.borrow_mut().give(&name_of(Service { outer, address })).map(OwnedFd::from)
        };
        let tap = |name: &str| {
            this.borrow_mut().give(name).map(|fd| Device::over(File::from(OwnedFd::from(fd))))
        };
        open_by(settings, open, socket, tap)
    }

    fn give(&mut self, name: &str) -> io::Result<UnixStream> {
        if let Some((_, why)) = self.refused.iter().find(|(refused, _)| refused == name) {
            return Err(io::Error::from_raw_os_error(*why));
        }
        self.opened.push(name.to_owned());
        let (ours, end) = UnixStream::pair()?;
        self.ends.push(end);
        Ok(ours)
    }

    /// What was opened since the last look.
    fn news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.opened)
    }
}

fn settings(server: &str, ipsec: &str, hubs: &str) -> Settings {
    let text = format!(
        "[server]\n{server}\n[ipsec]\npsk = \"a key\"\ndefault-hub = \"A\"\n{ipsec}\n{hubs}"
    );
    parse("k.toml", &text, Path::new("")).unwrap()
}

/// L2TP without IPsec on these addresses.
fn raw_on(listen: &str) -> Settings {
    settings(&format!("listen = {listen}"), "l2tp = false\nl2tp-raw = true", HUB)
}

/// Hubs of these names, each with these TAP devices.
fn hubs(hubs: &[(&str, &[&str])]) -> Settings {
    let mut text = String::new();
    for (name, taps) in hubs {
        text += &format!("[[hub]]\nname = \"{name}\"\n");
        for tap in *taps {
            text += &format!("[[hub.bridge]]\ntap = \"{tap}\"\n");
        }
    }
    settings("", "l2tp = false", &text)
}

fn names(services: &[Service]) -> Vec<String> {
    services.iter().map(|&service| name_of(service)).collect()
}

#[test]
fn each_switch_has_its_sockets() {
    let of = |ipsec: &str, listen: &str| {
        let settings = settings(&format!("listen = [\"{listen}\"]"), ipsec, HUB);
        let wanted = services(&settings).into_iter();
        let names = wanted.map(|it| {
            let optional = if it.optional { "?" } else { "" };
            format!("{}{optional}", name_of(it.service))
        });
        names.collect::<Vec<_>>().join(" ")
    };
    let auto = "encapsulation = \"auto\"";
    let both = "l2tp-raw = true";
    let raw = "l2tp = false\nl2tp-raw = true";
    for (ipsec, listen, wanted) in [
        ("", "192.0.2.1", "UDP 192.0.2.1:500 UDP 192.0.2.1:4500"),
        ("", "0.0.0.0", "UDP 0.0.0.0:500 UDP 0.0.0.0:4500"),
        (auto, "192.0.2.1", "UDP 192.0.2.1:500 UDP 192.0.2.1:4500 ESP 192.0.2.1"),
        (both, "192.0.2.1", "UDP 192.0.2.1:500 UDP 192.0.2.1:4500 UDP 192.0.2.1:1701"),
        (raw, "192.0.2.1", "UDP 192.0.2.1:1701"),
        ("l2tp = false", "192.0.2.1", ""),
        ("l2tp = false\nencapsulation = \"auto\"", "::1", ""),
        ("", "2001:db8::1", "UDP [2001:db8::1]:500 UDP [2001:db8::1]:4500 ESP [2001:db8::1]?"),
        ("", "::", "UDP [::]:500? UDP [::]:4500? ESP [::]?"),
        (auto, "::", "UDP [::]:500? UDP [::]:4500? ESP [::]"),
        (raw, "::", "UDP [::]:1701?"),
    ] {
        assert_eq!(of(ipsec, listen), wanted, "{ipsec} {listen}");
    }
}

/// What a start opens is not opened again, what a reload adds is, and the next reload knows.
#[test]
fn a_reload_opens_what_is_new_and_the_next_one_does_not_open_it_again() {
    let mut machine = Machine::default();
    let mut open = Open::default();
    let all = ["UDP 192.0.2.1:1701", "UDP 192.0.2.2:1701", "UDP [::1]:1701"];
    let rounds: [(&str, &[&str], &[&str]); 8] = [
        (r#"["192.0.2.1"]"#, &all[..1], &all[..1]),
        (r#"["192.0.2.1"]"#, &[], &all[..1]),
        (r#"["192.0.2.1", "192.0.2.2"]"#, &all[1..2], &all[..2]),
        (r#"["192.0.2.1", "192.0.2.2"]"#, &[], &all[..2]),
        (r#"["192.0.2.1", "192.0.2.2", "::1"]"#, &all[2..], &all),
        (r#"["192.0.2.2", "::1"]"#, &[], &all[1..]),
        (r#"["192.0.2.1", "192.0.2.2", "::1"]"#, &all[..1], &all),
        (r#"["192.0.2.1", "192.0.2.2", "::1"]"#, &[], &all),
    ];
    for (listen, opens, serves) in rounds {
        let opened = machine.open(&raw_on(listen), &open).unwrap();
        assert_eq!(machine.news(), opens, "{listen}");
        let change = &opened.change;
        let new: Vec<_> = change.opened.iter().map(|socket| socket.service).collect();
        assert_eq!((names(&new), names(&change.services)), (owned(opens), owned(serves)));
        assert!(opened.warnings.is_empty());
        open = opened.open;
        assert_eq!(names(&open.services), serves);
    }
}

#[test]
fn a_reload_that_flips_a_switch_opens_and_closes_its_sockets() {
    let mut machine = Machine::default();
    let mut open = Open::default();
    let rounds: [(&str, &[&str], usize); 6] = [
        ("", &["UDP 192.0.2.1:500", "UDP 192.0.2.1:4500"], 2),
        ("l2tp-raw = true", &["UDP 192.0.2.1:1701"], 3),
        ("l2tp-raw = true\nencapsulation = \"auto\"", &["ESP 192.0.2.1"], 4),
        ("encapsulation = \"auto\"", &[], 3),
        ("l2tp-raw = true\nencapsulation = \"udp\"", &["UDP 192.0.2.1:1701"], 3),
        ("l2tp-raw = true\nl2tp = false", &[], 1),
    ];
    for (ipsec, opens, count) in rounds {
        let settings = settings("listen = [\"192.0.2.1\"]", ipsec, HUB);
        let opened = machine.open(&settings, &open).unwrap();
        assert_eq!((machine.news(), opened.change.services.len()), (owned(opens), count));
        open = opened.open;
    }
}

#[test]
fn a_reload_makes_new_devices_and_keeps_those_whose_hub_moved() {
    let mut machine = Machine::default();
    let mut open = Open::default();
    /// Numbers of hub and bridge, and the device.
    type Bridge = (u16, u16, &'static str);
    let rounds: [(Settings, &[&str], &[Bridge]); 6] = [
        (hubs(&[("A", &["vpn0"])]), &["vpn0"], &[(0, 0, "vpn0")]),
        (hubs(&[("A", &["vpn0", "vpn1"])]), &["vpn1"], &[(0, 0, "vpn0"), (0, 1, "vpn1")]),
        (hubs(&[("A", &["vpn0", "vpn1"])]), &[], &[(0, 0, "vpn0"), (0, 1, "vpn1")]),
        (hubs(&[("B", &["vpn2"]), ("A", &["vpn1"])]), &["vpn2"], &[(0, 0, "vpn2"), (1, 0, "vpn1")]),
        (hubs(&[("A", &[])]), &[], &[]),
        (hubs(&[("A", &["vpn1"])]), &["vpn1"], &[(0, 0, "vpn1")]),
    ];
    for (settings, makes, has) in rounds {
        let opened = machine.open(&settings, &open).unwrap();
        assert_eq!(machine.news(), makes);
        let new: Vec<_> = opened.change.taps.iter().map(|tap| tap.name.clone()).collect();
        assert_eq!(new, makes);
        let bridges = opened.change.bridges.iter();
        let bridges: Vec<_> =
            bridges.map(|(id, name)| (id.hub, id.bridge, name.as_str())).collect();
        assert_eq!(bridges, has);
        for tap in &opened.change.taps {
            assert!(opened.change.bridges.contains(&(tap.bridge, tap.name.clone())));
        }
        open = opened.open;
        assert_eq!(open.taps, has.iter().map(|(_, _, name)| *name).collect::<Vec<_>>());
    }
}

#[test]
fn an_error_leaves_nothing_open() {
    let mut machine = Machine::default();
    let open = machine.open(&raw_on(r#"["192.0.2.1"]"#), &Open::default()).unwrap().open;
    machine.news();
    machine.ends.clear();
    machine.refused = vec![("UDP 192.0.2.3:1701".to_owned(), libc::EADDRNOTAVAIL)];
    let three = raw_on(r#"["192.0.2.2", "192.0.2.3", "192.0.2.4"]"#);
    assert_eq!(
        machine.open(&three, &open).unwrap_err(),
        "UDP 192.0.2.3:1701: this machine has no address 192.0.2.3; correct server.listen"
    );
    assert_eq!(machine.news(), ["UDP 192.0.2.2:1701"], "the rest is not tried");
    let read = (&machine.ends[0]).read(&mut [0]).unwrap();
    assert_eq!(read, 0, "what was opened before the error is closed");
    machine.refused.clear();
    let opened = machine.open(&three, &open).unwrap();
    assert_eq!((machine.news().len(), opened.change.services.len()), (3, 3), "as if never tried");
}

#[test]
fn a_machine_without_ipv6_serves_ipv4_and_says_so_at_every_reload() {
    let mut machine = Machine::default();
    let mut open = Open::default();
    let both = settings("", "l2tp-raw = true", HUB);
    let ipv6 = ["UDP [::]:500", "UDP [::]:4500", "UDP [::]:1701", "ESP [::]"];
    machine.refused = ipv6.map(|name| (name.to_owned(), libc::EAFNOSUPPORT)).into();
    for opens in [3, 0] {
        let opened = machine.open(&both, &open).unwrap();
        assert_eq!(opened.warnings, [NO_IPV6, NO_RAW]);
        assert_eq!((machine.news().len(), opened.change.services.len()), (opens, 3));
        open = opened.open;
    }
    // Once it has IPv6, a reload is enough.
    machine.refused.clear();
    let opened = machine.open(&both, &open).unwrap();
    assert_eq!((machine.news(), opened.change.services.len()), (owned(&ipv6), 7));
    // Of an address that is named, nothing is optional but raw ESP without privilege.
    let named = settings("listen = [\"::1\"]", "", HUB);
    machine.refused = vec![("ESP [::1]".to_owned(), libc::EPERM)];
    assert_eq!(machine.open(&named, &Open::default()).unwrap().warnings, [NO_RAW]);
    machine.refused = vec![("UDP [::1]:500".to_owned(), libc::EAFNOSUPPORT)];
    assert_eq!(
        machine.open(&named, &Open::default()).unwrap_err(),
        "UDP [::1]:500: this machine has no IPv6; take it out of server.listen"
    );
    // A port that somebody holds is not missing.
    machine.refused = vec![("UDP [::]:1701".to_owned(), libc::EADDRINUSE)];
    assert!(machine.open(&both, &Open::default()).is_err());
    // With encapsulation = "auto" raw ESP is not optional.
    machine.refused = vec![("ESP 0.0.0.0".to_owned(), libc::EPERM)];
    let auto = settings("", "encapsulation = \"auto\"", HUB);
    let why = machine.open(&auto, &Open::default()).unwrap_err();
    assert!(why.starts_with("ESP 0.0.0.0: no privilege; run as root, or give it CAP_NET_RAW: "));
}

/// A port of all addresses and that of one are open one after the other only.
#[test]
fn a_port_that_the_server_itself_holds_is_not_blamed_on_a_process() {
    let mut machine = Machine::default();
    for (before, after, wanted, held) in [
        (r#"["0.0.0.0"]"#, r#"["192.0.2.1"]"#, "UDP 192.0.2.1:1701", "UDP 0.0.0.0:1701"),
        (r#"["192.0.2.1"]"#, r#"["0.0.0.0"]"#, "UDP 0.0.0.0:1701", "UDP 192.0.2.1:1701"),
        (r#"["::"]"#, r#"["::1"]"#, "UDP [::1]:1701", "UDP [::]:1701"),
    ] {
        let open = machine.open(&raw_on(before), &Open::default()).unwrap().open;
        machine.refused = vec![(wanted.to_owned(), libc::EADDRINUSE)];
        assert_eq!(
            machine.open(&raw_on(after), &open).unwrap_err(),
            format!(
                "{wanted} shares its port with {held}, which is open; restart the server for this"
            )
        );
        machine.refused = vec![(wanted.to_owned(), libc::EMFILE)];
        let why = machine.open(&raw_on(after), &open).unwrap_err();
        assert!(why.starts_with(&format!("{wanted}: Too many open files")), "{why}");
        machine.refused.clear();
    }
    // Another family, another address and another port have nothing to do with it.
    let service = |address: &str, outer| Service { outer, address: address.parse().unwrap() };
    let open = service("0.0.0.0:1701", Outer::Udp);
    assert!(shares_port(&open, service("192.0.2.1:1701", Outer::Udp)));
    assert!(!shares_port(&open, service("192.0.2.1:500", Outer::Udp)));
    assert!(!shares_port(&open, service("[::1]:1701", Outer::Udp)));
    assert!(!shares_port(&open, service("192.0.2.1:1701", Outer::Esp)));
    let one = service("192.0.2.1:1701", Outer::Udp);
    assert!(!shares_port(&one, service("192.0.2.2:1701", Outer::Udp)));
}

#[test]
fn each_error_of_a_socket_has_its_remedy() {
    let udp = Service { outer: Outer::Udp, address: "192.0.2.1:500".parse().unwrap() };
    let esp = Service { outer: Outer::Esp, address: "[2001:db8::1]:0".parse().unwrap() };
    let told = |service, error| why(service, &io::Error::from_raw_os_error(error));
    for denied in [libc::EACCES, libc::EPERM] {
        let line = told(udp, denied);
        let start = "UDP 192.0.2.1:500: no privilege; run as root, or give it \
                     CAP_NET_BIND_SERVICE: setcap cap_net_bind_service+ep /";
        assert!(line.starts_with(start), "{line}");
        let line = told(esp, denied);
        let start = "ESP [2001:db8::1]: no privilege; run as root, or give it CAP_NET_RAW: \
                     setcap cap_net_bind_service,cap_net_raw,cap_net_admin+ep /";
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(
        told(esp, libc::EADDRNOTAVAIL),
        "ESP [2001:db8::1]: this machine has no address 2001:db8::1; correct server.listen"
    );
    let line = told(udp, libc::EMFILE);
    assert!(line.starts_with("UDP 192.0.2.1:500: Too many"), "{line}");
    assert!(line.ends_with("; check server.listen"), "{line}");
    // Raw sockets are never in each other's way, so nobody is found.
    assert_eq!(
        told(esp, libc::EADDRINUSE),
        "ESP [2001:db8::1] is taken by a process that cannot be seen from here; as root, \
         run kumihimo check"
    );
}

#[test]
fn each_error_of_a_device_has_its_remedy() {
    let mut machine = Machine::default();
    let settings = hubs(&[("A", &["vpn0"])]);
    let mut why = |error| {
        machine.refused = vec![("vpn0".to_owned(), error)];
        let line = machine.open(&settings, &Open::default()).unwrap_err();
        line.strip_prefix("TAP device vpn0: ").unwrap().to_owned()
    };
    for denied in [libc::EPERM, libc::EACCES] {
        assert!(why(denied).starts_with("no privilege; run as root, or give it CAP_NET_ADMIN: "));
    }
    assert!(why(libc::EBUSY).starts_with("another process uses it; "));
    assert!(why(libc::EINVAL).starts_with("another kind of device has this name; "));
    for lacking in [libc::ENOENT, libc::ENODEV, libc::ENXIO] {
        assert_eq!(why(lacking), "the kernel has no TUN/TAP driver; modprobe tun");
    }
    assert!(why(libc::EMFILE).starts_with("Too many"));
}

#[test]
fn check_tells_an_optional_socket_from_one_that_is_needed() {
    let settings = settings("listen = [\"::\", \"192.0.2.1\"]", "", HUB);
    let wanted = services(&settings);
    let finding = |name: &str, error| {
        let it = wanted.iter().find(|it| name_of(it.service) == name).unwrap();
        it.finding(&io::Error::from_raw_os_error(error))
    };
    assert_eq!(finding("UDP [::]:500", libc::EAFNOSUPPORT), NO_IPV6);
    assert_eq!(finding("ESP [::]", libc::EPERM), NO_RAW);
    assert!(finding("ESP [::]", libc::EMFILE).starts_with("ESP [::]: Too many"));
    assert!(finding("UDP 192.0.2.1:500", libc::EADDRNOTAVAIL).contains("no address 192.0.2.1"));
    for (error, is_missing) in [
        (libc::EAFNOSUPPORT, true),
        (libc::EADDRNOTAVAIL, true),
        (libc::EPERM, true),
        (libc::EPROTONOSUPPORT, true),
        (libc::EADDRINUSE, false),
        (libc::EACCES, false),
    ] {
        assert_eq!(missing(&io::Error::from_raw_os_error(error)), is_missing, "{error}");
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const HUB: &str = "[[hub]]\nname = \"A\"\n";
