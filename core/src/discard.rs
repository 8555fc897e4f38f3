//! Why something was dropped, and how often.

use crate::wire;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why an input was dropped. Every drop in the core names one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in metrics and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    // Any format.
    /// Shorter than its format says.
    Truncated = "truncated",
    /// A length field contradicts the format.
    BadLength = "bad-length",
    /// An unknown version.
    BadVersion = "bad-version",
    /// A reserved field is not zero.
    BadReserved = "bad-reserved",
    /// A checksum does not fit.
    BadChecksum = "bad-checksum",
    /// A format we do not speak.
    Unsupported = "unsupported",

    // Our resources.
    /// Every packet buffer is in use.
    NoBuffer = "no-buffer",
    /// A packet grew beyond its buffer.
    NoRoom = "no-room",
    /// More actions than a component may ask for.
    OutboxFull = "outbox-full",
    /// The queue of outputs is full.
    OutputFull = "output-full",

    // Demultiplexing.
    /// A port or protocol that no service is enabled on.
    NotServed = "not-served",
    /// A NAT keepalive (RFC 3948 §2.3): not a fault.
    Keepalive = "keepalive",

    // IKE.
    /// The table of peers is full.
    PeerTableFull = "peer-table-full",
    /// Too many half-open peers, from this address or in all.
    HalfOpenQuota = "half-open-quota",
    /// The budget for unproven addresses is used up.
    UnprovenBudget = "unproven-budget",
    /// No IKE SA has these cookies.
    UnknownCookie = "unknown-cookie",
    /// An exchange we do not answer, or not in this state.
    UnexpectedExchange = "unexpected-exchange",
    /// A payload is missing, repeated, or not allowed here.
    BadPayload = "bad-payload",
    /// Nothing in the proposal is acceptable.
    NoProposalChosen = "no-proposal-chosen",
    /// A public Diffie-Hellman value outside its group.
    BadKeyExchange = "bad-key-exchange",
    /// Does not decrypt to a message: most likely the wrong pre-shared key.
    NotDecryptable = "not-decryptable",
    /// A HASH payload does not verify.
    HashMismatch = "hash-mismatch",
    /// A repeated message, answered from the cache where there is an answer.
    Duplicate = "duplicate",
    /// An identification payload that we do not accept.
    BadIdentity = "bad-identity",
    /// Waits for an earlier message to be worked on.
    Busy = "busy",

    // ESP.
    /// No inbound SA has this SPI.
    UnknownSpi = "unknown-spi",
    /// The ICV does not fit.
    BadIcv = "bad-icv",
    /// The sequence number was seen before, or lies before the window.
    Replayed = "replayed",
    /// The padding or the trailer is wrong.
    BadPadding = "bad-padding",
    /// A protocol that the SA does not carry.
    BadSelector = "bad-selector",
    /// The SA has reached its hard limit.
    SaExpired = "sa-expired",
    /// There is no SA to send on.
    NoSa = "no-sa",
    /// The table of SAs is full.
    SaTableFull = "sa-table-full",

    // L2TP.
    /// No tunnel has this id and carrier.
    UnknownTunnel = "unknown-tunnel",
    /// No call has this id.
    UnknownCall = "unknown-call",
    /// The table of tunnels is full, or the address has reached its quota.
    TunnelTableFull = "tunnel-table-full",
    /// The table of calls is full, or the tunnel has reached its quota.
    CallTableFull = "call-table-full",
    /// A control message outside the receive window.
    OutsideWindow = "outside-window",
    /// A control message that this state does not expect.
    UnexpectedMessage = "unexpected-message",
    /// A mandatory AVP that is unknown or malformed.
    BadAvp = "bad-avp",

    // PPP.
    /// A PPP protocol we do not speak; answered with Protocol-Reject.
    UnknownProtocol = "unknown-protocol",
    /// A PPP packet that this phase does not expect.
    UnexpectedPpp = "unexpected-ppp",
    /// A packet before the link is up.
    LinkDown = "link-down",

    // Hub and host.
    /// The port is gone.
    UnknownPort = "unknown-port",
    /// The table of ports is full.
    PortTableFull = "port-table-full",
    /// The table of MAC addresses is full.
    MacTableFull = "mac-table-full",
    /// Another host of the hub has this MAC address.
    MacInUse = "mac-in-use",
    /// No port of the hub leads to this destination.
    UnknownDestination = "unknown-destination",
    /// A source address that the sender may not use.
    SpoofedSource = "spoofed-source",
    /// More broadcasts than the limit.
    BroadcastLimit = "broadcast-limit",
    /// Every flood place is taken.
    FloodTableFull = "flood-table-full",
    /// The destination stands behind the port it came from.
    SamePort = "same-port",
    /// No next hop: no gateway, or no answer to ARP.
    NoNextHop = "no-next-hop",
    /// Waited for ARP and another packet took its place.
    ArpQueueFull = "arp-queue-full",
    /// Not for this host.
    NotForHost = "not-for-host",
    /// Longer than the link carries.
    TooLong = "too-long",
    /// No DHCP lease is free.
    NoLease = "no-lease",
    /// A DHCP message that we do not answer.
    BadDhcp = "bad-dhcp",

    // Answers and commands.
    /// An answer to a question that is no longer asked.
    StaleAnswer = "stale-answer",
}

impl From<wire::Error> for DropReason {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::Truncated => Self::Truncated,
            wire::Error::Length => Self::BadLength,
            wire::Error::Version => Self::BadVersion,
            wire::Error::Reserved => Self::BadReserved,
            wire::Error::Checksum => Self::BadChecksum,
            wire::Error::Unsupported => Self::Unsupported,
        }
    }
}

impl From<crate::buf::Truncated> for DropReason {
    fn from(_: crate::buf::Truncated) -> Self {
        Self::Truncated
    }
}

impl From<crate::buf::NoRoom> for DropReason {
    fn from(_: crate::buf::NoRoom) -> Self {
        Self::NoRoom
    }
}

/// How often each [`DropReason`] occurred.
#[derive(Clone, Debug)]
pub struct DropCounters([u64; DropReason::ALL.len()]);

impl Default for DropCounters {
    fn default() -> Self {
        Self::new()
    }
}

impl DropCounters {
    /// No drops yet.
    pub const fn new() -> Self {
        Self([0; DropReason::ALL.len()])
    }

    /// Counts one drop.
    pub fn count(&mut self, reason: DropReason) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter = counter.wrapping_add(1);
        }
    }

    /// Drops for `reason` so far.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// All drops so far.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
