//! The words of stories: clients, what they do, and what is expected of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kumihimo_core::time::Duration;

use super::town::{SERVER_IP, SERVER_IP6, Town};
use crate::check::once::Once;
use crate::net::{INTERNET, LinkConfig, LinkId, NatBox, NatConfig, ZoneId};
use crate::node::client::ClientNode;
use crate::node::server::ServerNode;
use crate::node::setup::{PSK, USERS};
use crate::observe::Failure;
use crate::peer::{Carrier, Setup};
use crate::profile::{CP_WIN, Profile};
use crate::world::{NodeId, World};

/// What a client is like.
#[derive(Clone, Debug)]
pub struct Person {
    /// What it runs.
    pub profile: &'static Profile,
    /// What carries L2TP.
    pub carrier: Carrier,
    /// User and password.
    pub user: (&'static str, &'static str),
    /// Number of the hub that it names.
    pub hub: u8,
    /// Where it is.
    pub zone: ZoneId,
    /// Its address there.
    pub address: IpAddr,
    /// What its link is like.
    pub link: LinkConfig,
}

impl Person {
    /// A Windows client on the Internet; each number has an address of its own.
    pub fn new(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        Self {
            profile: &CP_WIN,
            carrier: Carrier::Ipsec,
            user: USERS[0],
            hub: 0,
            zone: INTERNET,
            address: Ipv4Addr::new(198, 18, high, low).into(),
            link: LinkConfig::default(),
        }
    }

    /// The same behind a NAT box.
    #[must_use]
    pub fn behind(self, nat: &NatBox, address: [u8; 4]) -> Self {
        Self { zone: nat.inside, address: address.into(), ..self }
    }

    /// The same, but it has only IPv6.
    #[must_use]
    pub fn on_ipv6(self) -> Self {
        let IpAddr::V4(old) = self.address else { return self };
        let [.., high, low] = old.octets();
        let low = u16::from_be_bytes([high, low]);
        Self { address: Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, low).into(), ..self }
    }

    /// The same with another client.
    #[must_use]
    pub fn with(self, profile: &'static Profile) -> Self {
        Self { profile, ..self }
    }
}

/// A client of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Its node.
    pub id: NodeId,
    /// Its link.
    pub link: LinkId,
    /// Number of its hub.
    pub hub: u8,
}

impl Town {
    /// Adds a client, which dials at once.
    pub fn client(&self, world: &mut World, person: &Person) -> Resident {
        self.client_with(world, person, |node| node)
    }

    /// The same, with something of it changed.
    pub fn client_with(
        &self,
        world: &mut World,
        person: &Person,
        change: impl FnOnce(ClientNode) -> ClientNode,
    ) -> Resident {
        let Person { profile, carrier, user: (user, password), hub, zone, address, .. } = *person;
        let user = match hub {
            0 => user.to_owned(),
            hub => format!("{user}@{}", self.hubs[usize::from(hub)].plan.name),
        };
        let psk = String::from_utf8_lossy(PSK);
        let server = if address.is_ipv4() { SERVER_IP } else { SERVER_IP6 };
        let setup = Setup::new(server, address, &psk, &user, password);
        let node = change(ClientNode::new(profile, Setup { carrier, ..setup }, hub));
        let number = world.nodes().count();
        let id = world.add(&format!("client-{number}"), node);
        let link = world.attach(id, zone, &[address], person.link.clone());
        if carrier == Carrier::Bare
            && let Some(once) = world.observer_mut::<Once>()
        {
            once.exempt(id);
        }
        Resident { id, link, hub }
    }

    /// Adds a NAT box on the Internet with one public address.
    pub fn nat(&self, world: &mut World, name: &str, config: NatConfig) -> NatBox {
        let number = name.bytes().fold(7_u8, u8::wrapping_add);
        let public = IpAddr::V4(Ipv4Addr::new(203, 0, 113, number));
        world.add_nat(name, INTERNET, &[public], config, LinkConfig::perfect())
    }

    /// Waits until a client is up.
    ///
    /// # Errors
    /// The check that failed, or `story` if it is not up within `span`.
    pub fn until_up(
        &self,
        world: &mut World,
        client: Resident,
        span: Duration,
    ) -> Result<Ipv4Addr, Failure> {
        let is_up = world.run_until(span, |world| node(world, client).is_up())?;
        let trouble = node(world, client).log().trouble.clone();
        expect(world, is_up, || format!("a client is not up within {span:?}: {trouble:?}"))?;
        Ok(node(world, client).address().unwrap_or(Ipv4Addr::UNSPECIFIED))
    }

