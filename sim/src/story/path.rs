//! What the way to a server and the network behind it are like: IPv6, routes, narrow paths (U4,
//! U22, U23).

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use kumihimo_core::addr::Outer;

use super::plot::{Person, Resident, SECOND, expect, node};
use super::town::{HubPlan, Plan, SERVER_IP6, Town};
use crate::net::{Datagram, Direction, LinkConfig, Oversize, Verdict, Way};
use crate::node::client::ClientNode;
use crate::node::dhcp::ROUTE;
use crate::node::frame::{Ip, Mark};
use crate::node::host::Host;
use crate::observe::Failure;
use crate::peer::Carrier;
use crate::profile::{self, CP_AND_N, CP_APL_MM, CP_WIN};
use crate::scenario::{NodeKind, Scenario};
use crate::world::{NodeId, World};

/// IPv6 on the way to the server.
pub const IPV6: Scenario = Scenario {
    name: "u4-ipv6",
    about: "U4: clients dial over IPv6, with and without IPsec, beside others with IPv4",
    play: ipv6,
};

/// Routes by DHCP.
pub const ROUTES: Scenario = Scenario {
    name: "u22-routes",
    about: "U22: IPCP has no word for routes: a DHCP server on the LAN tells them by INFORM",
    play: routes,
};

/// Narrow paths.
pub const MTU: Scenario = Scenario {
    name: "u23-mtu",
    about: "U23: what does not fit is told, TCP segments are made to fit, narrow paths are learnt",
    play: mtu,
};

fn ipv6(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    // IPv6 has no NAT, so that ESP goes without UDP, unless the client insists.
    let has_esp = Rc::new(Cell::new(false));
    let seen = Rc::clone(&has_esp);
    world.add_rule(Box::new(move |crossing| {
        let Datagram { outer, from, .. } = &crossing.packet.datagram;
        seen.set(seen.get() || *from == SocketAddr::new(SERVER_IP6, 0) && *outer == Outer::Esp);
        Verdict::Pass
    }));
    let carriers = [Carrier::Ipsec, Carrier::IpsecInUdp, Carrier::Bare];
    let mut clients = Vec::new();
    for (number, profile) in (0..).zip(profile::ALL) {
        let carrier = carriers[usize::from(number) % 3];
        let person = Person { carrier, ..Person::new(number).with(profile) };
        clients.push(town.client(world, &person.on_ipv6()));
        clients.push(town.client(world, &Person::new(100 + number).with(profile)));
    }
    town.until_all_up(world, &clients, SECOND.times(15))?;
    expect(world, has_esp.get(), || "there was no ESP without UDP over IPv6".into())?;
    // Long enough for new keys.
    for _ in 0..130 {
        for pair in clients.windows(2) {
            let to = node(world, pair[1]).address().unwrap_or([0; 4].into());
            town.must_reach(world, pair[0], to)?;
        }
        world.run_for(SECOND.times(30))?;
    }
    for &client in &clients {
        let ups = node(world, client).log().ups;
        expect(world, ups == 1, || format!("a client was up {ups} times"))?;
    }
    town.must_end_empty(world, &clients, SECOND.times(60))
}

fn routes(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let on_lan = HubPlan { is_dhcp_on_lan: true, ..HubPlan::default() };
    let virtual_one = HubPlan { name: "OTHER", net: 31, ..HubPlan::default() };
    let plan = Plan { hubs: vec![on_lan, virtual_one], ..Plan::default() };
    let town = Town::build(world, kind, &plan);
    // A board has only the first one.
    for hub in 0..town.hubs.len() as u8 {
        let mut clients = Vec::new();
        for (number, profile) in (0..).zip([&CP_WIN, &CP_APL_MM, &CP_AND_N]) {
            let person = Person::new(u16::from(hub) * 10 + number).with(profile);
            clients.push(town.client(world, &Person { hub, ..person }));
        }
        town.until_all_up(world, &clients, SECOND.times(15))?;
        world.run_for(SECOND.times(15))?;
        let place = &town.hubs[usize::from(hub)];
        let (router, is_on_lan) = (place.router(world), place.plan.is_dhcp_on_lan);
        for &client in &clients[..2] {
            let told = node(world, client).log().informed.clone();
            let mut wanted = ROUTE.to_vec();
            wanted.extend(router.octets());
            // The virtual DHCP server knows no routes yet, but it answers.
            let wanted = if is_on_lan { wanted } else { Vec::new() };
            let is_told = told
                .as_ref()
                .is_some_and(|told| told.server == Some(router) && told.routes == wanted);
            expect(world, is_told, || format!("on hub {hub} a client was told {told:?}"))?;
        }
        let told = node(world, clients[2]).log().informed.clone();
        expect(world, told.is_none(), || "one was told what it had not asked for".into())?;
        town.must_end_empty(world, &clients, SECOND.times(60))?;
    }
    Ok(())
}

