//! The table of keys that are read: what each value becomes, and what is refused.

use super::super::{SecureNatSettings, Settings, UserSettings};

/// A key that is read.
pub(super) struct Row {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    /// What has to be written, as it stands in the answer to another kind of value.
    pub(super) kind: &'static str,
    /// Where the value goes.
    pub(super) shows: fn(&Settings) -> String,
    /// What holds where the key is missing, or what is wrong then and what to do.
    pub(super) default: Result<&'static str, (&'static str, &'static str)>,
    /// Values and what they become.
    pub(super) takes: &'static [(&'static str, &'static str)],
    /// Values, what is wrong with them, and what to do.
    pub(super) refuses: &'static [(&'static str, &'static str, &'static str)],
}

const TEXT: &str = "a text in quotes";
const FLAG: &str = "true or false";
const NUMBER: &str = "a whole number";
const LIST: &str = "a list of texts, as in [\"…\"]";

const SPAN: &str = "write a duration, as in \"90s\" or \"2h\"";
const LIFETIME: &str = "write \"30s\" to \"168h\"";
const HUBS: &str = "write default-hub = \"DEFAULT\"";
const SPELLING: &str = "it would not survive user@hub and hub\\user: leave it out";
const DEVICE: &str = "write 1 to 15 letters and digits, as in \"vpn0\"";
const SUBNET: &str = "write address/prefix, as in \"192.168.30.1/24\"";
const POOL: &str = "write first-last, as in \"192.168.30.10-192.168.30.200\"";
const WITHIN: &str = "stay between 192.168.30.0 and 192.168.30.255";
const DIGITS: &str = "write 32 hexadecimal digits";
const NAME_64: &str = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"";
const NAME_65: &str = "\"ñaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"";

fn nat(settings: &Settings) -> &SecureNatSettings {
    settings.hubs[0].secure_nat.as_ref().unwrap()
}

fn user(settings: &Settings) -> &UserSettings {
    &settings.hubs[0].users[0]
}

