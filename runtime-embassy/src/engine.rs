//! The loop that drives the core on a board: one input, then outputs until it waits.
//!
//! It never waits itself. Each [`Engine::poll`] does a bounded number of turns; what it has to
//! come back for wakes the task.

use core::cell::RefCell;
use core::net::{IpAddr, Ipv4Addr};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::Stack;
use embassy_time::Timer;
use heapless::Deque;
use kumihimo_core::addr::{IKE_PORT, Path};
use kumihimo_core::buf::{Frame, Pool};
use kumihimo_core::ids::RequestId;
use kumihimo_core::server::{BridgeId, Cx, Input, Output, Server};
use kumihimo_core::time::{Duration, Instant, earliest};

use crate::bridge::{Lan, Sent};
use crate::ip::{address_of, set_address};
use crate::log::Log;
use crate::observe::{Observer, Turn};
use crate::pace::Pace;
use crate::settings::{Refused, Settings};
use crate::shared::{Order, Shared};
use crate::sockets::{Lost, Received, Sockets};

/// The board's side of the network.
pub(crate) struct Net<'d> {
    pub(crate) stack: Stack<'d>,
    pub(crate) sockets: Sockets<'d>,
    /// The MAC address of the hardware.
    pub(crate) hardware: [u8; 6],
}

/// The core's server and what it is connected to.
pub(crate) struct Engine<'s, 'r, P: Pool, O> {
    server: &'s mut Server<'r, P>,
    lan: &'r RefCell<Lan<P>>,
    net: Net<'r>,
    shared: &'r Shared,
    /// The key that nobody knows, for as long as there is none.
    stand_in: [u8; 32],
    held: Option<Held<P::Buf>>,
    /// The device has not taken anything for too long: what it cannot take at once is lost.
    is_stuck: bool,
    /// Questions that wait for the one who computes.
    asked: Deque<RequestId, ASKED>,
    deadline: Option<Instant>,
    report_at: Instant,
    is_link_up: bool,
    address: Option<(Ipv4Addr, u8)>,
    turn: u8,
    /// Who dialled last, and when.
    dial: (IpAddr, Instant),
    log: Log<'r>,
    observer: O,
}

impl<'s, 'r, P: Pool, O: Observer> Engine<'s, 'r, P, O> {
    pub(crate) fn new(
        server: &'s mut Server<'r, P>,
        lan: &'r RefCell<Lan<P>>,
        net: Net<'r>,
        shared: &'r Shared,
        stand_in: [u8; 32],
        observer: O,
    ) -> Self {
        Self {
            server,
            lan,
            net,
            shared,
            stand_in,
            held: None,
            is_stuck: false,
            asked: Deque::new(),
            deadline: None,
            report_at: Instant::ZERO,
            is_link_up: false,
            address: None,
            turn: 0,
            dial: (Ipv4Addr::UNSPECIFIED.into(), Instant::ZERO),
            log: Log::new(shared),
            observer,
        }
    }

