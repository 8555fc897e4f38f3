//! What administrators do to the settings, one thing at a time.

use std::net::Ipv4Addr;

use kumihimo::config_file::{HubSettings, SecureNatSettings, Settings};
use kumihimo_core::config::{EncapsulationPolicy, Policy};
use kumihimo_core::time::Duration;

use super::Stage;
use crate::check::counted::Counted;
use crate::check::isolation::Isolation;
use crate::node::dhcp::DhcpServer;
use crate::node::host::Host;
use crate::node::server::ServerNode;
use crate::node::setup::{self, FIRST_LEASED, PSK, ROUTER};
use crate::scenario::NodeKind;
use crate::world::World;

impl Stage {
    /// Changes one thing.
    pub(super) fn reload(&mut self, world: &mut World) {
        let mut next = self.settings(world);
        let scene = match world.below(9) {
            0 => "the same settings again",
            1 => rename(world, &mut next),
            2 => self.change_users(world, &mut next),
            3 => self.change_law(world, &mut next),
            4 => {
                self.put_back(world);
                return;
            }
            _ if self.kind == NodeKind::Embassy => self.change_users(world, &mut next),
            5 => self.change_hubs(world, &mut next),
            6 => self.move_dhcp(world, &mut next),
            _ => self.change_secure_nat(world, &mut next),
        };
        world.scene(scene);
        self.hand_in(world, next);
    }

    /// Puts the settings of the beginning in force, and DHCP where it was.
    pub(super) fn put_back(&mut self, world: &mut World) {
        world.scene("the settings of the beginning");
        for number in 0..self.changing() {
            self.set_lan_dhcp(world, number, self.crowd.town.hubs[number].plan.is_dhcp_on_lan);
        }
        self.hand_in(world, self.home.clone());
    }

    /// Changes something that does not concern the honest client.
    pub(super) fn reload_elsewhere(&mut self, world: &mut World) {
        let mut next = self.settings(world);
        let scene = match world.below(5) {
            0 => "the same settings again",
            1 => rename(world, &mut next),
            2 => self.change_users(world, &mut next),
            _ if self.kind == NodeKind::Embassy => self.change_users(world, &mut next),
            3 => self.change_hubs(world, &mut next),
            _ => self.change_secure_nat(world, &mut next),
        };
        world.scene(scene);
        self.hand_in(world, next);
    }

    /// Puts back what concerns everyone: the key, the policy, the default hub.
    pub(super) fn restore_law(&self, world: &mut World) {
        let next = Settings { ipsec: self.home.ipsec.clone(), ..self.settings(world) };
        let mut next = next;
        let home = &self.home.ipsec.default_hub;
        if !next.hubs.iter().any(|hub| hub.name.eq_ignore_ascii_case(home)) {
            next.hubs.clone_from(&self.home.hubs);
        }
        world.scene("the key and the policy of the beginning");
        self.hand_in(world, next);
    }

    fn settings(&self, world: &World) -> Settings {
        let server = world.node::<ServerNode>(self.crowd.town.server);
        server.map_or_else(|| self.home.clone(), |server| server.settings().clone())
    }

    fn hand_in(&self, world: &mut World, settings: Settings) {
        let server = self.crowd.town.server;
        world.with(server, |server: &mut ServerNode, _| server.reload(settings));
    }

    /// How many hubs may be changed, the first ones: not that of the honest client, if there is
    /// another.
    fn changing(&self) -> usize {
        self.crowd.town.hubs.len().saturating_sub(1)
    }

