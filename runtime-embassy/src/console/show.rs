//! Settings and standing as lines.

use core::fmt;

use kumihimo_core::config::{EncapsulationPolicy, Policy};
use kumihimo_core::discard::DropReason;

use crate::settings::{Addressing, Settings};
use crate::shared::{Status, Traffic};

/// One line of the settings: which, and the MAC address in force.
pub(super) struct Setting<'s>(pub(super) &'s Settings, pub(super) [u8; 6], pub(super) usize);

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(settings, mac, row) = self;
        match row {
            0 if settings.has_psk() => f.write_str("psk is set"),
            0 => f.write_str("psk is not set: nobody can dial in"),
            1 => match settings.addressing {
                Addressing::Dhcp => f.write_str("address dhcp"),
                Addressing::Static { address, prefix_len, gateway } => {
                    write!(f, "address {address}/{prefix_len}")?;
                    gateway.map_or(Ok(()), |gateway| write!(f, " {gateway}"))
                }
            },
            2 => {
                let [a, b, c, d, e, g] = mac;
                write!(f, "mac {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")?;
                f.write_str(if settings.mac.is_none() { " (hardware)" } else { "" })
            }
            3 => write!(f, "hub {}", settings.hub),
            4 => f.write_str(match settings.policy {
                Policy::Modern => "policy modern",
                Policy::Compat => "policy compat",
                Policy::Legacy => "policy legacy",
            }),
            _ => f.write_str(match settings.encapsulation {
                EncapsulationPolicy::Udp => "encapsulation udp",
                EncapsulationPolicy::Auto => "encapsulation auto",
            }),
        }
    }
}

/// Lines of [`Setting`].
pub(super) const SETTINGS_ROWS: usize = 6;

/// One line of where the server stands.
pub(super) struct Standing<'s>(pub(super) &'s Status, pub(super) usize);

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(status, row) = self;
        let traffic = &status.traffic;
        match (row, status.address) {
            (0, _) => {
                let state = if status.is_link_up { "up" } else { "down" };
                write!(f, "link {state}, lost {} times", traffic.link_losses)
            }
            (1, Some((address, prefix_len))) => write!(f, "address {address}/{prefix_len}")
                .and_then(|()| write!(f, ", lost {} times", traffic.address_losses)),
            (1, None) => write!(f, "no address, lost {} times", traffic.address_losses),
            (2, _) => write!(f, "sessions {}", status.sessions),
            (3, _) => {
                let Traffic { frames_in, frames_out, rests, .. } = traffic;
                write!(f, "frames {frames_in} in, {frames_out} out, {rests} rests")
            }
            _ => {
                let (from, to) = (traffic.datagrams_in, traffic.datagrams_out);
                write!(f, "datagrams {from} in, {to} out")
            }
        }
    }
}

/// Lines of [`Standing`].
pub(super) const STATUS_ROWS: usize = 5;

/// A reason for losses, and how often there was one.
pub(crate) struct Loss(pub(crate) &'static str, pub(crate) u64);

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// What was lost, and why: first in the runtime, then in the core.
pub(super) fn losses(status: &Status) -> impl Iterator<Item = Loss> {
    let ours = status.traffic.losses().map(|(name, count)| Loss(name, u64::from(count)));
    let core = DropReason::ALL.iter();
    let core = core.map(|&reason| Loss(reason.name(), status.drops.of(reason)));
    ours.into_iter().chain(core).filter(|&Loss(_, count)| count > 0)
}
