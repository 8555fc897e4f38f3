//! `in-force`: what an administrator decided last is what a server goes by.
//!
//! - Who gets a session is a user of the hub that he comes to, and has not more of them than he
//!   may have.
//! - A name without a hub leads to the default hub.
//! - An address is one that a machine on the LAN granted, or of the virtual server's pool.
//! - Whoever proves himself in phase 1 does so with the key in force, which every client of a
//!   world has, or has not.
//!
//! A dial may be under way while settings change: what was right a while ago is right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use kumihimo::config_file::{HubSettings, Settings};
use kumihimo_core::event::Event;
use kumihimo_core::ids::SessionId;
use kumihimo_core::time::{Duration, Instant};

use crate::node::dhcp::Done;
use crate::node::host::HostFact;
use crate::node::server::{Reloaded, ServerFact, ServerNode};
use crate::node::setup::PSK;
use crate::observe::{Failure, Happening, Observer, fact_as};
use crate::world::{Node, NodeId};

/// The check, for worlds with one server that does not restart.
#[derive(Debug, Default)]
pub struct InForce {
    /// Settings in force, and until when they were; the newest one is last.
    settings: VecDeque<(Option<Instant>, Settings)>,
    granted: BTreeSet<Ipv4Addr>,
    /// Who has which session, and on which hub.
    up: BTreeMap<SessionId, (String, String)>,
}

impl InForce {
    /// Settings that are in force, or were within `span`.
    fn recent(&self, now: Instant, span: Duration) -> impl Iterator<Item = &Settings> {
        let is_recent = move |until: &Option<Instant>| until.is_none_or(|at| at + span >= now);
        self.settings.iter().filter(move |(until, _)| is_recent(until)).map(|(_, it)| it)
    }

    fn on_reload(&mut self, now: Instant, settings: &Settings) {
        if let Some((until, _)) = self.settings.back_mut() {
            *until = Some(now);
        }
        self.settings.push_back((None, settings.clone()));
        while self
            .settings
            .front()
            .is_some_and(|(until, _)| until.is_some_and(|at| at + UNDER_WAY.times(2) < now))
        {
            self.settings.pop_front();
        }
    }

    fn on_up(&self, now: Instant, user: &str, hub: &str, address: Ipv4Addr) -> Result<(), String> {
        let (name, asked) = match user.split_once('@') {
            Some((name, asked)) => (name, Some(asked)),
            None => (user, None),
        };
        let Some((_, settings)) = self.settings.back() else { return Ok(()) };
        let at = hub_of(settings, hub).ok_or_else(|| format!("there is no hub {hub}"))?;
        let known = at.users.iter().find(|known| is_same(&known.name, name));
        known.ok_or_else(|| format!("hub {hub} has no user {name}"))?;
        let mut recent = self.recent(now, UNDER_WAY);
        if asked.is_none() && !recent.any(|it| is_same(&it.ipsec.default_hub, hub)) {
            return Err(format!("{name} is on hub {hub}, which is not the default one"));
        }
        self.count(now, name, hub)?;
        let is_leased = self.recent(now, UNDER_WAY).any(|it| {
            let secure_nat = hub_of(it, hub).and_then(|hub| hub.secure_nat.as_ref());
            secure_nat.is_some_and(|it| it.dhcp && (it.pool.0..=it.pool.1).contains(&address))
        });
        if !is_leased && !self.granted.contains(&address) {
            return Err(format!("{address} of hub {hub} is of no pool"));
        }
        Ok(())
    }

    /// Counts the sessions of a user who has one more.
    fn count(&self, now: Instant, name: &str, hub: &str) -> Result<(), String> {
        let most = self.recent(now, UNDER_WAY).map(|it| {
            let mut users = hub_of(it, hub).into_iter().flat_map(|hub| &hub.users);
            let user = users.find(|user| is_same(&user.name, name));
            user.map_or(0, |user| user.max_sessions.unwrap_or(u32::MAX))
        });
        let most = most.max().unwrap_or(u32::MAX);
        let is_one = |(user, at): &&(String, String)| is_same(user, name) && is_same(at, hub);
        let count = self.up.values().filter(is_one).count() as u32 + 1;
        if count > most {
            return Err(format!("{name} of hub {hub} has {count} sessions, and may have {most}"));
        }
        Ok(())
    }

    fn on_event(&mut self, now: Instant, event: &Event) -> Result<(), String> {
        match event {
            Event::SessionUp { session, user, hub, address, .. } => {
                self.on_up(now, user, hub, *address)?;
                let name = user.split('@').next().unwrap_or(user);
                self.up.insert(*session, (name.to_owned(), hub.as_str().to_owned()));
            }
            Event::SessionDown { session, .. } => {
                self.up.remove(session);
            }
            Event::PeerUp { remote, .. } => {
                let mut recent = self.recent(now, UNDER_WAY);
                if !self.settings.is_empty() && !recent.any(|it| it.ipsec.psk.as_slice() == PSK) {
                    return Err(format!("{remote} proves itself with a key of the past"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Observer for InForce {
    fn on(&mut self, at: Instant, happening: &Happening<'_>) -> Result<(), Failure> {
        let Happening::Fact { fact, .. } = happening else { return Ok(()) };
        if let Some(HostFact::Dhcp { done: Done::Granted { address, .. }, .. }) = fact_as(*fact) {
            self.granted.insert(*address);
        }
        if let Some(Reloaded(Ok(settings))) = fact_as(*fact) {
            self.on_reload(at, settings);
        }
        match fact_as(*fact) {
            Some(ServerFact(event)) => {
                let told = self.on_event(at, event);
                told.map_err(|text| Failure::new("in-force", at, text))
            }
            None => Ok(()),
        }
    }

    fn after(&mut self, _: Instant, _: NodeId, node: &dyn Node) -> Result<(), Failure> {
        if self.settings.is_empty()
            && let Some(server) = (node as &dyn std::any::Any).downcast_ref::<ServerNode>()
        {
            self.settings.push_back((None, server.setup().settings.clone()));
        }
        Ok(())
    }
}

fn hub_of<'s>(settings: &'s Settings, name: &str) -> Option<&'s HubSettings> {
    settings.hubs.iter().find(|hub| is_same(&hub.name, name))
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// How long a dial may be under way between its proof and its session.
const UNDER_WAY: Duration = Duration::from_secs(100);