    /// Does what there is to do, but not for long, and sees to it that the task comes back.
    #[inline(never)]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        let now = clock();
        self.look_around(now);
        let worked = self.work(cx);
        let has_more = self.lan.borrow_mut().end_turn(worked == Worked::Dry);
        if has_more || worked == Worked::Some {
            cx.waker().wake_by_ref();
        }
        self.offer_jobs(cx);
        self.report(clock());
        let held = self.held.as_ref().map(|held| held.since + HELD_MAX);
        let at = earliest(earliest(self.deadline, held), Some(self.report_at));
        self.sleep_until(cx, at.unwrap_or(self.report_at));
        let Self { server, deadline, report_at, .. } = self;
        let traffic = &self.lan.borrow().traffic;
        let (deadline, report_at) = (*deadline, *report_at);
        self.observer.on_turn(now, &Turn { server, traffic, deadline, report_at });
    }

    /// Notes how long the task worked; it may have to rest now.
    pub(crate) fn end_turn(&self, pace: &mut Pace, began: embassy_time::Instant) {
        if pace.note(began, embassy_time::Instant::now(), self.shared.is_computing()) {
            let rests = &mut self.lan.borrow_mut().traffic.rests;
            *rests = rests.wrapping_add(1);
        }
    }

    /// Takes turns.
    fn work(&mut self, cx: &mut Context<'_>) -> Worked {
        let mut has_sent = false;
        for _ in 0..TURNS {
            let is_blocked = !self.drain(cx, &mut has_sent);
            let now = clock();
            if is_blocked && !has_sent {
                return Worked::Blocked;
            }
            let handled = !is_blocked
                && (self.handle_mail(cx, now)
                    || self.handle_timer(now)
                    || self.handle_packet(cx, now));
            if is_blocked || !handled {
                // What was sent leaves when the stack has its turn.
                return if has_sent { Worked::Some } else { Worked::Dry };
            }
        }
        Worked::Some
    }

    /// Answers and orders first: they are few, and someone waits.
    #[inline(never)]
    fn handle_mail(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if let Poll::Ready((id, answer)) = self.shared.answers.poll_receive(cx) {
            let lan = &mut *self.lan.borrow_mut();
            self.server.handle_answer(&mut Cx { now, pool: &mut lan.pool }, id, &answer);
            return true;
        }
        match self.shared.orders.poll_receive(cx) {
            Poll::Ready(Order::Command(command)) => self.handle(now, Input::Command(command)),
            Poll::Ready(Order::Configure) => self.handle_configure(),
            Poll::Pending => return false,
        }
        true
    }

    fn handle_timer(&mut self, now: Instant) -> bool {
        let is_due = self.deadline.is_some_and(|at| at <= now);
        if is_due {
            self.handle(now, Input::Timer);
        }
        is_due
    }

    /// One packet, from the wire's side and the clients' side in turns.
    fn handle_packet(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for _ in 0..3 {
            self.turn = (self.turn + 1) % 3;
            let handled = match self.turn {
                0 => self.handle_frame(now),
                1 => self.handle_udp(cx, now),
                _ => self.handle_esp(cx, now),
            };
            if handled {
                return true;
            }
        }
        false
    }

    fn handle_frame(&mut self, now: Instant) -> bool {
        let Some(frame) = self.lan.borrow_mut().next_for_hub() else { return false };
        self.handle(now, Input::Frame { bridge: BRIDGE, frame });
        true
    }

    fn handle_udp(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let next = self.net.sockets.next_udp(cx, &mut self.lan.borrow_mut().pool);
        self.handle_datagram(now, next)
    }

    fn handle_esp(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let next = {
            let lan = &mut *self.lan.borrow_mut();
            if !lan.take_esp() {
                return false;
            }
            let next = self.net.sockets.next_esp(cx, &mut lan.pool);
            if next.is_some() {
                lan.put_esp_back();
            }
            next
        };
        self.handle_datagram(now, next)
    }

    fn handle_datagram(&mut self, now: Instant, next: Option<Received<P::Buf>>) -> bool {
        let Some(received) = next else { return false };
        {
            let traffic = &mut self.lan.borrow_mut().traffic;
            match received {
                Ok(_) => traffic.datagrams_in = traffic.datagrams_in.wrapping_add(1),
                Err(Lost::NoBuffer) => traffic.no_buffer += 1,
                Err(Lost::Bad) => traffic.bad_frames += 1,
            }
        }
        if let Ok((path, payload)) = received {
            self.note_dial(now, &path, payload.bytes());
            self.handle(now, Input::Datagram { path, payload });
        }
        true
    }

    /// Logs when a client starts to dial: its first message knows no cookie of ours yet.
    fn note_dial(&mut self, now: Instant, path: &Path, payload: &[u8]) {
        let is_first = path.local.port() == IKE_PORT && payload.get(8..16) == Some(&[0; 8]);
        let (last, at) = self.dial;
        if is_first && (last != path.remote.ip() || now.since(at) > DIAL_APART) {
            self.dial = (path.remote.ip(), now);
            self.log.dial(now, path.remote);
        }
    }

    fn handle(&mut self, now: Instant, input: Input<P::Buf>) {
        let lan = &mut *self.lan.borrow_mut();
        self.server.handle(&mut Cx { now, pool: &mut lan.pool }, input);
    }

    /// Polls the core until it waits; `false` if the device has no room before that, and wakes
    /// the task when it has.
    #[inline(never)]
    fn drain(&mut self, cx: &mut Context<'_>, has_sent: &mut bool) -> bool {
        loop {
            let now = clock();
            let is_held = self.held.is_some();
            if !self.send_held(cx, now) {
                return false;
            }
            *has_sent |= is_held;
            let output = {
                let lan = &mut *self.lan.borrow_mut();
                self.server.poll(&mut Cx { now, pool: &mut lan.pool })
            };
            match output {
                Output::Wait(at) => {
                    self.deadline = at;
                    return true;
                }
                Output::Transmit { path, payload } => {
                    self.held = Some(Held { path, datagram: Some(payload), since: now });
                }
                Output::Frame { frame, .. } => {
                    *has_sent = true;
                    self.lan.borrow_mut().handle_hub(frame);
                }
                // One that finds no place times out.
                Output::Request(id) => drop(self.asked.push_back(id)),
                Output::Event(event) => {
                    self.observer.on_event(now, &event);
                    self.log.event(now, &event);
                }
            }
        }
    }

    /// Sends the datagram that waits, if any; `false` if it still has to.
    fn send_held(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(Held { path, datagram, since }) = &mut self.held else { return true };
        let lan = &mut *self.lan.borrow_mut();
        let is_sent = match lan.send(path, datagram) {
            Sent::Done => {
                self.is_stuck = false;
                true
            }
            Sent::Full if !self.is_stuck && now.since(*since) < HELD_MAX => return false,
            Sent::Full => {
                self.is_stuck = true;
                false
            }
            Sent::NoWay => {
                let bytes = datagram.as_ref().map_or(&[][..], Frame::bytes);
                self.net.sockets.send(cx, path, bytes)
            }
        };
        if is_sent {
            lan.traffic.datagrams_out = lan.traffic.datagrams_out.wrapping_add(1);
        } else {
            lan.traffic.unsent += 1;
        }
        self.held = None;
        true
    }

    /// Hands the next question to the one who computes, if he is free.
    #[inline(never)]
    fn offer_jobs(&mut self, cx: &mut Context<'_>) {
        while !self.asked.is_empty() && self.shared.jobs.poll_ready_to_send(cx).is_ready() {
            let id = self.asked.pop_front();
            let job = id.and_then(|id| Some((id, self.server.take_request(id)?)));
            if let Some(job) = job {
                let _ = self.shared.jobs.try_send(job);
            }
        }
    }

    /// Apart: settings are large, and no packet shall pay for their place on the stack.
    #[inline(never)]
    fn handle_configure(&mut self) {
        let Some(settings) = self.shared.take_wanted() else { return };
        let verdict = self.configure(settings);
        let verdicts = &self.shared.verdicts;
        // Whoever asked before and went away does not get this one's answer.
        let _ = verdicts.try_receive();
        let _ = verdicts.try_send(verdict);
    }

    fn configure(&mut self, settings: Settings) -> Result<(), Refused> {
        let server = &mut *self.server;
        settings
            .with_core(&self.stand_in, |config| server.configure(config))
            .map_err(Refused::of_core)?;
        let mac = settings.mac.unwrap_or(self.net.hardware);
        self.lan.borrow_mut().set_own(mac);
        let addressing = settings.addressing;
        let old = self.shared.put_settings(settings);
        if old.is_none_or(|old| old.addressing != addressing) {
            set_address(self.net.stack, addressing);
        }
        Ok(())
    }

    /// Notes that the link or the board's address came or went.
    fn look_around(&mut self, now: Instant) {
        let (is_link_up, address) = (self.net.stack.is_link_up(), address_of(self.net.stack));
        if is_link_up != self.is_link_up {
            self.is_link_up = is_link_up;
            self.lan.borrow_mut().traffic.link_losses += u32::from(!is_link_up);
            self.log.link(now, is_link_up);
        }
        if address != self.address {
            let is_lost = self.address.is_some() && address.is_none();
            self.address = address;
            self.lan.borrow_mut().traffic.address_losses += u32::from(is_lost);
            self.log.address(now, address);
        }
    }

    /// Shows everyone where the server stands.
    fn report(&mut self, now: Instant) {
        if now >= self.report_at {
            self.report_now(now);
        }
    }

    #[inline(never)]
    fn report_now(&mut self, now: Instant) {
        self.report_at = now + REPORT_INTERVAL;
        let (mut traffic, mac) = (self.lan.borrow().traffic, self.lan.borrow().own());
        traffic.lost_lines = self.log.lost_lines();
        self.log.losses(now, &traffic, self.server.drops());
        self.shared.with_status(|status| {
            status.beats = status.beats.wrapping_add(1);
            status.is_link_up = self.is_link_up;
            status.mac = mac;
            status.address = self.address;
            status.sessions = self.server.session_count();
            status.drops.clone_from(self.server.drops());
            status.traffic = traffic;
        });
    }

    fn sleep_until(&self, cx: &mut Context<'_>, at: Instant) {
        let at = embassy_time::Instant::from_micros(at.as_micros());
        if pin!(Timer::at(at)).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

/// A datagram for which the device has no room yet.
struct Held<B> {
    path: Path,
    /// Until it is sent.
    datagram: Option<Frame<B>>,
    since: Instant,
}

/// How a number of turns ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worked {
    /// There was nothing left to do, and nothing was sent.
    Dry,
    /// There may be more to do.
    Some,
    /// The device has no room.
    Blocked,
}

fn clock() -> Instant {
    Instant::from_micros(embassy_time::Instant::now().as_micros())
}

/// The hub's way to the wire.
const BRIDGE: BridgeId = BridgeId { hub: 0, bridge: 0 };
/// Turns before the IP stack gets its own.
const TURNS: usize = 8;
/// Questions that wait to be computed.
const ASKED: usize = 8;
/// How long a datagram waits for the device before it is lost.
const HELD_MAX: Duration = Duration::from_millis(50);
/// A first message this long after another is not its repetition.
const DIAL_APART: Duration = Duration::from_secs(20);
/// How often the status is shown; also the heartbeat.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
