//! Every key that a configuration may hold, and which of them work today.
//!
//! The names are those of `docs/CONTRACT.md`. A key whose feature is not built is refused, so
//! that nobody believes it does something.

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A value that is read.
    Value,
    /// A table, or an array of tables, described by the section of this name.
    Section(&'static str),
    /// Its feature is not built yet.
    NotYet,
}

/// One section and its keys.
pub(super) struct Section {
    /// Its path, as in messages.
    pub(super) name: &'static str,
    /// Its keys.
    pub(super) keys: &'static [(&'static str, Key)],
}

/// The section called `name`; the root is the empty name.
pub(super) fn section(name: &str) -> &'static Section {
    SECTIONS.iter().find(|section| section.name == name).unwrap_or(&SECTIONS[0])
}

use Key::{NotYet, Section as Sub, Value};

const SECTIONS: &[Section] = &[
    Section {
        name: "",
        keys: &[
            ("server", Sub("server")),
            ("ipsec", Sub("ipsec")),
            ("hub", Sub("hub")),
            ("admin", Sub("admin")),
            ("etherip-client", NotYet),
            ("link", NotYet),
        ],
    },
    Section {
        name: "server",
        keys: &[
            ("listen", Value),
            ("state-dir", Value),
            ("workers", Value),
            ("max-sessions", Value),
        ],
    },
    Section {
        name: "admin",
        keys: &[
            ("listen", NotYet),
            ("password-hash", NotYet),
            ("password", NotYet),
            ("metrics-listen", NotYet),
            ("certificate", NotYet),
            ("key", NotYet),
        ],
    },
    Section {
        name: "ipsec",
        keys: &[
            ("l2tp", Value),
            ("l2tp-raw", Value),
            ("etherip", Value),
            ("psk", Value),
            ("default-hub", Value),
            ("policy", Value),
            ("encapsulation", Value),
            ("aggressive", Value),
            ("ike-lifetime", Value),
            ("esp-lifetime", Value),
            ("dead-after", Value),
            ("l2tp-secret", NotYet),
            ("group", NotYet),
        ],
    },
    Section {
        name: "hub",
        keys: &[
            ("name", Value),
            ("secure-nat", Sub("hub.secure-nat")),
            ("bridge", Sub("hub.bridge")),
            ("user", Sub("hub.user")),
            ("admin-password-hash", NotYet),
            ("radius", NotYet),
            ("nt-domain", NotYet),
            ("policy", NotYet),
            ("access", NotYet),
            ("group", NotYet),
        ],
    },
    Section {
        name: "hub.secure-nat",
        keys: &[
            ("nat", Value),
            ("dhcp", Value),
            ("address", Value),
            ("pool", Value),
            ("lease", Value),
            ("dns", Value),
            ("mtu", NotYet),
            ("tcp-timeout", NotYet),
            ("udp-timeout", NotYet),
            ("reservations", NotYet),
            ("push-routes", NotYet),
            ("allow", NotYet),
        ],
    },
    Section { name: "hub.bridge", keys: &[("tap", Value), ("device", NotYet)] },
    Section {
        name: "hub.user",
        keys: &[
            ("name", Value),
            ("auth", Value),
            ("password", Value),
            ("nt-hash", Value),
            ("max-sessions", Value),
            ("address", NotYet),
            ("expires", NotYet),
            ("group", NotYet),
            ("policy", NotYet),
        ],
    },
];
