//! What an administrator decided, applied to the components.
//!
//! Hubs are recognised by their names, so that a changed configuration leaves alone what it does
//! not touch.

use crate::buf::Pool;
use crate::canary::{Fault, is_planted};
use crate::config::{
    BRIDGES_MAX, Config, ConfigError, HubConfig, NAME_LEN, PSK_LEN, SecureNatConfig,
};
use crate::dhcp::Dhcp;
use crate::event::{DownCause, Name};
use crate::hub::{PortKind, PortOwner};
use crate::ids::{HubId, PortId};
use crate::nat;
use crate::session::Session;
use crate::store::Place;
use crate::time::Duration;

use super::{BridgeId, Cx, Server};

/// A hub as the server knows it.
#[derive(Debug)]
pub struct HubState {
    pub(super) id: HubId,
    pub(super) name: Name,
    pub(super) gateway: Option<Gateway>,
    bridges: heapless::Vec<PortId, BRIDGES_MAX>,
}

impl HubState {
    /// Ports that it has by configuration.
    pub(super) fn port_count(&self) -> usize {
        self.bridges.len() + usize::from(self.gateway.is_some())
    }
}

/// A hub's virtual router and its port.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) router: nat::Gateway,
    port: PortId,
}

/// What of the configuration the server itself needs.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) host_name: Name,
    pub(super) l2tp: bool,
    pub(super) l2tp_raw: bool,
    pub(super) dead_after: Duration,
}

impl Settings {
    pub(super) fn new(config: &Config<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            host_name: short_name(config.host_name)?,
            l2tp: config.ipsec.l2tp,
            l2tp_raw: config.ipsec.l2tp_raw,
            dead_after: config.ipsec.dead_after,
        })
    }
}

