//! The table of local users.

use core::hash::{Hash, Hasher};

use subtle::ConstantTimeEq as _;

use super::name;
use crate::canary::{Fault, is_planted};
use crate::config::{Config, ConfigError, HubConfig, NAME_LEN, UserConfig};
use crate::credentials::{Credentials, Proof, Refusal, Verdict};
use crate::crypto::{Secret, mschap};
use crate::ids::UserId;
use crate::store::{Backing, Bucket, Index, Slab, Slot, tables};

/// The local users of all hubs.
#[derive(Debug)]
pub struct Users<'a> {
    /// The hubs' names, at their places in the configuration.
    hubs: Backing<'a, Text>,
    hub_count: usize,
    default_hub: u16,
    users: Slab<'a, UserId, User>,
    index: Index<'a>,
    /// Finds names that a configuration has twice, before anything is changed.
    spare: Index<'a>,
    /// Number of the configuration in force, in its lowest bit.
    round: bool,
}

tables! {
    /// The memory of [`Users`].
    pub struct Storage, Arrays for limits {
        /// Names of hubs.
        hubs: [heapless::String<NAME_LEN>; limits.hubs],
        /// Users.
        users: [Slot<User>; limits.users],
        /// Index of users.
        buckets: [Bucket; limits.users * 2 + 2],
        /// As many places as in `buckets`.
        spare_buckets: [Bucket; limits.users * 2 + 2],
    }
}

/// A local user.
#[derive(Debug)]
pub struct User {
    hub: u16,
    name: Text,
    nt_hash: Secret<16>,
    max_sessions: Option<u32>,
    sessions: u32,
    /// Which of the first numbers are taken.
    numbers: u128,
    /// The next number after those.
    next_number: u32,
    round: bool,
}

type Text = heapless::String<NAME_LEN>;

impl<'a> Users<'a> {
    /// A table without users; `key` is secret and random.
    pub fn new(storage: Storage<'a>, key: [u8; 16]) -> Self {
        Self {
            hubs: storage.hubs,
            hub_count: 0,
            default_hub: 0,
            users: Slab::new(storage.users),
            index: Index::new(storage.buckets, key),
            spare: Index::new(storage.spare_buckets, key),
            round: false,
        }
    }

    /// Whether [`Self::configure`] would take `config`.
    ///
    /// # Errors
    /// Why not.
    pub fn validate(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        let (hubs, default_hub) = (config.hubs, config.ipsec.default_hub);
        let user_count: usize = hubs.iter().map(|hub| hub.users.len()).sum();
        let numbered = usize::from(u16::MAX);
        let crowded = hubs.iter().any(|hub| hub.users.len() > numbered);
        if hubs.len() > self.hubs.len().min(numbered)
            || user_count > self.users.capacity()
            || crowded
        {
            return Err(ConfigError::TooMany);
        }
        let users = hubs.iter().flat_map(|hub| hub.users);
        let mut names = hubs.iter().map(|hub| hub.name).chain(users.map(|user| user.name));
        if names.any(|name| name.is_empty() || name.len() > NAME_LEN) {
            return Err(ConfigError::BadName);
        }
        place_of(hubs, default_hub).ok_or(ConfigError::NoDefaultHub)?;
        let twice = |(place, hub): (usize, &HubConfig<'_>)| place_of(hubs, hub.name) != Some(place);
        if hubs.iter().enumerate().any(twice) {
            return Err(ConfigError::DuplicateName);
        }
        self.check_names(hubs)
    }

    /// Replaces hubs and users. Who stays keeps identifier and sessions; identifiers of users
    /// who are gone are worthless.
    ///
    /// # Errors
    /// Why `config` is refused; nothing is changed then.
    pub fn configure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        self.validate(config)?;
        self.round = !self.round;
        self.move_hubs(config.hubs);
        self.default_hub = place_of(config.hubs, config.ipsec.default_hub).unwrap_or(0) as u16;
        for (hub, user) in each(config.hubs) {
            if let Some((id, _)) = self.find(hub, user.name) {
                let round = self.round;
                if let Some(known) = self.users.find_mut(id) {
                    known.nt_hash = secret(user);
                    known.max_sessions = user.max_sessions;
                    known.round = round;
                }
            }
        }
        self.remove_unnamed();
        for (hub, user) in each(config.hubs) {
            if self.find(hub, user.name).is_none() {
                self.insert(hub, user)?;
            }
        }
        Ok(())
    }