    /// A user goes, or comes back, or may have fewer sessions, or more.
    fn change_users(&self, world: &mut World, next: &mut Settings) -> &'static str {
        let number = world.below(next.hubs.len() as u64) as usize;
        let place = world.below(setup::USERS.len() as u64) as usize;
        let name = setup::USERS[place].0;
        let most = [None, Some(1), Some(2)][world.below(3) as usize];
        let is_limit = world.below(2) == 1;
        let hub = &mut next.hubs[number];
        let known = hub.users.iter().position(|user| user.name.eq_ignore_ascii_case(name));
        match known {
            Some(at) if is_limit => {
                hub.users[at].max_sessions = most;
                "a user may have another number of sessions"
            }
            Some(at) => {
                hub.users.remove(at);
                "a user is taken away"
            }
            None => {
                hub.users.push(setup::user(name, setup::USERS[place].1));
                "a user comes back"
            }
        }
    }

    /// The key, the policy, lifetimes, the default hub.
    fn change_law(&self, world: &mut World, next: &mut Settings) -> &'static str {
        let ipsec = &mut next.ipsec;
        match world.below(5) {
            0 => {
                let is_home = ipsec.psk.as_slice() == PSK;
                let psk: &[u8] = if is_home { b"another key" } else { PSK };
                *ipsec.psk = psk.to_vec();
                if let Some(counted) = world.observer_mut::<Counted>() {
                    counted.change_key();
                }
                "another key"
            }
            1 => {
                let all = [Policy::Compat, Policy::Modern, Policy::Legacy];
                ipsec.policy = all[world.below(3) as usize];
                "another policy"
            }
            2 => {
                let all = [EncapsulationPolicy::Udp, EncapsulationPolicy::Auto];
                ipsec.encapsulation = all[world.below(2) as usize];
                "another rule for encapsulation"
            }
            3 => {
                let secs = [3_600, 600, 240][world.below(3) as usize];
                ipsec.esp_lifetime = Duration::from_secs(secs);
                ipsec.ike_lifetime = Duration::from_secs(secs.max(600) * 2);
                "other lifetimes"
            }
            _ => {
                let number = world.below(next.hubs.len() as u64) as usize;
                if let Some(isolation) = world.observer_mut::<Isolation>() {
                    isolation.change_default();
                }
                ipsec.default_hub.clone_from(&next.hubs[number].name);
                "another default hub"
            }
        }
    }

    /// A hub goes, or comes back; hubs change places; bridges come and go.
    fn change_hubs(&mut self, world: &mut World, next: &mut Settings) -> &'static str {
        let number = world.below(self.changing() as u64) as usize;
        let what = world.below(3);
        let name = self.crowd.town.hubs[number].plan.name;
        let at = next.hubs.iter().position(|hub| hub.name.eq_ignore_ascii_case(name));
        let Some(at) = at else {
            next.hubs.insert(number.min(next.hubs.len()), self.home.hubs[number].clone());
            return "a hub comes back";
        };
        match what {
            0 if !next.ipsec.default_hub.eq_ignore_ascii_case(name) => {
                self.disturbed[number] = true;
                next.hubs.remove(at);
                "a hub is taken away"
            }
            1 => {
                self.disturbed[number] = true;
                let hub = &mut next.hubs[at];
                if hub.bridges.pop().is_none() {
                    hub.bridges.clone_from(&self.home.hubs[number].bridges);
                }
                "a bridge goes or comes"
            }
            _ => {
                self.disturbed.fill(true);
                next.hubs.rotate_left(1);
                "hubs change places"
            }
        }
    }

    /// DHCP moves from the virtual server to the LAN, or back.
    fn move_dhcp(&mut self, world: &mut World, next: &mut Settings) -> &'static str {
        let number = world.below(self.changing() as u64) as usize;
        let keeps_router = world.below(2) == 0;
        let net = self.crowd.town.hubs[number].plan.net;
        let Some(hub) = self.hub_of(next, number) else { return "the same settings again" };
        let is_virtual = hub.secure_nat.as_ref().is_some_and(|it| it.dhcp);
        match (&mut hub.secure_nat, is_virtual) {
            (Some(secure_nat), true) if keeps_router => secure_nat.dhcp = false,
            (place, true) => *place = None,
            (Some(secure_nat), false) => secure_nat.dhcp = true,
            (place, false) => {
                *place = Some(virtual_net(net, VIRTUAL_POOL, Duration::from_secs(600)));
            }
        }
        self.set_lan_dhcp(world, number, is_virtual);
        if is_virtual { "DHCP moves to the LAN" } else { "DHCP moves to the virtual server" }
    }

    /// SecureNAT goes, comes, moves; its pool is another one, its leases last longer or shorter.
    fn change_secure_nat(&mut self, world: &mut World, next: &mut Settings) -> &'static str {
        let number = world.below(self.changing() as u64) as usize;
        let what = world.below(6);
        let len = [1, 2, 30][world.below(3) as usize];
        let secs = [20, 60, 7_200][world.below(3) as usize];
        let is_on_lan = self.crowd.town.hubs[number].plan.is_dhcp_on_lan;
        let home = self.home.hubs[number].secure_nat.clone();
        let Some(hub) = self.hub_of(next, number) else { return "the same settings again" };
        let Some(secure_nat) = &mut hub.secure_nat else {
            hub.secure_nat = home;
            return "SecureNAT is on, if it was in the beginning";
        };
        match what {
            0 => {
                hub.secure_nat = None;
                "SecureNAT is off"
            }
            1 => {
                let moved = virtual_net(other_net(number as u8), VIRTUAL_POOL, secure_nat.lease);
                *secure_nat = SecureNatSettings { dhcp: secure_nat.dhcp, ..moved };
                "SecureNAT moves to another network"
            }
            2 => {
                let last = [ROUTER, 2, 254][usize::from(len % 3)];
                let [a, b, c, _] = secure_nat.address.octets();
                secure_nat.address = Ipv4Addr::new(a, b, c, last);
                "the router has another address"
            }
            3 => {
                let (first, _) = secure_nat.pool;
                secure_nat.pool = (first, Ipv4Addr::from(u32::from(first) + u32::from(len) - 1));
                "the pool has another size"
            }
            4 => {
                let [a, b, c, d] = secure_nat.pool.0.octets();
                // What the LAN's DHCP server gives is never the virtual one's to give.
                let places = if is_on_lan { [VIRTUAL_POOL[0], 60] } else { [FIRST_LEASED, 50] };
                let first = if d == places[0] { places[1] } else { places[0] };
                let at = |last| Ipv4Addr::new(a, b, c, last);
                secure_nat.pool = (at(first), at(first + len - 1));
                "the pool moves"
            }
            _ => {
                secure_nat.lease = Duration::from_secs(secs);
                "leases last as long as it pleases"
            }
        }
    }

    fn hub_of<'s>(&mut self, next: &'s mut Settings, number: usize) -> Option<&'s mut HubSettings> {
        let name = self.crowd.town.hubs[number].plan.name;
        next.hubs.iter_mut().find(|hub| hub.name.eq_ignore_ascii_case(name))
    }

    /// Lets the machine on a LAN give addresses, or not.
    fn set_lan_dhcp(&mut self, world: &mut World, number: usize, is_on: bool) {
        let hub = &self.crowd.town.hubs[number];
        let Some(&host) = hub.hosts.first() else { return };
        let net = hub.plan.net;
        let shelved = &mut self.shelved[number];
        let mut is_changed = false;
        world.with(host, |host: &mut Host, _| {
            let own = host.ip();
            let dhcp = host.dhcp_mut();
            if dhcp.is_some() == is_on {
                return;
            }
            is_changed = true;
            if is_on {
                let pool = LAN_POOL.map(|last| Ipv4Addr::new(192, 168, net, last));
                let fresh = || DhcpServer::new(own, pool.into(), Duration::from_secs(600));
                *dhcp = Some(shelved.take().unwrap_or_else(fresh));
            } else {
                *shelved = dhcp.take();
            }
        });
        self.disturbed[number] |= is_changed;
    }
}

