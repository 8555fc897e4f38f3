//! Local users: who may enter which hub.
//!
//! A user is kept as the NT hash of the password (RFC 2759 §8.3), which serves MS-CHAPv2 and
//! PAP. An unknown user costs the same time as a wrong password. Nothing here asks the outside;
//! other kinds of users come with their own answerers.

mod name;

use subtle::ConstantTimeEq;

use crate::config::{Config, ConfigError, NAME_LEN, UserConfig};
use crate::credentials::{Credentials, Proof, Refusal, Verdict};
use crate::crypto::mschap;
use crate::event::Name;
use crate::ids::UserId;
#[cfg(feature = "alloc")]
use crate::limits::Limits;
use crate::store::{Backing, Bucket, Full, Index, Slab, Slot};

use name::{Caseless, split};

/// The memory of [`Users`].
#[derive(Debug)]
pub struct Storage<'a> {
    /// One slot for each user.
    pub users: Backing<'a, Slot<User>>,
    /// Twice as many places.
    pub index: Backing<'a, Bucket>,
    /// One place for each hub.
    pub hubs: Backing<'a, Option<Name>>,
}

#[cfg(feature = "alloc")]
impl Storage<'_> {
    /// Allocates what `limits` asks for.
    pub fn allocate(limits: &Limits) -> Self {
        Self {
            users: Backing::allocate(limits.users),
            index: Backing::allocate(limits.users * 2 + 1),
            hubs: Backing::allocate(limits.hubs),
        }
    }
}

/// A local user.
pub struct User {
    /// Place of the hub in the configuration.
    hub: u16,
    name: Name,
    nt_hash: [u8; 16],
    max_sessions: Option<u32>,
    sessions: Numbers,
    /// Whether the configuration that is being applied has the user.
    configured: bool,
}

impl core::fmt::Debug for User {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "User({:?} of hub {})", self.name, self.hub)
    }
}

/// The users of all hubs.
#[derive(Debug)]
pub struct Users<'a> {
    users: Slab<'a, UserId, User>,
    index: Index<'a>,
    /// Names of the hubs, by place.
    hubs: Backing<'a, Option<Name>>,
    default_hub: u16,
}

impl<'a> Users<'a> {
    /// No users. `key` keeps others from choosing names that collide in our tables.
    pub fn new(storage: Storage<'a>, key: [u8; 16]) -> Self {
        let mut hubs = storage.hubs;
        hubs.iter_mut().for_each(|hub| *hub = None);
        let index = Index::new(storage.index, key);
        Self { users: Slab::new(storage.users), index, hubs, default_hub: 0 }
    }

    /// Takes over the users of `config`. Those that it still has keep their sessions.
    ///
    /// # Errors
    /// [`ConfigError`]; the users that came before the fault count then.
    pub fn configure(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        self.move_hubs(config)?;
        for (place, hub) in (0..).zip(config.hubs) {
            for user in hub.users {
                self.place(place, user)?;
            }
        }
        self.remove_unless(|user| user.configured);
        Ok(())
    }

    /// Checks what a client proves; names the user if it may enter.
    pub fn check(&self, credentials: &Credentials<'_>) -> (Verdict, Option<UserId>) {
        let text = core::str::from_utf8(credentials.name).unwrap_or_default();
        let (hub, name) = split(text, |hub| self.hub_named(hub), self.default_hub);
        let id = self.find(hub, name);
        let user = id.and_then(|id| self.users.find(id));
        let nt_hash = user.map_or(&NOBODY, |user| &user.nt_hash);
        let verdict = verify(nt_hash, credentials);
        match (user, verdict) {
            (None, _) => (Verdict::Refuse(Refusal::UnknownUser), None),
            (Some(_), Verdict::Refuse(_)) => (verdict, None),
            (Some(_), Verdict::Accept { .. }) => (verdict, id),
        }
    }

    /// The place of a user's hub in the configuration, and the user's name as configured.
    pub fn name_of(&self, id: UserId) -> Option<(usize, &str)> {
        self.users.find(id).map(|user| (usize::from(user.hub), user.name.as_str()))
    }

    /// Counts a session of a user and gives it the lowest number that is free.
    ///
    /// # Errors
    /// [`Refusal::TooManySessions`], [`Refusal::UnknownUser`].
    pub fn enter(&mut self, id: UserId) -> Result<u32, Refusal> {
        let user = self.users.find_mut(id).ok_or(Refusal::UnknownUser)?;
        if user.max_sessions.is_some_and(|most| user.sessions.count() >= most) {
            return Err(Refusal::TooManySessions);
        }
        user.sessions.take().ok_or(Refusal::TooManySessions)
    }

    /// Counts a session of a user as over.
    pub fn leave(&mut self, id: UserId, number: u32) {
        if let Some(user) = self.users.find_mut(id) {
            user.sessions.give(number);
        }
    }

    fn find(&self, hub: u16, name: &str) -> Option<UserId> {
        let hash = self.index.hash(&(hub, Caseless(name)));
        let slot = self.index.find(hash, |slot| {
            let user = self.users.key_at(slot).and_then(|id| self.users.find(id));
            user.is_some_and(|user| user.hub == hub && Caseless(&user.name) == Caseless(name))
        })?;
        self.users.key_at(slot)
    }

