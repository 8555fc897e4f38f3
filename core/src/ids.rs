//! Identifiers of the things the core keeps in tables: one newtype each.
//!
//! An identifier carries the generation of its slot, so that one of a thing that is gone never
//! names its successor.

use crate::store::Key;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Key);

        impl From<Key> for $name {
            fn from(key: Key) -> Self {
                Self(key)
            }
        }

        impl From<$name> for Key {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl $name {
            /// The slot's number, for a side table of the same size.
            pub const fn index(self) -> u32 {
                self.0.index
            }
        }
    )*};
}

ids! {
    /// A remote party that speaks IKE with us: its IKE SAs, its IPsec SAs, its tunnels.
    PeerId
    /// A pair of IPsec SAs: one inbound, one outbound.
    SaId
    /// An L2TP control connection.
    TunnelId
    /// An L2TP call.
    CallId
    /// A user's session: a call, its PPP link, its host on a hub.
    SessionId
    /// A virtual hub.
    HubId
    /// A port of a hub.
    PortId
    /// A local user.
    UserId
    /// A question that the outside answers.
    RequestId
}
