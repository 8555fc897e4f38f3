//! The board's own address: what was set, and what the IP stack made of it.

use core::net::Ipv4Addr;

use embassy_net::{Config, DhcpConfig, Ipv4Cidr, Stack, StaticConfigV4};

use crate::settings::Addressing;

/// The settings in the IP stack's words.
pub(crate) fn ip_config(addressing: Addressing) -> Config {
    match addressing {
        Addressing::Dhcp => Config::dhcpv4(DhcpConfig::default()),
        Addressing::Static { address, prefix_len, gateway } => {
            let address = Ipv4Cidr::new(address, prefix_len);
            let dns_servers = Default::default();
            Config::ipv4_static(StaticConfigV4 { address, gateway, dns_servers })
        }
    }
}

/// Gives a running stack another address.
pub(crate) fn set_address(stack: Stack<'_>, addressing: Addressing) {
    stack.set_config_v4(ip_config(addressing).ipv4);
}

/// The address in force, and the length of its prefix.
pub(crate) fn address_of(stack: Stack<'_>) -> Option<(Ipv4Addr, u8)> {
    let config = stack.config_v4()?;
    Some((config.address.address(), config.address.prefix_len()))
}
