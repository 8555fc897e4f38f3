//! The memory of a server.

use crate::event::Event;
use crate::ids::{PeerId, SessionId};
use crate::limits::Limits;
use crate::session::Session;
use crate::store::{Lent, Node, Place, Slot, Table, tables};
use crate::{auth, dhcp, esp, hub, ike, l2tp};

use super::Outboxes;
use super::configure::HubState;
use super::outputs::Queued;
use super::requests::Open;
use super::switch::{Entering, Flood};

/// The memory of a [`super::Server`], whose packets are in buffers `B`.
///
/// Lent from a static on a board ([`static_tables`](crate::static_tables)), allocated once on a
/// server.
#[derive(Debug)]
pub struct Storage<'a, B> {
    /// IKE peers and their exchanges.
    pub ike: ike::Storage<'a>,
    /// IPsec SAs.
    pub esp: esp::Storage<'a>,
    /// L2TP tunnels and calls.
    pub lns: l2tp::Storage<'a>,
    /// Local users.
    pub users: auth::Storage<'a>,
    /// Hubs, ports and MAC addresses.
    pub hubs: hub::HubStorage<'a>,
    /// DHCP leases.
    pub leases: dhcp::DhcpStorage<'a>,
    /// What joins them.
    pub server: ServerStorage<'a, B>,
    /// What components ask for.
    pub outboxes: Lent<'a, Outboxes>,
}

tables! {
    /// The memory of what is neither component's.
    pub struct ServerStorage, Arrays<B> for limits {
        /// Hubs.
        hub_states: [Place<HubState>; limits.hubs],
        /// Sessions.
        sessions: [Slot<Session<B>>; limits.calls],
        /// Their deadlines.
        session_nodes: [Node; limits.calls],
        /// The session of each call.
        by_call: [Place<SessionId>; limits.calls],
        /// Questions that are open.
        requests: [Slot<Open>; limits.requests],
        /// Ethernet frames on their way into a hub.
        entering: [Place<Entering<B>>; limits.frames],
        /// Frames on their way to several ports.
        floods: [Place<Flood<B>>; limits.floods],
        /// Outputs.
        outputs: [Place<Queued<B>>; limits.outputs],
        /// Facts among them.
        events: [Place<Event>; limits.events],
        /// IKE peers that are gone.
        leaving: [Place<PeerId>; limits.peers],
    }
}

/// How long each table of a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllLengths {
    /// Of IKE.
    pub ike: ike::Lengths,
    /// Of ESP.
    pub esp: esp::Lengths,
    /// Of L2TP.
    pub lns: l2tp::Lengths,
    /// Of users.
    pub users: auth::Lengths,
    /// Of hubs.
    pub hubs: hub::Lengths,
    /// Of DHCP leases.
    pub leases: dhcp::Lengths,
    /// Of the server itself.
    pub server: Lengths,
}

impl AllLengths {
    /// What the limits ask for.
    pub const fn of(limits: &Limits) -> Self {
        Self {
            ike: ike::Lengths::of(limits),
            esp: esp::Lengths::of(limits),
            lns: l2tp::Lengths::of(limits),
            users: auth::Lengths::of(limits),
            hubs: hub::Lengths::of(limits),
            leases: dhcp::Lengths::of(limits),
            server: Lengths::of(limits),
        }
    }

    /// Octets of all tables, and of what else a server is lent.
    pub const fn octets<B>(&self) -> usize {
        Table::octets_of(&self.ike.tables())
            + Table::octets_of(&self.esp.tables())
            + Table::octets_of(&self.lns.tables())
            + Table::octets_of(&self.users.tables())
            + Table::octets_of(&self.hubs.tables())
            + Table::octets_of(&self.leases.tables())
            + Table::octets_of(&self.server.tables::<B>())
            + size_of::<Outboxes>()
    }
}

impl<B> Storage<'_, B> {
    /// Allocates what `limits` asks for.
    #[cfg(feature = "alloc")]
    pub fn allocate(limits: &Limits) -> Self {
        Self {
            ike: ike::Storage::allocate(limits),
            esp: esp::Storage::allocate(limits),
            lns: l2tp::Storage::allocate(limits),
            users: auth::Storage::allocate(limits),
            hubs: hub::HubStorage::allocate(limits),
            leases: dhcp::DhcpStorage::allocate(limits),
            server: ServerStorage::allocate(limits),
            outboxes: Lent::allocate(),
        }
    }

    /// How long each table is.
    pub fn lengths(&self) -> AllLengths {
        AllLengths {
            ike: self.ike.lengths(),
            esp: self.esp.lengths(),
            lns: self.lns.lengths(),
            users: self.users.lengths(),
            hubs: self.hubs.lengths(),
            leases: self.leases.lengths(),
            server: self.server.lengths(),
        }
    }
}

