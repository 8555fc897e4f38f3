//! What time brings: repetitions, HELLO, silence; and how a tunnel ends (RFC 2661 §5.5, §5.7).

use super::channel::CYCLE;
use super::control::send;
use super::reply::Reply;
use super::tunnel::{SILENCE_MAX, State, Tunnel};
use super::{Action, Lns, Out};
use crate::event::{DownCause, FailureCause};
use crate::ids::TunnelId;
use crate::time::Instant;
use crate::wire::l2tp::ResultCode;

impl Lns<'_> {
    /// Works on what is due of a tunnel, and files it anew.
    pub(super) fn on_timeout(&mut self, now: Instant, id: TunnelId, out: &mut Out) {
        let Some(tunnel) = self.tunnels.find(id) else { return };
        match tunnel.state {
            State::Opening { until, replaces } if until <= now => {
                // A late copy of the SCCRQ of a living tunnel opens one that nobody wants.
                let failure = match replaces.and_then(|old| self.tunnels.find(old)) {
                    Some(old) if old.is_open() => None,
                    _ => Some(FailureCause::Silence),
                };
                self.report_failure(id, failure, out);
                self.free_tunnel(id);
                return;
            }
            State::Opening { .. } => {}
            State::Open if tunnel.liveness_deadline() <= now => self.on_quiet(now, id, out),
            State::Open if tunnel.vacant_deadline().is_some_and(|until| until <= now) => {
                let failure = Some(FailureCause::Silence);
                self.shut(now, id, DownCause::Expired, Some(ResultCode::CLEAR), failure, out);
            }
            State::Open => self.expire_setups(now, id),
            State::Closing { until, cause } => {
                if !self.drain_call(id, cause, out) && until <= now {
                    self.free_tunnel(id);
                    return;
                }
            }
        }
        self.resend(now, id, out);
        self.settle(now, id, out);
    }

    /// Ends a tunnel: with StopCCN if `goodbye` is given, and with a line of why it failed if no
    /// call of it ever came up.
    ///
    /// It stays for a while to acknowledge what the client repeats.
    pub(super) fn shut(
        &mut self,
        now: Instant,
        id: TunnelId,
        cause: DownCause,
        goodbye: Option<ResultCode>,
        failure: Option<FailureCause>,
        out: &mut Out,
    ) {
        if self.tunnels.find(id).is_none_or(Tunnel::is_closing) {
            return;
        }
        self.report_failure(id, failure, out);
        self.start_closing(id, now + CYCLE, cause, out);
        self.forget_remote(id);
        if let (Some(result), Some(tunnel)) = (goodbye, self.tunnels.find_mut(id)) {
            tunnel.channel.push_last(Reply::StopCcn(result));
        }
    }

    /// Ends a tunnel without a word: nothing finds it any more.
    pub(super) fn kill(&mut self, id: TunnelId, cause: DownCause, out: &mut Out) {
        self.forget_tunnel(id);
        self.start_closing(id, Instant::ZERO, cause, out);
        match self.tunnels.find(id) {
            Some(tunnel) if tunnel.call_count() == 0 => self.free_tunnel(id),
            _ => self.wheel.set(id.index(), Some(Instant::ZERO)),
        }
    }

    fn start_closing(&mut self, id: TunnelId, until: Instant, cause: DownCause, out: &mut Out) {
        self.unlink(id);
        let Some(tunnel) = self.tunnels.find_mut(id) else { return };
        let (carrier, was_open) = (tunnel.carrier, tunnel.is_open());
        // One that was closing keeps the cause that it had.
        let cause = match tunnel.state {
            State::Closing { cause, .. } => cause,
            State::Opening { .. } | State::Open => cause,
        };
        tunnel.state = State::Closing { until, cause };
        self.lingering.push(&mut self.tunnels, id);
        if was_open {
            out.push(Action::TunnelDown { tunnel: id, carrier, cause });
        }
    }

    fn report_failure(&self, id: TunnelId, cause: Option<FailureCause>, out: &mut Out) {
        if let (Some(cause), Some(tunnel)) = (cause, self.tunnels.find(id))
            && !tunnel.had_call
        {
            out.push(Action::DialFailed { carrier: tunnel.carrier, cause });
        }
    }

    /// An open tunnel has been quiet for a while: ask the client, or give it up.
    fn on_quiet(&mut self, now: Instant, id: TunnelId, out: &mut Out) {
        let Some(tunnel) = self.tunnels.find_mut(id) else { return };
        if now.since(tunnel.heard) >= SILENCE_MAX {
            let failure = Some(FailureCause::Silence);
            self.shut(now, id, DownCause::Silence, Some(ResultCode::CLEAR), failure, out);
        } else {
            self.say(id, Reply::Hello);
        }
    }

    fn resend(&mut self, now: Instant, id: TunnelId, out: &mut Out) {
        let Some(tunnel) = self.tunnels.find_mut(id).filter(|tunnel| tunnel.proven) else {
            return;
        };
        if let Some((ns, reply)) = tunnel.channel.take_to_resend(now) {
            send(tunnel, &self.host_name, ns, reply, out);
        }
    }
}
