//! What an administrator decided, applied to the components.
//!
//! Hubs are recognised by their names, so that a changed configuration leaves alone what it does
//! not touch.

use crate::buf::Pool;
use crate::config::{Config, ConfigError, HubConfig, NAME_LEN, PSK_LEN, SecureNatConfig};
use crate::event::{DownCause, Name};
use crate::hub::{PortKind, PortOwner};
use crate::ids::{HubId, PortId};
use crate::nat;
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
    pub(super) l2tp_raw: bool,
    pub(super) dead_after: Duration,
}

impl Settings {
    pub(super) fn new(config: &Config<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            host_name: short_name(config.host_name)?,
            l2tp_raw: config.ipsec.l2tp_raw,
            dead_after: config.ipsec.dead_after,
        })
    }
}

impl<P: Pool> Server<'_, P> {
    /// Replaces the configuration. Sessions that it does not touch stay up.
    ///
    /// # Errors
    /// Why it is refused; then the old one stays in force.
    pub fn configure(
        &mut self,
        cx: &mut Cx<'_, P>,
        config: &Config<'_>,
    ) -> Result<(), ConfigError> {
        check(config, self.hub_states.len())?;
        self.users.validate(config)?;
        self.settings = Settings::new(config)?;
        self.ike.configure(&config.ipsec);
        self.remove_hubs(cx, config.hubs);
        self.place_hubs(config.hubs)?;
        self.users.configure(config)
    }

    /// Applies the first configuration.
    pub(super) fn configure_first(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        check(config, self.hub_states.len())?;
        self.place_hubs(config.hubs)?;
        self.users.configure(config)
    }

    /// The port of a bridge.
    pub(super) fn bridge_port(&self, bridge: BridgeId) -> Option<PortId> {
        let state = self.hub_states.get(usize::from(bridge.hub))?.as_ref()?;
        state.bridges.get(usize::from(bridge.bridge)).copied()
    }

    /// Takes down hubs whose names are gone, with their sessions.
    fn remove_hubs(&mut self, cx: &mut Cx<'_, P>, hubs: &[HubConfig<'_>]) {
        for place in 0..self.hub_states.len() {
            let is_gone = |state: &mut HubState| find(hubs, &state.name).is_none();
            let state = self.hub_states.get_mut(place).and_then(|slot| slot.take_if(is_gone));
            let Some(state) = state else { continue };
            self.end_sessions_of(cx, state.id);
            self.clear_ports(&state);
            self.dhcp.remove(state.id);
            self.hubs.remove(state.id);
        }
    }

    fn end_sessions_of(&mut self, cx: &mut Cx<'_, P>, hub: HubId) {
        for at in 0..self.sessions.capacity() as u32 {
            let Some(id) = self.sessions.key_at(at) else { continue };
            let member = self.sessions.find(id).and_then(|session| session.member.as_ref());
            if member.is_some_and(|member| member.hub == hub) {
                self.end_session(cx, id, DownCause::Administrative, None);
            }
        }
    }

    /// Puts every configured hub at its place, with the ports that it has by configuration.
    fn place_hubs(&mut self, hubs: &[HubConfig<'_>]) -> Result<(), ConfigError> {
        for (place, config) in hubs.iter().enumerate() {
            let is_it = |state: &Option<HubState>| {
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
        let free = self.hub_states.iter().position(Option::is_none).ok_or(ConfigError::TooMany)?;
        self.hub_states.swap(free, place);
        *self.hub_states.get_mut(place).ok_or(ConfigError::TooMany)? = Some(state);
        Ok(())
    }

    /// Attaches a hub's bridges and virtual router anew.
    fn place_ports(&mut self, place: usize, config: &HubConfig<'_>) -> Result<(), ConfigError> {
        let slot = self.hub_states.get_mut(place).ok_or(ConfigError::TooMany)?;
        let Some(mut state) = slot.take() else { return Ok(()) };
        self.clear_ports(&state);
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
            _ => self.dhcp.remove(state.id),
        }
        if let Some(slot) = self.hub_states.get_mut(place) {
            *slot = Some(state);
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
        let before = config.hubs.get(..at).unwrap_or_default();
        if find(before, hub.name).is_some() {
            return Err(ConfigError::DuplicateName);
        }
    }
    find(config.hubs, config.ipsec.default_hub).map(|_| ()).ok_or(ConfigError::NoDefaultHub)
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

/// Bridges of one hub.
pub(super) const BRIDGES_MAX: usize = 8;