    /// Checks what a client proves. There is a user if, and only if, the client is accepted.
    ///
    /// An unknown name takes as long as a wrong password.
    pub fn check(&self, credentials: &Credentials<'_>) -> (Verdict, Option<UserId>) {
        let found = core::str::from_utf8(credentials.name).ok().and_then(|name| {
            let hub_of = |hub: &str| self.place_of(hub);
            let (hub, user) = name::split(name, self.default_hub, hub_of);
            self.find(hub, user)
        });
        let nobody = Secret::filled(16, |_| {});
        let nt_hash = found.map_or(&nobody, |(_, user)| &user.nt_hash);
        let verified = match (verify(nt_hash, credentials), found) {
            (Err(WrongProof), Some(_)) if is_planted(Fault::DataBeforeAuthentication) => Ok(None),
            (verified, _) => verified,
        };
        match (found, verified) {
            (Some((id, _)), Ok(authenticator_response)) => {
                (Verdict::Accept { authenticator_response }, Some(id))
            }
            (Some(_), Err(WrongProof)) => (Verdict::Refuse(Refusal::WrongPassword), None),
            (None, _) => (Verdict::Refuse(Refusal::UnknownUser), None),
        }
    }

    /// Counts a session of `user`; tells which of the user's sessions it is, from 0.
    ///
    /// The number is the lowest one that is free, so that a returning client gets the same one;
    /// beyond the first 128 it is only a number that no other session has.
    ///
    /// # Errors
    /// [`Refusal::TooManySessions`] or, if the user is gone, [`Refusal::UnknownUser`].
    pub fn enter(&mut self, user: UserId) -> Result<u32, Refusal> {
        let user = self.users.find_mut(user).ok_or(Refusal::UnknownUser)?;
        if user.max_sessions.is_some_and(|max| user.sessions >= max) {
            return Err(Refusal::TooManySessions);
        }
        user.sessions = user.sessions.saturating_add(1);
        let number = user.numbers.trailing_ones();
        if number < u128::BITS {
            user.numbers |= 1 << number;
            return Ok(number);
        }
        let number = user.next_number.max(u128::BITS);
        user.next_number = number.wrapping_add(1);
        Ok(number)
    }

    /// Ends the session of `user` that [`Self::enter`] gave `number`.
    pub fn leave(&mut self, user: UserId, number: u32) {
        if is_planted(Fault::SessionStaysCounted) {
            return;
        }
        if let Some(user) = self.users.find_mut(user) {
            user.sessions = user.sessions.saturating_sub(1);
            user.numbers &= !1_u128.checked_shl(number).unwrap_or(0);
        }
    }

    /// The place of the user's hub in the configuration, and the user's name.
    pub fn name_of(&self, user: UserId) -> Option<(usize, &str)> {
        let user = self.users.find(user)?;
        Some((usize::from(user.hub), &user.name))
    }

    /// Number of sessions of `user`.
    pub fn sessions_of(&self, user: UserId) -> u32 {
        self.users.find(user).map_or(0, |user| user.sessions)
    }

    /// Number of sessions of all users, and of the numbers below 128 that they have. It walks the
    /// table: for tests and for reports.
    pub fn sums(&self) -> (usize, usize) {
        let users = self.users.iter().map(|(_, user)| user);
        users.fold((0, 0), |(sessions, numbers), user| {
            (sessions + user.sessions as usize, numbers + user.numbers.count_ones() as usize)
        })
    }

    /// Number of users.
    pub const fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    pub const fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn hub_names(&self) -> impl Iterator<Item = &Text> {
        self.hubs.iter().take(self.hub_count)
    }

    fn place_of(&self, name: &str) -> Option<u16> {
        let place = self.hub_names().position(|hub| hub.eq_ignore_ascii_case(name))?;
        u16::try_from(place).ok()
    }

    fn find(&self, hub: u16, name: &str) -> Option<(UserId, &User)> {
        let hash = self.hash(hub, name);
        let is_it = |slot| {
            let user = self.users.key_at(slot).and_then(|id| self.users.find(id));
            user.is_some_and(|user| user.hub == hub && name::same(&user.name, name))
        };
        let id = self.users.key_at(self.index.find(hash, is_it)?)?;
        Some((id, self.users.find(id)?))
    }

    /// The hash of a user in the hub at a place of the configuration in force. It is made of the
    /// hub's name, so that it holds when hubs change places.
    fn hash(&self, hub: u16, name: &str) -> u32 {
        let hub = self.hubs.get(usize::from(hub)).map_or("", |hub| hub.as_str());
        self.index.hash(&FullName { hub, name })
    }