/// Declares the type of a server's memory as plain arrays, for a `static`.
///
/// ```
/// use kumihimo_core::{limits::Limits, static_tables};
///
/// static_tables! {
///     /// All tables of this board; packets are in buffers of this type.
///     pub struct Tables<Vec<u8>>, Limits::board(4);
/// }
///
/// # const fn is_const() -> Tables {
/// Tables::new()
/// # }
/// # let mut tables = Box::new(is_const());
/// # assert!(tables.lend().lengths() == kumihimo_core::server::AllLengths::of(&Tables::LIMITS));
/// ```
/// `Tables::new` is `const`, so a cell that takes a constant (`ConstStaticCell` of crate
/// `static_cell`) can hold the tables without a copy of them on the stack;
/// `CELL.take().lend()` is the [`Storage`], and `Tables::LIMITS` the
/// limits, for [`Server::new`](crate::server::Server::new).
#[macro_export]
macro_rules! static_tables {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<$buf:ty>, $limits:expr $(;)?) => {
        $(#[$meta])*
        $vis struct $name {
            ike: $crate::ike::Arrays<
                { Self::LENGTHS.ike.sas },
                { Self::LENGTHS.ike.negotiations },
                { Self::LENGTHS.ike.peers },
                { Self::LENGTHS.ike.children },
                { Self::LENGTHS.ike.exchanges },
                { Self::LENGTHS.ike.by_initiator },
                { Self::LENGTHS.ike.by_identity },
                { Self::LENGTHS.ike.by_spi },
                { Self::LENGTHS.ike.nodes },
                { Self::LENGTHS.ike.quotas },
            >,
            esp: $crate::esp::Arrays<
                { Self::LENGTHS.esp.sas },
                { Self::LENGTHS.esp.nodes },
                { Self::LENGTHS.esp.peers },
            >,
            lns: $crate::l2tp::Arrays<
                { Self::LENGTHS.lns.tunnels },
                { Self::LENGTHS.lns.tunnel_index },
                { Self::LENGTHS.lns.nodes },
                { Self::LENGTHS.lns.calls },
                { Self::LENGTHS.lns.call_index },
            >,
            users: $crate::auth::Arrays<
                { Self::LENGTHS.users.hubs },
                { Self::LENGTHS.users.users },
                { Self::LENGTHS.users.buckets },
                { Self::LENGTHS.users.spare_buckets },
            >,
            hubs: $crate::hub::Arrays<
                { Self::LENGTHS.hubs.hubs },
                { Self::LENGTHS.hubs.ports },
                { Self::LENGTHS.hubs.port_entries },
                { Self::LENGTHS.hubs.macs },
                { Self::LENGTHS.hubs.buckets },
            >,
            leases: $crate::dhcp::Arrays<
                { Self::LENGTHS.leases.pools },
                { Self::LENGTHS.leases.leases },
                { Self::LENGTHS.leases.by_client },
                { Self::LENGTHS.leases.by_address },
            >,
            server: $crate::server::Arrays<
                $buf,
                { Self::LENGTHS.server.hub_states },
                { Self::LENGTHS.server.sessions },
                { Self::LENGTHS.server.session_nodes },
                { Self::LENGTHS.server.by_call },
                { Self::LENGTHS.server.requests },
                { Self::LENGTHS.server.entering },
                { Self::LENGTHS.server.floods },
                { Self::LENGTHS.server.outputs },
                { Self::LENGTHS.server.events },
                { Self::LENGTHS.server.leaving },
            >,
            outboxes: $crate::server::Outboxes,
        }

        impl $name {
            /// The limits that the tables are made for.
            $vis const LIMITS: $crate::limits::Limits = $limits;
            const LENGTHS: $crate::server::AllLengths =
                $crate::server::AllLengths::of(&Self::LIMITS);

            /// Tables with nothing in them.
            $vis const fn new() -> Self {
                Self {
                    ike: $crate::ike::Arrays::new(),
                    esp: $crate::esp::Arrays::new(),
                    lns: $crate::l2tp::Arrays::new(),
                    users: $crate::auth::Arrays::new(),
                    hubs: $crate::hub::Arrays::new(),
                    leases: $crate::dhcp::Arrays::new(),
                    server: $crate::server::Arrays::new(),
                    outboxes: $crate::store::Empty::EMPTY,
                }
            }

            /// Lends the tables to a server.
            $vis fn lend(&mut self) -> $crate::server::Storage<'_, $buf> {
                $crate::server::Storage {
                    ike: self.ike.lend(),
                    esp: self.esp.lend(),
                    lns: self.lns.lend(),
                    users: self.users.lend(),
                    hubs: self.hubs.lend(),
                    leases: self.leases.lend(),
                    server: self.server.lend(),
                    outboxes: $crate::store::Lent::Borrowed(&mut self.outboxes),
                }
            }
        }
    };
}

/// A buffer on a board: where it is, and where it came from.
type BoardBuffer = [usize; 2];

const _: () = {
    let four = AllLengths::of(&Limits::board(4)).octets::<BoardBuffer>();
    let five = AllLengths::of(&Limits::board(5)).octets::<BoardBuffer>();
    assert!(four <= 88 * 1024, "a board's tables for four clients");
    assert!(five - four <= 7 * 1024, "a board's tables for one client more");
};