/// A hub or a user is written in another case.
fn rename(world: &mut World, next: &mut Settings) -> &'static str {
    let number = world.below(next.hubs.len() as u64) as usize;
    let hub = &mut next.hubs[number];
    let place = world.below(1 + hub.users.len() as u64) as usize;
    let name = match place.checked_sub(1) {
        Some(user) => &mut hub.users[user].name,
        None => &mut hub.name,
    };
    let is_upper = name.bytes().any(|letter| letter.is_ascii_uppercase());
    *name = if is_upper { name.to_ascii_lowercase() } else { name.to_ascii_uppercase() };
    "a name is written in another case"
}

/// SecureNAT in `192.168.NET.0/24`, with a pool of its own.
fn virtual_net(net: u8, pool: [u8; 2], lease: Duration) -> SecureNatSettings {
    let at = |last| Ipv4Addr::new(192, 168, net, last);
    SecureNatSettings {
        mac: Some(setup::router_mac(net)),
        pool: pool.map(at).into(),
        ..setup::secure_nat(net, 1, lease)
    }
}

/// The third octet of the network to which the SecureNAT of a hub moves.
pub(super) const fn other_net(hub: u8) -> u8 {
    130 + hub
}

/// Addresses of a LAN's DHCP server that was not there in the beginning.
const LAN_POOL: [u8; 2] = [150, 179];
/// Addresses of a virtual DHCP server that was not there in the beginning.
const VIRTUAL_POOL: [u8; 2] = [100, 129];
