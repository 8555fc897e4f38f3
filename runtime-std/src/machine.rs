//! The core's server as the engine drives it.

use kumihimo_core::config::ConfigError;
use kumihimo_core::discard::DropCounters;
use kumihimo_core::ids::RequestId;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Answer, Census, Cx, Input, Output, Request, Server, Storage};
use kumihimo_core::time::Instant;

use crate::config_file::Settings;
use crate::engine::Machine;
use crate::pool::{Buffer, BufferPool};

/// The core's server, with the buffers of a packet thread.
pub struct Core(Server<'static, BufferPool>);

impl Core {
    /// A server with tables for `limits`, made of `settings`; `seed` is entropy.
    ///
    /// # Errors
    /// Why the configuration is refused.
    pub fn new(limits: &Limits, settings: &Settings, seed: [u8; 32]) -> Result<Self, ConfigError> {
        let storage = Storage::allocate(limits);
        settings.with_core(|config| Server::new(storage, limits, config, seed)).map(Self)
    }

    /// How full its tables are.
    pub fn census(&self) -> Census {
        self.0.census()
    }
}

impl Machine<BufferPool> for Core {
    type Settings = Box<Settings>;

    fn handle(&mut self, now: Instant, pool: &mut BufferPool, input: Input<Buffer>) {
        self.0.handle(&mut Cx { now, pool }, input);
    }

    fn poll(&mut self, now: Instant, pool: &mut BufferPool) -> Output<Buffer> {
        self.0.poll(&mut Cx { now, pool })
    }

    fn take_request(&mut self, id: RequestId) -> Option<Request> {
        self.0.take_request(id)
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        pool: &mut BufferPool,
        id: RequestId,
        answer: &Answer,
    ) {
        self.0.handle_answer(&mut Cx { now, pool }, id, answer);
    }

    fn configure(
        &mut self,
        _: Instant,
        _: &mut BufferPool,
        settings: Box<Settings>,
    ) -> Result<(), ConfigError> {
        settings.with_core(|config| self.0.configure(config))
    }

    fn drops(&self) -> &DropCounters {
        self.0.drops()
    }
}

#[cfg(test)]
mod tests;
