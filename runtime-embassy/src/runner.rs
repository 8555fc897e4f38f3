//! The packet task: the IP stack and the server, one after the other, in one future.

use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embassy_net_driver::{Driver, HardwareAddress};
use kumihimo_core::buf::Pool;
use kumihimo_core::config::ConfigError;
use kumihimo_core::crypto::Rng;
use kumihimo_core::event::Event;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Server, Storage};
use kumihimo_core::time::Instant;

use crate::bridge::{Bridge, Lan};
use crate::engine::{Engine, Net};
use crate::ip::ip_config;
use crate::observe::{Facts, Observer};
use crate::pace::Pace;
use crate::settings::{Settings, USERS};
use crate::shared::{Handle, Shared};
use crate::sockets::{NetMemory, PacketMeta, Sockets};

/// All memory of the packet task.
///
/// On a board `storage` and `limits` come from a static of `kumihimo_core::static_tables!`,
/// `pool` from [`crate::Buffers`].
pub struct Resources<'d, P: Pool> {
    /// The tables of the core.
    pub storage: Storage<'d, P::Buf>,
    /// What they were made for.
    pub limits: Limits,
    /// Packet buffers.
    pub pool: P,
    /// The IP stack and its sockets.
    pub net: &'d mut NetMemory,
}

/// The packet task. Its future holds the server; what it is made of can move between executors.
///
/// Every move copies what it holds: a device should only borrow its frames, and the settings wait
/// in [`Shared`].
pub struct Runner<'d, P: Pool, D> {
    shared: &'d Shared,
    resources: Resources<'d, P>,
    device: D,
    hardware: [u8; 6],
    entropy: [u8; 32],
}

/// Why there is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The board has no entropy, or what it calls so is one octet over and over.
    NoEntropy,
    /// The device is not an Ethernet.
    NotEthernet,
    /// The tables are too small for what the settings can hold.
    Limits,
    /// The core refuses the settings.
    Config(ConfigError),
}

/// Makes a server of its parts: a handle for the other tasks, and the task that runs it.
///
/// `entropy` is 32 octets of the board's true random number generator, new at every start.
///
/// # Errors
/// Why there can be none.
pub fn new<'d, P: Pool, D: Driver>(
    shared: &'d Shared,
    resources: Resources<'d, P>,
    device: D,
    settings: Settings,
    entropy: Option<[u8; 32]>,
) -> Result<(Handle<'d>, Runner<'d, P, D>), StartError> {
    let entropy = entropy.filter(is_random).ok_or(StartError::NoEntropy)?;
    let HardwareAddress::Ethernet(hardware) = device.hardware_address() else {
        return Err(StartError::NotEthernet);
    };
    let Limits { hubs, ports, users, .. } = resources.limits;
    if hubs == 0 || ports < 2 || users < USERS {
        return Err(StartError::Limits);
    }
    shared.put_wanted(settings);
    let runner = Runner { shared, resources, device, hardware, entropy };
    Ok((shared.handle(), runner))
}

impl<'d, P: Pool, D: Driver> Runner<'d, P, D> {
    /// Runs for as long as the board does. Belongs on an executor that can interrupt the others.
    ///
    /// # Errors
    /// Only at once: why there is no server.
    pub fn run(self) -> impl Future<Output = Result<Infallible, StartError>> {
        // Not a future of its own around the other one: it would be moved into it.
        self.run_with(|_, _| {})
    }

    /// The same, with someone who sees every fact. It must not take long.
    ///
    /// # Errors
    /// Only at once: why there is no server.
    pub fn run_with(
        self,
        observer: impl FnMut(Instant, &Event),
    ) -> impl Future<Output = Result<Infallible, StartError>> {
        self.run_observed(Facts(observer))
    }

    /// The same, with someone who also looks at the server after each turn.
    ///
    /// # Errors
    /// Only at once: why there is no server.
    pub async fn run_observed(self, observer: impl Observer) -> Result<Infallible, StartError> {
        let (mut lan, mut meta, mut server) = (None, PacketMeta::new(), None);
        let (mut stack, mut engine) = self.join(&mut lan, &mut meta, &mut server, observer)?;
        let mut stack = pin!(stack.run());
        let mut pace = Pace::new();
        poll_fn(|cx| {
            if pace.rests(cx) {
                return Poll::Pending;
            }
            let began = embassy_time::Instant::now();
            // The stack first: what it receives, the engine takes in the same turn.
            let Poll::Pending = stack.as_mut().poll(cx);
            engine.poll(cx);
            engine.end_turn(&mut pace, began);
            Poll::Pending
        })
        .await
    }
}

type Joined<'s, 'r, P, D, O> = (embassy_net::Runner<'r, Bridge<'r, D, P>>, Engine<'s, 'r, P, O>);

impl<'d, P: Pool, D: Driver> Runner<'d, P, D> {
    /// Makes the IP stack, and the rest in the places where it stays.
    ///
    /// Before the first wait and outside the future, which would keep room for each part, and
    /// outside its poll, which would take the stack for it at every turn.
    #[inline(never)]
    fn join<'s, 'r, O: Observer>(
        self,
        lan: &'r mut Option<RefCell<Lan<P>>>,
        meta: &'r mut PacketMeta,
        server: &'s mut Option<Server<'r, P>>,
        observer: O,
    ) -> Result<Joined<'s, 'r, P, D, O>, StartError>
    where
        'd: 'r,
    {
        let Self { shared, resources, device, hardware, entropy } = self;
        let Resources { storage, limits, pool, net } = resources;
        let settings = shared.take_wanted().unwrap_or_default();
        let lan = &*lan.insert(RefCell::new(Lan::new(pool, settings.mac.unwrap_or(hardware))));
        let mut rng = Rng::from_seed(entropy);
        let (seed, stand_in) = (rng.array(), rng.array());
        let config = ip_config(settings.addressing);
        let NetMemory { stack: memory, sockets } = net;
        let device = Bridge::new(device, lan);
        let (stack, runner) = embassy_net::new(device, config, memory, rng.u64());
        let sockets = Sockets::new(stack, sockets, meta);
        let net = Net { stack, sockets, hardware };
        let server = settings
            .with_core(&stand_in, |config| {
                Server::new(storage, &limits, config, seed).map(|made| server.insert(made))
            })
            .map_err(StartError::Config)?;
        shared.put_settings(settings);
        Ok((runner, Engine::new(server, lan, net, shared, stand_in, observer)))
    }
}

impl<P: Pool, D> fmt::Debug for Runner<'_, P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runner")
    }
}

/// Whether this can be entropy: a generator that stands still says the same octet for ever.
fn is_random(entropy: &[u8; 32]) -> bool {
    entropy.iter().any(|octet| octet != &entropy[0])
}
