//! Facts as lines of text, for the console.
//!
//! One line for each fact: seconds since the start, then a name, then values. A line for which
//! there is no room is counted, and the next one that finds room says so.

use core::fmt::{self, Write as _};
use core::net::{Ipv4Addr, SocketAddr};

use kumihimo_core::discard::{DropCounters, DropReason};
use kumihimo_core::event::{Event, FailureCause};
use kumihimo_core::time::{Duration, Instant};

use crate::shared::{LOSSES, Shared, Traffic};

/// Where lines go.
pub(crate) struct Log<'d> {
    shared: &'d Shared,
    lost: u32,
    /// Losses that were told.
    told: Losses,
    tell_at: Instant,
}

/// What was lost so far: outside the core by name, and inside.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Losses {
    ours: [u32; LOSSES],
    core: u64,
    /// Each of them may have cost packets that the device had no room for.
    rests: u32,
}

impl<'d> Log<'d> {
    pub(crate) const fn new(shared: &'d Shared) -> Self {
        let told = Losses { ours: [0; LOSSES], core: 0, rests: 0 };
        Self { shared, lost: 0, told, tell_at: Instant::ZERO }
    }

    /// Lines for which there was no room.
    pub(crate) const fn lost_lines(&self) -> u32 {
        self.lost
    }

    pub(crate) fn event(&mut self, now: Instant, event: &Event) {
        self.line(now, format_args!("{}", Fact(event)));
    }

    pub(crate) fn dial(&mut self, now: Instant, remote: SocketAddr) {
        self.line(now, format_args!("dial from={remote}"));
    }

    pub(crate) fn link(&mut self, now: Instant, is_up: bool) {
        self.line(now, format_args!("link {}", if is_up { "up" } else { "down" }));
    }

    pub(crate) fn address(&mut self, now: Instant, address: Option<(Ipv4Addr, u8)>) {
        match address {
            Some((address, prefix_len)) => {
                self.line(now, format_args!("ready address={address}/{prefix_len}"));
            }
            None => self.line(now, format_args!("no address")),
        }
    }

    /// Tells what was lost since it was told last, once a minute at most.
    pub(crate) fn losses(&mut self, now: Instant, traffic: &Traffic, drops: &DropCounters) {
        if now < self.tell_at {
            return;
        }
        // A keepalive is dropped because there is nothing else to do with it.
        let core = drops.total() - drops.of(DropReason::Keepalive);
        let ours = traffic.losses().map(|(_, count)| count);
        let lost = Losses { ours, core, rests: traffic.rests };
        if lost == self.told {
            return;
        }
        self.tell_at = now + TELL_INTERVAL;
        let mut text = heapless::String::<LINE_LEN>::new();
        for ((name, count), told) in traffic.losses().iter().zip(self.told.ours) {
            if *count != told {
                let _ = write!(text, " {name}={}", count.wrapping_sub(told));
            }
        }
        if lost.core != self.told.core {
            let _ = write!(text, " in-core={}", lost.core - self.told.core);
        }
        if lost.rests != self.told.rests {
            let _ = write!(text, " rests={}", lost.rests.wrapping_sub(self.told.rests));
        }
        self.told = lost;
        self.line(now, format_args!("lost{text}"));
    }

    #[inline(never)]
    fn line(&mut self, now: Instant, what: fmt::Arguments<'_>) {
        let mut line = heapless::String::<LINE_LEN>::new();
        let millis = now.as_micros() / 1_000;
        // What does not fit is cut off.
        let _ = write!(line, "{}.{:03} {what}", millis / 1_000, millis % 1_000);
        let lines = &self.shared.lines;
        if lines.free_capacity() < line.len() + 2 {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let _ = lines.try_write(line.as_bytes());
        let _ = lines.try_write(b"\r\n");
    }
}

struct Fact<'e>(&'e Event);

impl fmt::Display for Fact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::PeerUp { remote, suite, .. } => write!(f, "peer-up from={remote} {suite:?}"),
            Event::PeerDown { remote, cause, .. } => {
                write!(f, "peer-down from={remote} cause={cause:?}")
            }
            Event::PeerMoved { remote, .. } => write!(f, "peer-moved to={remote}"),
            Event::SaUp { suite, .. } => write!(f, "sa-up {suite:?}"),
            Event::TunnelUp { remote, host_name, .. } => {
                write!(f, "tunnel-up from={remote} name={host_name:?}")
            }
            Event::SessionUp { remote, user, address, took, .. } => write!(
                f,
                "session-up from={remote} user={user:?} address={address} took={}ms",
                took.as_millis()
            ),
            Event::SessionDown { remote, user, cause, .. } => {
                write!(f, "session-down from={remote} user={user:?} cause={cause:?}")
            }
            Event::DialFailed(failure) => {
                let (remote, stage) = (failure.remote, failure.stage);
                write!(f, "dial-failed from={remote} stage={stage:?} cause=")?;
                match failure.cause {
                    FailureCause::Refused(refusal) => write!(f, "{refusal:?}")?,
                    FailureCause::Limit(reason) | FailureCause::Protocol(reason) => {
                        f.write_str(reason.name())?;
                    }
                    cause => write!(f, "{cause:?}")?,
                }
                if !failure.user.is_empty() {
                    write!(f, " user={:?}", failure.user)?;
                }
                Ok(())
            }
            Event::Refused { remote: Some(remote), reason } => {
                write!(f, "refused from={remote} reason={}", reason.name())
            }
            Event::Refused { remote: None, reason } => {
                write!(f, "refused reason={}", reason.name())
            }
        }
    }
}

/// How often losses are told.
const TELL_INTERVAL: Duration = Duration::from_secs(60);
/// Octets of the longest line.
const LINE_LEN: usize = 240;