    /// Refuses a hub that names a user twice.
    fn check_names(&mut self, hubs: &[HubConfig<'_>]) -> Result<(), ConfigError> {
        self.spare.clear();
        for (place, hub) in (0_u32..).zip(hubs) {
            for (number, user) in (0_u32..).zip(hub.users) {
                let hash = self.spare.hash(&FullName { hub: hub.name, name: user.name });
                let is_it = |entry: u32| {
                    let known = hub.users.get((entry & 0xffff) as usize);
                    entry >> 16 == place && known.is_some_and(|it| name::same(it.name, user.name))
                };
                if self.spare.find(hash, is_it).is_some() {
                    return Err(ConfigError::DuplicateName);
                }
                let inserted = self.spare.insert(hash, place << 16 | number);
                inserted.map_err(|_| ConfigError::TooMany)?;
            }
        }
        Ok(())
    }

    /// Tells users their hubs' new places, and takes over the hubs' names.
    fn move_hubs(&mut self, hubs: &[HubConfig<'_>]) {
        for slot in 0..self.users.capacity() as u32 {
            let Some(id) = self.users.key_at(slot) else { continue };
            let old = self.users.find(id).and_then(|user| self.hubs.get(usize::from(user.hub)));
            match old.and_then(|name| place_of(hubs, name)) {
                Some(place) => {
                    if let Some(user) = self.users.find_mut(id) {
                        user.hub = place as u16;
                    }
                }
                None => self.remove(id),
            }
        }
        for (slot, hub) in self.hubs.iter_mut().zip(hubs) {
            slot.clear();
            let _ = slot.push_str(hub.name);
        }
        self.hub_count = hubs.len();
    }

    /// Removes users whom the new configuration does not name.
    fn remove_unnamed(&mut self) {
        for slot in 0..self.users.capacity() as u32 {
            let Some(id) = self.users.key_at(slot) else { continue };
            if self.users.find(id).is_some_and(|user| user.round != self.round) {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: UserId) {
        if let Some(user) = self.users.find(id) {
            let hash = self.hash(user.hub, &user.name);
            self.index.remove(hash, id.index());
            self.users.remove(id);
        }
    }

    fn insert(&mut self, hub: u16, config: &UserConfig<'_>) -> Result<(), ConfigError> {
        let user = User {
            hub,
            name: Text::try_from(config.name).map_err(|_| ConfigError::BadName)?,
            nt_hash: secret(config),
            max_sessions: config.max_sessions,
            sessions: 0,
            numbers: 0,
            next_number: 0,
            round: self.round,
        };
        let hash = self.hash(hub, config.name);
        let id = self.users.insert(user).map_err(|_| ConfigError::TooMany)?;
        self.index.insert(hash, id.index()).map_err(|_| ConfigError::TooMany)
    }
}

/// A name as it is hashed: without case.
struct FullName<'n> {
    hub: &'n str,
    name: &'n str,
}

impl Hash for FullName<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hub.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
        state.write_u8(0xff);
        name::folded(self.name).for_each(|character| state.write_u32(character.into()));
    }
}

/// The proof does not fit.
struct WrongProof;

/// Checks a proof; for MS-CHAPv2, tells ours.
fn verify(
    nt_hash: &Secret<16>,
    credentials: &Credentials<'_>,
) -> Result<Option<[u8; 20]>, WrongProof> {
    let Ok(nt_hash) = <&[u8; 16]>::try_from(nt_hash.expose()) else { return Err(WrongProof) };
    match credentials.proof {
        Proof::Pap { password } => {
            // Clients send UTF-8; what is not cannot be hashed as they would.
            let password = core::str::from_utf8(password).map_err(|_| WrongProof)?;
            let offered = Secret::<16>::copy_of(&mschap::nt_hash(password)).ok_or(WrongProof)?;
            if offered.equals(nt_hash) { Ok(None) } else { Err(WrongProof) }
        }
        Proof::MsChapV2 { authenticator_challenge: ours, peer_challenge: theirs, nt_response } => {
            let name = credentials.name;
            let expected = mschap::nt_response(ours, theirs, name, nt_hash);
            if !bool::from(expected.ct_eq(nt_response)) {
                return Err(WrongProof);
            }
            Ok(Some(mschap::authenticator_response(nt_hash, nt_response, theirs, ours, name)))
        }
    }
}

fn secret(user: &UserConfig<'_>) -> Secret<16> {
    Secret::copy_of(&user.nt_hash).unwrap_or(Secret::EMPTY)
}

fn place_of(hubs: &[HubConfig<'_>], name: &str) -> Option<usize> {
    hubs.iter().position(|hub| hub.name.eq_ignore_ascii_case(name))
}

/// All users of a configuration, with the places of their hubs.
fn each<'c>(hubs: &'c [HubConfig<'c>]) -> impl Iterator<Item = (u16, &'c UserConfig<'c>)> {
    (0..).zip(hubs).flat_map(|(place, hub)| hub.users.iter().map(move |user| (place, user)))
}
