//! The core's server as the engine drives it.

use kumihimo_core::buf::Pool;
use kumihimo_core::config::ConfigError;
use kumihimo_core::discard::{DropCounters, DropReason};
use kumihimo_core::ids::RequestId;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{Answer, Input, Output, Request};
use kumihimo_core::time::Instant;

use crate::config_file::Settings;
use crate::engine::Machine;

/// The core's server.
#[derive(Debug)]
pub struct Core {
    drops: DropCounters,
}

impl Core {
    /// A server with tables for `limits`, made of `settings`.
    ///
    /// # Errors
    /// Why the configuration is refused.
    pub fn new(_: &Limits, _: &Settings, _: [u8; 32], _: Instant) -> Result<Self, ConfigError> {
        Ok(Self { drops: DropCounters::default() })
    }
}

impl<P: Pool> Machine<P> for Core {
    type Settings = Box<Settings>;

    fn handle(&mut self, _: Instant, _: &mut P, _: Input<P::Buf>) {
        self.drops.count(DropReason::NotServed);
    }

    fn poll(&mut self, _: Instant, _: &mut P) -> Output<P::Buf> {
        Output::Wait(None)
    }

    fn take_request(&mut self, _: RequestId) -> Option<Request> {
        None
    }

    fn handle_answer(&mut self, _: Instant, _: &mut P, _: RequestId, _: Answer) {
        self.drops.count(DropReason::StaleAnswer);
    }

    fn configure(&mut self, _: Instant, _: &mut P, _: Box<Settings>) -> Result<(), ConfigError> {
        Ok(())
    }

    fn drops(&self) -> &DropCounters {
        &self.drops
    }
}