    fn hub_named(&self, name: &str) -> Option<u16> {
        let is_it =
            |hub: &Option<Name>| hub.as_ref().is_some_and(|hub| Caseless(hub) == Caseless(name));
        self.hubs.iter().position(is_it).and_then(|place| u16::try_from(place).ok())
    }

    /// Moves users to the places where their hubs are in `config`; the rest goes.
    fn move_hubs(&mut self, config: &Config<'_>) -> Result<(), ConfigError> {
        let place_of = |name: &str| {
            let is_it = |hub: &crate::config::HubConfig<'_>| Caseless(hub.name) == Caseless(name);
            config.hubs.iter().position(is_it).and_then(|place| u16::try_from(place).ok())
        };
        let default_hub = place_of(config.ipsec.default_hub).ok_or(ConfigError::NoDefaultHub)?;
        for at in 0..self.users.capacity() as u32 {
            let Some(id) = self.users.key_at(at) else { continue };
            let Some(user) = self.users.find_mut(id) else { continue };
            let hash = self.index.hash(&(user.hub, Caseless(&user.name)));
            self.index.remove(hash, at);
            let old = self.hubs.get(usize::from(user.hub)).and_then(Option::as_ref);
            let Some(place) = old.and_then(|name| place_of(name)) else {
                self.users.remove(id);
                continue;
            };
            user.hub = place;
            user.configured = false;
        }
        for at in 0..self.users.capacity() as u32 {
            if let Some(user) = self.users.key_at(at).and_then(|id| self.users.find(id)) {
                let hash = self.index.hash(&(user.hub, Caseless(&user.name)));
                self.index.insert(hash, at).map_err(|Full| ConfigError::TooMany)?;
            }
        }
        let names = config.hubs.iter().map(|hub| Name::try_from(hub.name).ok());
        let names = names.chain(core::iter::repeat(None));
        self.hubs.iter_mut().zip(names).for_each(|(place, name)| *place = name);
        self.default_hub = default_hub;
        Ok(())
    }

    fn place(&mut self, hub: u16, config: &UserConfig<'_>) -> Result<(), ConfigError> {
        let name = Name::try_from(config.name).map_err(|_| ConfigError::BadName)?;
        if name.is_empty() || name.len() > NAME_LEN {
            return Err(ConfigError::BadName);
        }
        if let Some(user) = self.find(hub, &name).and_then(|id| self.users.find_mut(id)) {
            if user.configured {
                return Err(ConfigError::DuplicateName);
            }
            user.name = name;
            user.nt_hash = config.nt_hash;
            user.max_sessions = config.max_sessions;
            user.configured = true;
            return Ok(());
        }
        let hash = self.index.hash(&(hub, Caseless(&name)));
        let id = self.users.insert(User {
            hub,
            name,
            nt_hash: config.nt_hash,
            max_sessions: config.max_sessions,
            sessions: Numbers::default(),
            configured: true,
        });
        let id = id.map_err(|Full| ConfigError::TooMany)?;
        self.index.insert(hash, id.index()).map_err(|Full| ConfigError::TooMany)
    }

    fn remove_unless(&mut self, keep: impl Fn(&User) -> bool) {
        for at in 0..self.users.capacity() as u32 {
            let Some(id) = self.users.key_at(at) else { continue };
            let Some(user) = self.users.find(id).filter(|user| !keep(user)) else { continue };
            let hash = self.index.hash(&(user.hub, Caseless(&user.name)));
            self.index.remove(hash, at);
            self.users.remove(id);
        }
    }
}

/// Whether the proof fits the hash of a password.
fn verify(nt_hash: &[u8; 16], credentials: &Credentials<'_>) -> Verdict {
    match credentials.proof {
        Proof::Pap { password } => {
            let given = mschap::nt_hash(core::str::from_utf8(password).unwrap_or_default());
            accept_if(given.ct_eq(nt_hash).into(), None)
        }
        Proof::MsChapV2 { authenticator_challenge, peer_challenge, nt_response } => {
            let (ours, theirs) = (authenticator_challenge, peer_challenge);
            let name = credentials.name;
            let expected = mschap::nt_response(ours, theirs, name, nt_hash);
            let answer = mschap::authenticator_response(nt_hash, nt_response, theirs, ours, name);
            accept_if(expected.ct_eq(nt_response).into(), Some(answer))
        }
    }
}

fn accept_if(fits: bool, authenticator_response: Option<[u8; 20]>) -> Verdict {
    if fits {
        Verdict::Accept { authenticator_response }
    } else {
        Verdict::Refuse(Refusal::WrongPassword)
    }
}

/// The numbers that a user's sessions have.
#[derive(Debug, Default)]
struct Numbers([u64; SESSIONS_MAX / 64]);

impl Numbers {
    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn take(&mut self) -> Option<u32> {
        let (at, word) = (0..).zip(&mut self.0).find(|(_, word)| **word != u64::MAX)?;
        let bit = word.trailing_ones();
        *word |= 1 << bit;
        Some(at * 64 + bit)
    }

    fn give(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
    }
}

/// Sessions of one user at once, where the configuration sets no limit.
const SESSIONS_MAX: usize = 1_024;

/// Stands in for an unknown user's hash; no password is known to have it.
const NOBODY: [u8; 16] = [0x5a; 16];

#[cfg(test)]
mod tests;