pub(super) const ROWS: &[Row] = &[
    Row {
        section: "server",
        key: "listen",
        kind: LIST,
        shows: |s| format!("{:?}", s.server.listen),
        default: Ok("[0.0.0.0, ::]"),
        takes: &[
            ("[\"192.0.2.1\", \"2001:db8::1\"]", "[192.0.2.1, 2001:db8::1]"),
            ("[\"::1\"]", "[::1]"),
        ],
        refuses: &[
            ("[]", "is empty", "write [\"0.0.0.0\", \"::\"]"),
            ("[\"::1\", \"eth0\"]", "\"eth0\" is not valid", "write an address of this machine"),
            ("[\"::1\", 7]", "\"integer\" is not valid", "write an address of this machine"),
            ("[\"::1\", \"::\", \"0::1\"]", "::1 is there twice", "remove one"),
        ],
    },
    Row {
        section: "server",
        key: "state-dir",
        kind: TEXT,
        shows: |s| s.server.state_dir.display().to_string(),
        default: Ok("/etc/k/state"),
        takes: &[("\"var/x\"", "/etc/k/var/x"), ("\"/var/lib/k\"", "/var/lib/k")],
        refuses: &[],
    },
    Row {
        section: "server",
        key: "workers",
        kind: NUMBER,
        shows: |_| String::new(),
        default: Ok(""),
        takes: &[("0", ""), ("1", "")],
        refuses: &[
            ("2", "more than one packet thread is not supported yet", "write 0 or 1"),
            ("1024", "more than one packet thread is not supported yet", "write 0 or 1"),
            ("1025", "1025 is out of range", "use a number from 0 to 1024"),
            ("-1", "-1 is out of range", "use a number from 0 to 1024"),
        ],
    },
    Row {
        section: "server",
        key: "max-sessions",
        kind: NUMBER,
        shows: |s| s.server.max_sessions.to_string(),
        default: Ok("1000"),
        takes: &[("1", "1"), ("50", "50"), ("1_000_000", "1000000")],
        refuses: &[
            ("0", "0 is out of range", "use a number from 1 to 1000000"),
            ("1000001", "1000001 is out of range", "use a number from 1 to 1000000"),
            ("-5", "-5 is out of range", "use a number from 1 to 1000000"),
            ("4294967297", "4294967297 is out of range", "use a number from 1 to 1000000"),
        ],
    },
    Row {
        section: "ipsec",
        key: "l2tp",
        kind: FLAG,
        shows: |s| s.ipsec.l2tp.to_string(),
        default: Ok("true"),
        takes: &[("true", "true"), ("false", "false")],
        refuses: &[],
    },
    Row {
        section: "ipsec",
        key: "l2tp-raw",
        kind: FLAG,
        shows: |s| s.ipsec.l2tp_raw.to_string(),
        default: Ok("false"),
        takes: &[("true", "true"), ("false", "false")],
        refuses: &[],
    },
    Row {
        section: "ipsec",
        key: "etherip",
        kind: FLAG,
        shows: |_| String::new(),
        default: Ok(""),
        takes: &[("false", "")],
        refuses: &[("true", "true is not supported yet", "write false or remove it")],
    },
    Row {
        section: "ipsec",
        key: "aggressive",
        kind: FLAG,
        shows: |_| String::new(),
        default: Ok(""),
        takes: &[("false", "")],
        refuses: &[("true", "true is not supported yet", "write false or remove it")],
    },
    Row {
        section: "ipsec",
        key: "psk",
        kind: TEXT,
        shows: |s| format!("{:02x?}", s.ipsec.psk.as_slice()),
        default: Err(("is missing", "add psk = \"…\", the key that clients share")),
        takes: &[("\"é0x\"", "[c3, a9, 30, 78]"), ("\"0x00fF\"", "[00, ff]"), ("\" \"", "[20]")],
        refuses: &[
            ("\"\"", "is empty", "write a key of 16 characters or more"),
            ("\"0x\"", "is not hexadecimal after 0x", "write pairs of digits"),
            ("\"0xsecret\"", "is not hexadecimal after 0x", "write pairs of digits"),
        ],
    },
    Row {
        section: "ipsec",
        key: "default-hub",
        kind: TEXT,
        shows: |s| s.ipsec.default_hub.clone(),
        default: Ok("DEFAULT"),
        takes: &[("\"DEFAULT\"", "DEFAULT"), ("\"defAULT\"", "DEFAULT")],
        refuses: &[
            ("\"OFFICE\"", "there is no hub \"OFFICE\"", HUBS),
            ("\"\"", "there is no hub \"\"", HUBS),
        ],
    },
    Row {
        section: "ipsec",
        key: "policy",
        kind: TEXT,
        shows: |s| format!("{:?}", s.ipsec.policy),
        default: Ok("Compat"),
        takes: &[("\"modern\"", "Modern"), ("\"compat\"", "Compat"), ("\"legacy\"", "Legacy")],
        refuses: &[(
            "\"Modern\"",
            "\"Modern\" is not valid",
            "use \"modern\" or \"compat\" or \"legacy\"",
        )],
    },
    Row {
        section: "ipsec",
        key: "encapsulation",
        kind: TEXT,
        shows: |s| format!("{:?}", s.ipsec.encapsulation),
        default: Ok("Udp"),
        takes: &[("\"udp\"", "Udp"), ("\"auto\"", "Auto")],
        refuses: &[("\"esp\"", "\"esp\" is not valid", "use \"udp\" or \"auto\"")],
    },
    Row {
        section: "ipsec",
        key: "ike-lifetime",
        kind: TEXT,
        shows: |s| s.ipsec.ike_lifetime.as_secs().to_string(),
        default: Ok("28800"),
        takes: &[("\"30s\"", "30"), ("\"1h30m\"", "5400"), ("\"168h\"", "604800")],
        refuses: &[
            ("\"29s\"", "29 s is out of range", LIFETIME),
            ("\"604801s\"", "604801 s is out of range", LIFETIME),
            ("\"\"", "\"\" is not valid", SPAN),
        ],
    },
    Row {
        section: "ipsec",
        key: "esp-lifetime",
        kind: TEXT,
        shows: |s| s.ipsec.esp_lifetime.as_secs().to_string(),
        default: Ok("3600"),
        takes: &[("\"30s\"", "30"), ("\"10m\"", "600"), ("\"7d\"", "604800")],
        refuses: &[
            ("\"29s\"", "29 s is out of range", LIFETIME),
            ("\"168h1s\"", "604801 s is out of range", LIFETIME),
            ("\"1w\"", "\"1w\" is not valid", SPAN),
        ],
    },
    Row {
        section: "ipsec",
        key: "dead-after",
        kind: TEXT,
        shows: |s| s.ipsec.dead_after.as_secs().to_string(),
        default: Ok("120"),
        takes: &[("\"120s\"", "120"), ("\"3m\"", "180"), ("\"1d\"", "86400")],
        refuses: &[
            ("\"119s\"", "119 s is out of range", "write \"120s\" to \"24h\""),
            ("\"86401s\"", "86401 s is out of range", "write \"120s\" to \"24h\""),
            ("\"180\"", "\"180\" is not valid", SPAN),
        ],
    },
    Row {
        section: "hub",
        key: "name",
        kind: TEXT,
        shows: |s| format!("{} {}", s.hubs[0].name, s.ipsec.default_hub),
        default: Err(("is missing", "give the hub a name")),
        takes: &[("\"default\"", "default default"), ("\"Default\"", "Default Default")],
        refuses: &[("\"\"", "is empty or has blanks around it", "write a name")],
    },
    Row {
        section: "hub.secure-nat",
        key: "nat",
        kind: FLAG,
        shows: |_| String::new(),
        default: Ok(""),
        takes: &[("false", "")],
        refuses: &[(
            "true",
            "true is not supported yet",
            "write false; bridge the hub to a TAP and let Linux route",
        )],
    },
    Row {
        section: "hub.secure-nat",
        key: "dhcp",
        kind: FLAG,
        shows: |s| nat(s).dhcp.to_string(),
        default: Ok("true"),
        takes: &[("true", "true"), ("false", "false")],
        refuses: &[],
    },
    Row {
        section: "hub.secure-nat",
        key: "address",
        kind: TEXT,
        shows: |s| format!("{}/{}", nat(s).address, nat(s).prefix_len),
        default: Ok("192.168.30.1/24"),
        takes: &[("\"192.168.30.1/24\"", "192.168.30.1/24")],
        refuses: &[
            ("\"192.168.30.1\"", "\"192.168.30.1\" is not valid", SUBNET),
            ("\"192.168.30.1/0\"", "\"192.168.30.1/0\" is not valid", SUBNET),
            ("\"192.168.30.1/31\"", "\"192.168.30.1/31\" is not valid", SUBNET),
            ("\"::1/64\"", "\"::1/64\" is not valid", SUBNET),
        ],
    },
    Row {
        section: "hub.secure-nat",
        key: "pool",
        kind: TEXT,
        shows: |s| format!("{:?}", nat(s).pool),
        default: Ok("(192.168.30.10, 192.168.30.200)"),
        takes: &[
            ("\"192.168.30.2-192.168.30.254\"", "(192.168.30.2, 192.168.30.254)"),
            ("\"192.168.30.9 - 192.168.30.9\"", "(192.168.30.9, 192.168.30.9)"),
        ],
        refuses: &[
            ("\"192.168.30.9\"", "\"192.168.30.9\" is not valid", POOL),
            ("\"192.168.30.9-192.168.30.8\"", "\"192.168.30.9-192.168.30.8\" is not valid", POOL),
            ("\"192.168.30.2-192.168.30.255\"", "leaves the subnet of address", WITHIN),
            ("\"192.168.30.0-192.168.30.9\"", "leaves the subnet of address", WITHIN),
            ("\"192.168.29.9-192.168.30.9\"", "leaves the subnet of address", WITHIN),
            ("\"192.168.30.1-192.168.30.9\"", "holds 192.168.30.1, the router", "leave it out"),
        ],
    },
    Row {
        section: "hub.secure-nat",
        key: "lease",
        kind: TEXT,
        shows: |s| nat(s).lease.as_secs().to_string(),
        default: Ok("7200"),
        takes: &[("\"60s\"", "60"), ("\"30d\"", "2592000")],
        refuses: &[
            ("\"59s\"", "59 s is out of range", "write \"60s\" to \"720h\""),
            ("\"2592001s\"", "2592001 s is out of range", "write \"60s\" to \"720h\""),
            ("\"2 h\"", "\"2 h\" is not valid", SPAN),
        ],
    },
    Row {
        section: "hub.secure-nat",
        key: "dns",
        kind: LIST,
        shows: |s| format!("{:?}", nat(s).dns),
        default: Ok("[]"),
        takes: &[("[]", "[]"), ("[\"9.9.9.9\", \"192.168.30.1\"]", "[9.9.9.9, 192.168.30.1]")],
        refuses: &[
            ("[\"2001:db8::1\"]", "\"2001:db8::1\" is not valid", "write an IPv4 address"),
            ("[\"9.9.9.9\", true]", "\"boolean\" is not valid", "write an IPv4 address"),
        ],
    },
    Row {
        section: "hub.bridge",
        key: "tap",
        kind: TEXT,
        shows: |s| s.hubs[0].bridges.join(" "),
        default: Err(("is missing", "write tap = \"vpn0\"")),
        takes: &[("\"v\"", "v"), ("\"abcdefghijklm-9\"", "abcdefghijklm-9"), ("\"a.b\"", "a.b")],
        refuses: &[
            ("\"\"", "\"\" is not the name of a device", DEVICE),
            ("\"abcdefghijklm-10\"", "\"abcdefghijklm-10\" is not the name of a device", DEVICE),
            ("\".\"", "\".\" is not the name of a device", DEVICE),
            ("\"a/b\"", "\"a/b\" is not the name of a device", DEVICE),
            ("\"vpn%d\"", "\"vpn%d\" is not the name of a device", DEVICE),
            ("\"a:1\"", "\"a:1\" is not the name of a device", DEVICE),
            ("\"a b\"", "\"a b\" is not the name of a device", DEVICE),
            ("\"ä\"", "\"ä\" is not the name of a device", DEVICE),
        ],
    },
    Row {
        section: "hub.user",
        key: "name",
        kind: TEXT,
        shows: |s| user(s).name.clone(),
        default: Err(("is missing", "give the user a name")),
        takes: &[
            ("\"花子 h\"", "花子 h"),
            ("\"**\"", "**"),
            (NAME_64, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ],
        refuses: &[
            ("\"\"", "is empty or has blanks around it", "write a name"),
            ("\" j\"", "is empty or has blanks around it", "write a name"),
            ("\"j\\t\"", "is empty or has blanks around it", "write a name"),
            ("\"j@hub\"", "'@' cannot be part of a name", SPELLING),
            ("'hub\\j'", "'\\\\' cannot be part of a name", SPELLING),
            ("\"j\\u0007j\"", "'\\u{7}' cannot be part of a name", SPELLING),
            ("\"*\"", "\"*\" is not supported yet", "name each user"),
            (NAME_65, "has 65 octets", "write at most 64 octets"),
        ],
    },
    Row {
        section: "hub.user",
        key: "auth",
        kind: TEXT,
        shows: |s| s.hubs[0].users.len().to_string(),
        default: Ok("1"),
        takes: &[("\"password\"", "1")],
        refuses: &[
            ("\"radius\"", "\"radius\" is not supported yet", "write \"password\""),
            ("\"nt-domain\"", "\"nt-domain\" is not supported yet", "write \"password\""),
            ("\"certificate\"", "\"certificate\" is not supported yet", "write \"password\""),
            ("\"anonymous\"", "\"anonymous\" is not supported yet", "write \"password\""),
            (
                "\"none\"",
                "\"none\" is not valid",
                "use \"password\" or \"radius\" or \"nt-domain\" or \"certificate\" or \
                 \"anonymous\"",
            ),
        ],
    },
    Row {
        section: "hub.user",
        key: "password",
        kind: TEXT,
        // MD4 of the password in UTF-16LE; the first is that of RFC 2759 §9.2.
        shows: |s| user(s).nt_hash.map(|octet| format!("{octet:02x}")).concat(),
        default: Err(("is missing", "add password = \"…\" or nt-hash = \"…\"")),
        takes: &[
            ("\"clientPass\"", "44ebba8d5312b8d611474411f56989ae"),
            ("\"\"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ],
        refuses: &[],
    },
    Row {
        section: "hub.user",
        key: "nt-hash",
        kind: TEXT,
        shows: |s| user(s).nt_hash.map(|octet| format!("{octet:02x}")).concat(),
        default: Err(("is missing", "add password = \"…\" or nt-hash = \"…\"")),
        takes: &[("\"00112233445566778899AABBCCDDEEFF\"", "00112233445566778899aabbccddeeff")],
        refuses: &[
            ("\"\"", "is not valid", DIGITS),
            ("\"00112233445566778899aabbccddee\"", "is not valid", DIGITS),
            ("\"00112233445566778899aabbccddeeff00\"", "is not valid", DIGITS),
            ("\"0x112233445566778899aabbccddeeff\"", "is not valid", DIGITS),
        ],
    },
    Row {
        section: "hub.user",
        key: "max-sessions",
        kind: NUMBER,
        shows: |s| format!("{:?}", user(s).max_sessions),
        default: Ok("None"),
        // 0 is what SoftEther writes for no limit.
        takes: &[("0", "None"), ("1", "Some(1)"), ("4294967294", "Some(4294967294)")],
        refuses: &[
            ("-1", "-1 is out of range", "use a number from 0 to 4294967294"),
            ("4294967295", "4294967295 is out of range", "use a number from 0 to 4294967294"),
        ],
    },
];