    /// Waits until all of these clients are up.
    ///
    /// # Errors
    /// As for [`Self::until_up`].
    pub fn until_all_up(
        &self,
        world: &mut World,
        clients: &[Resident],
        span: Duration,
    ) -> Result<(), Failure> {
        let end = world.now() + span;
        for &client in clients {
            self.until_up(world, client, end.since(world.now()))?;
        }
        Ok(())
    }

    /// Waits until a client is down.
    ///
    /// # Errors
    /// As for [`Self::until_up`].
    pub fn until_down(
        &self,
        world: &mut World,
        client: Resident,
        span: Duration,
    ) -> Result<(), Failure> {
        let is_down = world.run_until(span, |world| !node(world, client).is_up())?;
        expect(world, is_down, || format!("a client is not down within {span:?}"))
    }

    /// Sends one ping and waits a second for its answer; tells whether it came.
    ///
    /// # Errors
    /// The check that failed.
    pub fn pings_once(
        &self,
        world: &mut World,
        client: Resident,
        to: Ipv4Addr,
    ) -> Result<bool, Failure> {
        let count = world.with(client.id, |node: &mut ClientNode, cx| node.ping(cx, to));
        let Some(count) = count else { return Ok(false) };
        world.run_until(SECOND, |world| node(world, client).ponged(to) >= count)
    }

    /// Expects that a client reaches `to`; the first ping may be lost to ARP.
    ///
    /// # Errors
    /// The check that failed, or `story` if three pings have no answer.
    pub fn must_reach(
        &self,
        world: &mut World,
        client: Resident,
        to: Ipv4Addr,
    ) -> Result<(), Failure> {
        for _ in 0..3 {
            if self.pings_once(world, client, to)? {
                return Ok(());
            }
        }
        let from = node(world, client).address();
        expect(world, false, || format!("{from:?} does not reach {to}"))
    }

    /// Expects that a client reaches its hub's router.
    ///
    /// # Errors
    /// As for [`Self::must_reach`].
    pub fn must_reach_router(&self, world: &mut World, client: Resident) -> Result<(), Failure> {
        let router = self.hubs[usize::from(client.hub)].router(world);
        self.must_reach(world, client, router)
    }

    /// Hangs everyone up, and expects that the server then knows nobody.
    ///
    /// # Errors
    /// The check that failed, or `remains`.
    pub fn must_end_empty(
        &self,
        world: &mut World,
        clients: &[Resident],
        span: Duration,
    ) -> Result<(), Failure> {
        for client in clients {
            world.with(client.id, |node: &mut ClientNode, cx| node.hang_up(cx));
        }
        let is_empty = world.run_until(span, |world| census_of(world, self).is_empty())?;
        if is_empty {
            return Ok(());
        }
        let census = census_of(world, self).census;
        world.fail("remains", format!("after {} s there are still {census:?}", span.as_secs()));
        world.run_for(Duration::ZERO)
    }
}

/// How full a server is.
struct Remains {
    census: kumihimo_core::server::Census,
    /// Questions whose places are taken for ever, for want of an answer.
    lost: usize,
}

impl Remains {
    const fn is_empty(&self) -> bool {
        let census = &self.census;
        census.peers + census.negotiations + census.sas + census.ike.sas + census.ike.held == 0
            && census.tunnels + census.calls + census.sessions + census.session_timers == 0
            && census.members + census.held + census.leases_held + census.user_sessions == 0
            && census.requests <= self.lost
            && census.ike.exchanges + census.ike.children == 0
            && census.ports == census.own_ports
    }
}

fn census_of(world: &World, town: &Town) -> Remains {
    let server = world.node::<ServerNode>(town.server);
    let census = server.map(|server| server.turn().census).unwrap_or_default();
    Remains { census, lost: server.map_or(0, ServerNode::lost) }
}

/// The node of a client.
///
/// # Panics
/// If it is not there.
pub fn node(world: &World, client: Resident) -> &ClientNode {
    world.node(client.id).expect("a client")
}

/// Ends the run as check `story` unless `is_so`.
///
/// # Errors
/// That failure.
pub fn expect(
    world: &mut World,
    is_so: bool,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if !is_so {
        world.fail("story", text());
    }
    world.run_for(Duration::ZERO)
}

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);