impl<P: Pool> Server<'_, P> {
    /// Replaces the configuration. Sessions that it does not touch stay up; those whose hub or
    /// user is gone end.
    ///
    /// # Errors
    /// Why it is refused; then the old one stays in force.
    pub fn configure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        self.validate(config)?;
        self.settings = Settings::new(config)?;
        if !is_planted(Fault::ReloadNotInForce) {
            self.ike.configure(&config.ipsec);
        }
        self.lns.configure(config.host_name);
        self.remove_hubs(config.hubs);
        self.apply(config)?;
        self.orphan_users();
        Ok(())
    }

    /// Applies the first configuration.
    pub(super) fn configure_first(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        self.validate(config)?;
        self.apply(config)
    }

    /// Refuses what cannot be applied as a whole, before anything is changed.
    fn validate(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        check(config, self.hub_states.len())?;
        Settings::new(config)?;
        self.users.validate(config)?;
        let ports: usize = config.hubs.iter().map(ports_of).sum();
        let stays = |session: &Session<P::Buf>| {
            let member = session.member.as_ref();
            let state = member.and_then(|member| self.hub_state(member.hub));
            state.is_some_and(|state| find(config.hubs, &state.name).is_some())
        };
        let taken = self.sessions.iter().filter(|(_, session)| stays(session)).count();
        if ports.saturating_add(taken) > self.hubs.port_capacity() {
            return Err(ConfigError::TooMany);
        }
        Ok(())
    }

    /// Brings hubs and users into line with a configuration that [`Self::validate`] accepts.
    fn apply(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        for place in 0..self.hub_states.len() {
            let Some(state) = self.hub_states.get_mut(place).and_then(Place::take) else {
                continue;
            };
            self.clear_ports(&state);
            if let Some(slot) = self.hub_states.get_mut(place) {
                *slot = Place::Taken(state);
            }
        }
        self.place_hubs(config.hubs)?;
        self.users.configure(config)
    }

    fn hub_state(&self, hub: HubId) -> Option<&HubState> {
        self.hub_states.iter().flatten().find(|state| state.id == hub)
    }

    /// The port of a bridge.
    pub(super) fn bridge_port(&self, bridge: BridgeId) -> Option<PortId> {
        let state = self.hub_states.get(usize::from(bridge.hub))?.as_ref()?;
        state.bridges.get(usize::from(bridge.bridge)).copied()
    }

    /// Takes down hubs whose names are gone. Their sessions leave them at once, and end one by
    /// one.
    fn remove_hubs(&mut self, hubs: &[HubConfig<'_>]) {
        for place in 0..self.hub_states.len() {
            let is_gone = |state: &mut HubState| {
                let is_same = |hub: &HubConfig<'_>| hub.name == state.name.as_str();
                let is_renamed = is_planted(Fault::RenamedHubEnds) && !hubs.iter().any(is_same);
                find(hubs, &state.name).is_none() || is_renamed
            };
            let state = self.hub_states.get_mut(place).and_then(|slot| slot.take_if(is_gone));
            let Some(state) = state else { continue };
            self.orphan_members(state.id);
            self.clear_ports(&state);
            self.dhcp.remove(state.id);
            let is_gone = self.hubs.remove(state.id);
            debug_assert!(is_gone, "a hub without ports can go");
        }
    }

    fn orphan_members(&mut self, hub: HubId) {
        for at in 0..self.sessions.capacity() as u32 {
            let Some(id) = self.sessions.key_at(at) else { continue };
            let Some(session) = self.sessions.find_mut(id) else { continue };
            let Some(member) = session.member.take_if(|member| member.hub == hub) else { continue };
            session.is_orphan = true;
            self.hubs.detach(member.port);
            self.users.leave(member.user, member.number);
            self.orphans_from = Some(0);
        }
    }

    fn orphan_users(&mut self) {
        for at in 0..self.sessions.capacity() as u32 {
            let Some(id) = self.sessions.key_at(at) else { continue };
            let Some(session) = self.sessions.find_mut(id) else { continue };
            let user = session.member.as_ref().map(|member| member.user);
            if user.is_some_and(|user| self.users.name_of(user).is_none()) {
                session.is_orphan = true;
                self.orphans_from = Some(0);
            }
        }
    }

    /// Ends the session in one slot if it has lost its hub or user; tells whether there was a
    /// slot to look at.
    pub(super) fn step_orphans(&mut self, cx: &mut Cx<'_, P>) -> bool {
        let Some(at) = self.orphans_from else { return false };
        self.orphans_from = (at as usize + 1 < self.sessions.capacity()).then_some(at + 1);
        let id = self.sessions.key_at(at);
        if let Some(id) = id
            && self.sessions.find(id).is_some_and(|session| session.is_orphan)
        {
            self.end_session(cx, id, DownCause::Administrative, None);
        }
        true
    }

    /// Puts every configured hub at its place, with the ports that it has by configuration.
    fn place_hubs(&mut self, hubs: &[HubConfig<'_>]) -> Result<(), ConfigError> {
        for (place, config) in hubs.iter().enumerate() {
            let is_it = |state: &Place<HubState>| {
                state.as_ref().is_some_and(|state| state.name.eq_ignore_ascii_case(config.name))
            };
            match self.hub_states.iter().position(is_it) {
                Some(at) => self.hub_states.swap(at, place),
                None => self.add_hub(place, config.name)?,
            }
            self.place_ports(place, config)?;
        }
        Ok(())
    }

    fn add_hub(&mut self, place: usize, name: &str) -> Result<(), ConfigError> {
        let id = self.hubs.add().map_err(|_| ConfigError::TooMany)?;
        let name = short_name(name)?;
        let state = HubState { id, name, gateway: None, bridges: heapless::Vec::new() };
        // Whoever stood here moves to a free place and is put right in its turn.
        let free = self.hub_states.iter().position(Place::is_free).ok_or(ConfigError::TooMany)?;
        self.hub_states.swap(free, place);
        *self.hub_states.get_mut(place).ok_or(ConfigError::TooMany)? = Place::Taken(state);
        Ok(())
    }

    /// Attaches a hub's bridges and virtual router, of which it has none attached.
    fn place_ports(&mut self, place: usize, config: &HubConfig<'_>) -> Result<(), ConfigError> {
        let slot = self.hub_states.get_mut(place).ok_or(ConfigError::TooMany)?;
        let Some(mut state) = slot.take() else { return Ok(()) };
        state.bridges.clear();
        state.gateway = None;
        for bridge in 0..config.bridges {
            let owner = PortOwner::Bridge { hub: place as u16, bridge: bridge as u16 };
            let port = self.hubs.attach(state.id, PortKind::Bridge, owner);
            let port = port.map_err(|_| ConfigError::TooMany)?;
            state.bridges.push(port).map_err(|_| ConfigError::TooMany)?;
        }
        if let Some(secure_nat) = &config.secure_nat {
            state.gateway = Some(self.place_gateway(state.id, secure_nat)?);
        }
        match &config.secure_nat {
            Some(secure_nat) if secure_nat.dhcp => self.dhcp.configure(state.id, secure_nat)?,
            _ => self.dhcp.stop(state.id),
        }
        if let Some(slot) = self.hub_states.get_mut(place) {
            *slot = Place::Taken(state);
        }
        Ok(())
    }

    fn place_gateway(
        &mut self,
        hub: HubId,
        config: &SecureNatConfig<'_>,
    ) -> Result<Gateway, ConfigError> {
        let router = nat::Gateway::new(config);
        let kind = PortKind::Host(router.mac());
        let port = self.hubs.attach(hub, kind, PortOwner::Gateway(hub));
        Ok(Gateway { router, port: port.map_err(|_| ConfigError::TooMany)? })
    }

    fn clear_ports(&mut self, state: &HubState) {
        let gateway = state.gateway.as_ref().map(|gateway| gateway.port);
        for &port in state.bridges.iter().chain(&gateway) {
            self.hubs.detach(port);
        }
    }
}

/// Refuses what no part of the server could work with, before anything is changed.
pub(super) fn check(config: &Config<'_>, hubs_max: usize) -> Result<(), ConfigError> {
    let psk_len = config.ipsec.psk.len();
    if psk_len == 0 || psk_len > PSK_LEN {
        return Err(ConfigError::BadPsk);
    }
    if config.hubs.len() > hubs_max {
        return Err(ConfigError::TooMany);
    }
    for (at, hub) in config.hubs.iter().enumerate() {
        short_name(hub.name)?;
        if hub.bridges > BRIDGES_MAX {
            return Err(ConfigError::TooMany);
        }
        if let Some(secure_nat) = hub.secure_nat.as_ref().filter(|secure_nat| secure_nat.dhcp) {
            Dhcp::validate(secure_nat)?;
        }
        let before = config.hubs.get(..at).unwrap_or_default();
        if find(before, hub.name).is_some() {
            return Err(ConfigError::DuplicateName);
        }
    }
    find(config.hubs, config.ipsec.default_hub).map(|_| ()).ok_or(ConfigError::NoDefaultHub)
}

/// Ports that a hub has by configuration.
const fn ports_of(hub: &HubConfig<'_>) -> usize {
    hub.bridges + hub.secure_nat.is_some() as usize
}

fn find<'h, 'c>(hubs: &'h [HubConfig<'c>], name: &str) -> Option<&'h HubConfig<'c>> {
    hubs.iter().find(|hub| hub.name.eq_ignore_ascii_case(name))
}

fn short_name(name: &str) -> Result<Name, ConfigError> {
    if name.is_empty() || name.len() > NAME_LEN {
        return Err(ConfigError::BadName);
    }
    Name::try_from(name).map_err(|_| ConfigError::BadName)
}
