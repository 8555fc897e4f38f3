//! Options of IPCP (RFC 1332 §3, RFC 1877).

use std::net::Ipv4Addr;

use super::layer::{Opt, Rules, Verdict};
use crate::profile::PppHabits;

/// What is agreed on about IPv4.
#[derive(Debug)]
pub(super) struct IpcpRules {
    pub(super) address: Ipv4Addr,
    /// The server's own address.
    pub(super) gateway: Option<Ipv4Addr>,
    /// Option and value.
    servers: Vec<(u8, Ipv4Addr)>,
    wants_address: bool,
}

impl IpcpRules {
    pub(super) fn new(habits: &PppHabits) -> Self {
        let servers = habits.name_servers.iter().map(|&kind| (kind, Ipv4Addr::UNSPECIFIED));
        Self {
            address: Ipv4Addr::UNSPECIFIED,
            gateway: None,
            servers: servers.collect(),
            wants_address: true,
        }
    }

    /// Name servers for DNS.
    pub(super) fn dns(&self) -> Vec<Ipv4Addr> {
        let is_dns = |kind| matches!(kind, DNS_1 | DNS_2);
        let given = self.servers.iter().filter(|it| is_dns(it.0) && !it.1.is_unspecified());
        given.map(|it| it.1).collect()
    }
}

impl Rules for IpcpRules {
    fn request(&self) -> Vec<Opt> {
        let address = self.wants_address.then_some((ADDRESS, self.address));
        let list = address.into_iter().chain(self.servers.iter().copied());
        list.map(|(kind, value)| (kind, value.octets().to_vec())).collect()
    }

    fn judge(&mut self, options: &[Opt]) -> Verdict {
        let is_known = |option: &&Opt| option.0 == ADDRESS && option.1.len() == 4;
        let unknown: Vec<_> = options.iter().filter(|it| !is_known(it)).cloned().collect();
        if !unknown.is_empty() {
            return Verdict::Reject(unknown);
        }
        self.gateway = options.first().and_then(|option| address_of(&option.1));
        Verdict::Ack
    }

    fn on_nak(&mut self, options: &[Opt]) {
        for (kind, value) in options {
            let Some(given) = address_of(value) else { continue };
            if *kind == ADDRESS {
                self.address = given;
            } else if let Some(server) = self.servers.iter_mut().find(|it| it.0 == *kind) {
                server.1 = given;
            }
        }
    }

    fn on_reject(&mut self, options: &[Opt]) {
        for (kind, _) in options {
            self.servers.retain(|it| it.0 != *kind);
            self.wants_address &= *kind != ADDRESS;
        }
    }
}

fn address_of(value: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(*value.first_chunk::<4>()?))
}

const ADDRESS: u8 = 3;
const DNS_1: u8 = 129;
const DNS_2: u8 = 131;
