//! Options of LCP (RFC 1661 §6).

use super::layer::{Opt, Rules, Verdict};
use crate::profile::{Method, PppHabits};

/// What is agreed on about the link.
#[derive(Debug)]
pub(super) struct LcpRules {
    habits: &'static PppHabits,
    pub(super) magic: u32,
    mru: Option<u16>,
    rejected: Vec<u8>,
    /// How the server wants us to prove ourselves.
    pub(super) method: Option<Method>,
    /// Whether the server takes short headers.
    pub(super) may_compress_protocol: bool,
    pub(super) may_compress_address: bool,
}

impl LcpRules {
    pub(super) const fn new(habits: &'static PppHabits, magic: u32) -> Self {
        Self {
            habits,
            magic,
            mru: habits.mru,
            rejected: Vec::new(),
            method: None,
            may_compress_protocol: false,
            may_compress_address: false,
        }
    }

    fn auth_value(method: Method) -> Vec<u8> {
        match method {
            Method::Pap => vec![0xc0, 0x23],
            Method::MsChapV2 => vec![0xc2, 0x23, 0x81],
        }
    }
}

impl Rules for LcpRules {
    fn request(&self) -> Vec<Opt> {
        let habits = self.habits;
        let list = [
            self.mru.map(|mru| (MRU, mru.to_be_bytes().to_vec())),
            habits.accm.map(|accm| (ACCM, accm.to_be_bytes().to_vec())),
            habits.magic.then(|| (MAGIC, self.magic.to_be_bytes().to_vec())),
            habits.pfc.then(|| (PFC, Vec::new())),
            habits.acfc.then(|| (ACFC, Vec::new())),
            habits.callback.map(|operation| (CALLBACK, vec![operation])),
        ];
        let wanted = |option: &Opt| !self.rejected.contains(&option.0);
        list.into_iter().flatten().filter(wanted).collect()
    }

    fn judge(&mut self, options: &[Opt]) -> Verdict {
        let known = [MRU, ACCM, AUTH, MAGIC, PFC, ACFC];
        let unknown = |option: &&Opt| !known.contains(&option.0);
        let rejected: Vec<_> = options.iter().filter(unknown).cloned().collect();
        if !rejected.is_empty() {
            return Verdict::Reject(rejected);
        }
        let mut method = None;
        if let Some((_, value)) = options.iter().find(|option| option.0 == AUTH) {
            let methods = self.habits.methods;
            method = methods.iter().copied().find(|&one| Self::auth_value(one) == *value);
            if method.is_none() {
                let best = methods.first().copied().unwrap_or(Method::Pap);
                return Verdict::Nak(vec![(AUTH, Self::auth_value(best))]);
            }
        }
        self.method = method;
        self.may_compress_protocol = options.iter().any(|option| option.0 == PFC);
        self.may_compress_address = options.iter().any(|option| option.0 == ACFC);
        Verdict::Ack
    }

    fn on_nak(&mut self, options: &[Opt]) {
        for (kind, value) in options {
            match (*kind, &value[..]) {
                (MRU, &[high, low]) => self.mru = Some(u16::from_be_bytes([high, low])),
                (MAGIC, _) => self.magic = self.magic.wrapping_add(0x0101_0101),
                _ => {}
            }
        }
    }

    fn on_reject(&mut self, options: &[Opt]) {
        self.rejected.extend(options.iter().map(|option| option.0));
    }
}

const MRU: u8 = 1;
const ACCM: u8 = 2;
const AUTH: u8 = 3;
const MAGIC: u8 = 5;
const PFC: u8 = 7;
const ACFC: u8 = 8;
const CALLBACK: u8 = 13;
