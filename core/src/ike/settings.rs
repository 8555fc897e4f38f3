//! What IKE keeps of the configuration.

use crate::config::{EncapsulationPolicy, IpsecConfig, PSK_LEN, Policy};
use crate::crypto::Secret;
use crate::time::Duration;

/// A copy of the settings that IKE needs.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) psk: Secret<PSK_LEN>,
    pub(super) policy: Policy,
    pub(super) encapsulation: EncapsulationPolicy,
    pub(super) ike_lifetime: Duration,
    pub(super) esp_lifetime: Duration,
    pub(super) dead_after: Duration,
}

impl Settings {
    /// Copies what counts. The server has refused a longer key already; it becomes an empty one
    /// here, with which no main mode is answered.
    pub(super) fn new(config: &IpsecConfig<'_>) -> Self {
        Self {
            psk: Secret::copy_of(config.psk).unwrap_or(Secret::EMPTY),
            policy: config.policy,
            encapsulation: config.encapsulation,
            ike_lifetime: config.ike_lifetime,
            esp_lifetime: config.esp_lifetime,
            dead_after: config.dead_after.max(DEAD_AFTER_MIN),
        }
    }

    /// Whether ESP without UDP may be agreed on with a peer over this IP version.
    pub(super) fn bare_esp(&self, ipv4: bool) -> bool {
        self.encapsulation == EncapsulationPolicy::Auto || !ipv4
    }
}

/// Sleeping phones are silent for that long.
const DEAD_AFTER_MIN: Duration = Duration::from_secs(120);