fn mtu(world: &mut World, kind: NodeKind) -> Result<(), Failure> {
    let town = Town::build(world, kind, &Plan::default());
    let host = town.hubs[0].hosts[0];
    let client = town.client(world, &Person::new(1));
    town.until_up(world, client, SECOND.times(5))?;
    let fits = longest(world, &town, host, client)?;
    expect(world, (1_380..=1_400).contains(&fits), || format!("{fits} octets are said to fit"))?;
    segments_fit(world, &town, host, client, fits)?;
    // The path becomes narrow. A board lets others cut what it sends: nobody tells it.
    let oversize = if kind == NodeKind::Embassy { Oversize::Fragment } else { Oversize::Report };
    let narrow = Way { mtu: NARROW, oversize, ..Way::default() };
    let config = LinkConfig { up: Way { mtu: NARROW, ..Way::default() }, down: narrow };
    world.set_link(client.link, config);
    world.scene("the path is narrow");
    let arrives = whole_arrives(world, host, client, fits)?;
    expect(world, arrives == (kind == NodeKind::Embassy), || format!("it arrives: {arrives}"))?;
    world.with(client.id, |node: &mut ClientNode, cx| {
        node.hang_up(cx);
        node.dial(cx);
    });
    town.until_up(world, client, SECOND.times(20))?;
    let fits = longest(world, &town, host, client)?;
    let most = if kind == NodeKind::Embassy { 1_400 } else { NARROW - 60 };
    expect(world, (1_200..=most).contains(&fits), || format!("{fits} octets are said to fit"))?;
    segments_fit(world, &town, host, client, fits)?;
    let is_told = world.way_mut(client.link, Direction::Down).oversize == oversize;
    expect(world, is_told, || "the path has changed".into())?;
    town.must_end_empty(world, &[client], SECOND.times(5))
}

/// How long a packet to a client may be, as a machine on the LAN is told; one of that length must
/// arrive, and a longer one not.
fn longest(world: &mut World, town: &Town, host: NodeId, client: Resident) -> Result<u16, Failure> {
    let to = node(world, client).address().unwrap_or([0; 4].into());
    // So that it knows where that is.
    town.host_pings(world, host, to, SECOND)?;
    let arrives = whole_arrives(world, host, client, 1_500)?;
    expect(world, !arrives, || "what is too long was not refused".into())?;
    let told = world.node::<Host>(host).and_then(Host::heard).and_then(Ip::parse);
    let told = told.and_then(|packet| packet.too_long().map(|(mtu, _)| mtu));
    expect(world, told.is_some(), || "nobody was told that it is too long".into())?;
    let fits = told.unwrap_or(0);
    let arrives = whole_arrives(world, host, client, fits)?;
    expect(world, arrives, || format!("{fits} octets do not arrive"))?;
    Ok(fits)
}

/// Whether a ping of so many octets, which must not be cut, comes back from a client.
fn whole_arrives(
    world: &mut World,
    host: NodeId,
    client: Resident,
    len: u16,
) -> Result<bool, Failure> {
    let to = node(world, client).address().unwrap_or([0; 4].into());
    let from = world.node::<Host>(host).map_or(Ipv4Addr::UNSPECIFIED, Host::ip);
    let count = 10_000 + (world.age().as_micros() / 1_000) as u32;
    let mark = Mark { hub: 0, sender: host.index() as u16, is_host: true, count };
    let packet = Ip::ping(from, to, &mark).padded(len.into()).emit_whole();
    world.with(host, |host: &mut Host, cx| host.put_ip(cx, to, packet));
    world.run_until(SECOND, |world| {
        world.node::<Host>(host).is_some_and(|host| host.ponged(to) == count)
    })
}

/// TCP is told to make its segments fit, both ways.
fn segments_fit(
    world: &mut World,
    town: &Town,
    host: NodeId,
    client: Resident,
    fits: u16,
) -> Result<(), Failure> {
    let there = node(world, client).address().unwrap_or([0; 4].into());
    let here = world.node::<Host>(host).map_or(there, Host::ip);
    town.must_reach(world, client, here)?;
    let syn = Ip::syn(here, there, 1_460).emit();
    world.with(host, |host: &mut Host, cx| host.put_ip(cx, there, syn));
    let syn = Ip::syn(there, here, 1_460).emit();
    world.with(client.id, |node: &mut ClientNode, cx| node.put(cx, syn));
    world.run_for(SECOND)?;
    let heard = [node(world, client).heard(), world.node::<Host>(host).and_then(Host::heard)];
    let told = heard.map(|packet| packet.and_then(Ip::parse).and_then(|packet| packet.mss()));
    expect(world, told == [Some(fits - 40); 2], || format!("TCP was told {told:?}"))
}

/// Octets of the longest packet of a narrow path.
const NARROW: u16 = 1_360;
