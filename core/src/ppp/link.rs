//! One PPP link: its phases (RFC 1661 §3.2) and which protocol gets which packet.

use core::net::Ipv4Addr;

use super::auth::{Auth, Progress};
use super::automaton::Event;
use super::ipcp::Ipcp;
use super::ipv6cp::Ipv6cp;
use super::keepalive::{Check, Keepalive};
use super::layer::{Layer, Signals};
use super::lcp::Lcp;
use super::{Action, Out, send};
use crate::addr::Ipv4Assignment;
use crate::buf::Reader;
use crate::credentials::{Refusal, Verdict};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DownCause, FailureCause, Stage};
use crate::time::{Duration, Instant, earliest};
use crate::wire::ppp::cp::{Packet, choices, code};
use crate::wire::ppp::{Frame, Protocol, ipcp, lcp};

/// What a link has to know.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig<'a> {
    /// Octets of the longest IP packet that the path to the client carries.
    pub mru: u16,
    /// What we call ourselves in a Challenge; cut to [`SERVER_NAME_LEN`] octets.
    pub server_name: &'a str,
    /// Whether MS-CHAPv2 may be used.
    pub ms_chap_v2: bool,
    /// Whether PAP may be used, should the client refuse MS-CHAPv2.
    pub pap: bool,
    /// Whether IPv6 is negotiated; without it IPV6CP is answered with a Protocol-Reject.
    pub ipv6: bool,
    /// Silence after which the client is given up; at least 120 s.
    pub dead_after: Duration,
}

/// Octets of the longest name of ours.
pub const SERVER_NAME_LEN: usize = 32;

/// A packet that the link lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 packet begins here.
    Ipv4 {
        /// Octets of the frame before it.
        offset: usize,
    },
    /// An IPv6 packet begins here.
    Ipv6 {
        /// Octets of the frame before it.
        offset: usize,
    },
}

/// A PPP link with a client.
///
/// Whatever a call returns, what it put into `out` is to be carried out.
pub struct Link {
    lcp: Layer<Lcp>,
    ipcp: Layer<Ipcp>,
    ipv6cp: Layer<Ipv6cp>,
    auth: Option<Auth>,
    phase: Phase,
    keepalive: Keepalive,
    /// When the phase has to be over.
    limit: Option<Instant>,
    /// When the address is asked for though the client has not named one.
    want_address: Option<Instant>,
    /// When we speak first, if the client does not.
    first_word: Option<Instant>,
    /// Fingerprint of the name in question.
    name: u64,
    /// Fingerprint of the name that was accepted.
    user: Option<u64>,
    /// The client's IPCP request that waits for the address.
    held: heapless::Vec<u8, HELD_LEN>,
    /// Whether IPv4 ever passed.
    was_up: bool,
    failure: Option<(Stage, FailureCause)>,
    ipv6: bool,
    server_name: heapless::String<SERVER_NAME_LEN>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before [`Link::start`].
    Dead,
    Establish,
    Authenticate,
    Network,
    /// Will be over for this cause.
    Terminate(DownCause),
    /// [`Action::Down`] was pushed.
    Over,
}

impl Link {
    /// A link for a call that is up.
    pub fn new(now: Instant, config: &LinkConfig<'_>) -> Self {
        let mut server_name = heapless::String::new();
        for character in config.server_name.chars() {
            if server_name.push(character).is_err() {
                break;
            }
        }
        Self {
            lcp: Layer::new(Lcp::new(config.mru, config.ms_chap_v2, config.pap)),
            ipcp: Layer::new(Ipcp::default()),
            ipv6cp: Layer::new(Ipv6cp::default()),
            auth: None,
            phase: Phase::Dead,
            keepalive: Keepalive::new(now, config.dead_after),
            limit: None,
            want_address: None,
            first_word: None,
            name: 0,
            user: None,
            held: heapless::Vec::new(),
            was_up: false,
            failure: None,
            ipv6: config.ipv6,
            server_name,
        }
    }

    /// Begins to negotiate.
    pub fn start(&mut self, now: Instant, out: &mut Out) {
        if self.phase != Phase::Dead {
            return;
        }
        self.phase = Phase::Establish;
        self.limit = Some(now + ESTABLISH_WITHIN);
        self.keepalive.note_heard(now);
        self.lcp.happen(now, Event::Open, out);
        self.ipcp.happen(now, Event::Open, out);
        self.ipv6cp.happen(now, Event::Open, out);
        self.first_word = Some(now + FIRST_WORD_WITHIN);
    }

    /// Speaks first, unless that was done: as soon as the client does, or when its time is up.
    ///
    /// A client's PPP starts a little after its call is up. What is sent to it before that is
    /// lost, and repeating it costs a second; repeated too soon, the copy takes down a link that
    /// the first one has opened.
    fn begin(&mut self, now: Instant, rng: &mut Rng, out: &mut Out) {
        if self.first_word.take().is_some() {
            self.lcp.handle_up(now, rng, out);
        }
    }

    /// Recognises an IP packet that may pass; everything else is for [`Self::handle_frame`].
    pub fn data(&self, frame: &[u8]) -> Option<Data> {
        let parsed = Frame::parse(frame).ok()?;
        let offset = frame.len().checked_sub(parsed.information.len())?;
        match parsed.protocol {
            Protocol::IPV4 if self.ipcp.is_open() => Some(Data::Ipv4 { offset }),
            Protocol::IPV6 if self.ipv6cp.is_open() => Some(Data::Ipv6 { offset }),
            _ => None,
        }
    }

    /// Whether IPv4 packets may be sent to the client: not while it negotiates anew.
    pub fn carries_ipv4(&self) -> bool {
        self.ipcp.is_open()
    }

    /// What stands before a packet of `protocol` to the client: the first `len` octets.
    ///
    /// Address and control, and the protocol's first octet if it is zero, are left out only if
    /// the client asked for it (RFC 1661 §6.5, §6.6).
    pub fn header(&self, protocol: Protocol) -> ([u8; 4], usize) {
        let [high, low] = protocol.0.to_be_bytes();
        match (self.lcp.options.compressions(), high) {
            ((true, true), 0) => ([low, 0, 0, 0], 1),
            ((true, _), _) => ([high, low, 0, 0], 2),
            ((false, true), 0) => ([0xff, 0x03, low, 0], 3),
            ((false, _), _) => ([0xff, 0x03, high, low], 4),
        }
    }

    /// Notes that something authentic came from the client; [`Self::handle_frame`] does so too.
    pub const fn note_heard(&mut self, now: Instant) {
        self.keepalive.note_heard(now);
    }

    /// Takes a PPP frame that is no IP packet.
    ///
    /// # Errors
    /// Why it was dropped, even if a rejection went out.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        frame: &[u8],
        out: &mut Out,
    ) -> Result<(), DropReason> {
        self.keepalive.note_heard(now);
        if matches!(self.phase, Phase::Dead | Phase::Over) {
            return Err(DropReason::LinkDown);
        }
        let Frame { protocol, information } = Frame::parse(frame)?;
        if protocol == Protocol::LCP {
            return self.handle_lcp(now, rng, &Packet::parse(information)?, out);
        }
        if !self.lcp.is_open() {
            return Err(DropReason::LinkDown);
        }
        if self.phase == Phase::Network && (0x8000..0xc000).contains(&protocol.0) {
            self.auth.iter_mut().for_each(Auth::confirm);
        }
        match protocol {
            Protocol::PAP | Protocol::CHAP => {
                self.handle_auth(now, protocol, &Packet::parse(information)?, out)
            }
            Protocol::IPCP => self.handle_ipcp(now, rng, &Packet::parse(information)?, out),
            Protocol::IPV6CP if self.ipv6 => {
                let signals = self.ipv6cp.handle(now, rng, &Packet::parse(information)?, out)?;
                if signals.hopeless {
                    self.ipv6cp.happen(now, Event::Close, out);
                }
                Ok(())
            }
            Protocol::IPV4 | Protocol::IPV6 => Err(DropReason::LinkDown),
            _ => {
                self.reject_protocol(protocol, information, out);
                Err(DropReason::UnknownProtocol)
            }
        }
    }

    /// Takes the answer to [`Action::Authenticate`].
    pub fn handle_verdict(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        verdict: &Verdict,
        out: &mut Out,
    ) {
        if self.phase != Phase::Authenticate {
            return;
        }
        let Some(auth) = &mut self.auth else { return };
        let another = self.user.is_some_and(|user| user != self.name);
        let verdict = if another { &Verdict::Refuse(Refusal::MethodRefused) } else { verdict };
        let progress = auth.handle_verdict(now, rng, verdict, out);
        self.on_auth(now, rng, progress, out);
    }

    /// Takes the answer to [`Action::WantAddress`]: an address, or why there is none.
    pub fn handle_assignment(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        assignment: Result<Ipv4Assignment, FailureCause>,
        out: &mut Out,
    ) {
        if self.phase != Phase::Network || self.ipcp.options.is_assigned() {
            return;
        }
        match assignment {
            Ok(assignment) => {
                self.ipcp.options.assign(assignment);
                self.open_ipcp(now, rng, out);
            }
            Err(cause) => self.fail(now, Stage::Address, cause, out),
        }
    }

    /// Lets everything happen that is due.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut Rng, out: &mut Out) {
        if matches!(self.phase, Phase::Dead | Phase::Over) {
            return;
        }
        match self.keepalive.handle_timeout(now) {
            Check::Dead => return self.finish(DownCause::Silence, FailureCause::Silence, out),
            Check::Echo if self.lcp.is_open() => self.send_echo(out),
            Check::Echo | Check::Nothing => {}
        }
        if self.first_word.is_some_and(|at| at <= now) {
            self.begin(now, rng, out);
        }
        if self.limit.is_some_and(|at| at <= now) {
            return self.on_limit(now, out);
        }
        if self.want_address.is_some_and(|at| at <= now) {
            self.ask_address(now, None, out);
        }
        if let Some(auth) = &mut self.auth {
            let progress = auth.handle_timeout(now, rng, &self.server_name, out);
            self.on_auth(now, rng, progress, out);
        }
        let signals = self.ipcp.handle_timeout(now, out);
        self.on_ipcp(now, signals, out);
        self.ipv6cp.handle_timeout(now, out);
        let signals = self.lcp.handle_timeout(now, out);
        self.on_lcp(now, rng, signals, out);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Dead | Phase::Over) {
            return None;
        }
        [
            Some(self.keepalive.deadline()),
            self.limit,
            self.want_address,
            self.first_word,
            self.auth.as_ref().and_then(Auth::deadline),
            self.lcp.deadline(),
            self.ipcp.deadline(),
            self.ipv6cp.deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    /// Says goodbye; [`Action::Down`] follows when the client has answered, or soon.
    pub fn close(&mut self, now: Instant, cause: DownCause, out: &mut Out) {
        if matches!(self.phase, Phase::Terminate(_) | Phase::Over) {
            return;
        }
        self.phase = Phase::Terminate(cause);
        self.leave_network(now, out);
        let signals = self.lcp.happen(now, Event::Close, out);
        if signals.finished || self.lcp.deadline().is_none() {
            self.finish(cause, FailureCause::PeerClosed, out);
        }
    }

    /// How far the dial came and what went wrong, for a link that ends before it was up.
    ///
    /// `None` if it was up.
    pub fn failure(&self, cause: FailureCause) -> Option<(Stage, FailureCause)> {
        if self.was_up {
            return None;
        }
        let stage = match (&self.auth, self.user) {
            (None, _) => Stage::Lcp,
            (Some(_), None) => Stage::Authentication,
            (Some(_), Some(_)) => Stage::Address,
        };
        Some(self.failure.unwrap_or((stage, cause)))
    }

    /// The client's IPv6 interface identifier, once it is agreed on.
    pub fn interface_id(&self) -> Option<[u8; 8]> {
        self.ipv6cp.is_open().then(|| self.ipv6cp.options.peer())
    }

    fn handle_lcp(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        self.begin(now, rng, out);
        match packet.code {
            lcp::code::PROTOCOL_REJECT => self.on_protocol_reject(now, packet, out),
            lcp::code::ECHO_REQUEST => self.on_echo_request(now, packet, out),
            lcp::code::ECHO_REPLY
            | lcp::code::DISCARD_REQUEST
            | lcp::code::IDENTIFICATION
            | lcp::code::TIME_REMAINING => Ok(()),
            _ => {
                let signals = self.lcp.handle(now, rng, packet, out)?;
                if packet.code == code::TERMINATE_REQUEST && signals.down {
                    self.phase = Phase::Terminate(DownCause::PeerClosed);
                    self.leave_network(now, out);
                } else {
                    self.on_lcp(now, rng, signals, out);
                }
                Ok(())
            }
        }
    }

    fn on_lcp(&mut self, now: Instant, rng: &mut Rng, signals: Signals, out: &mut Out) {
        if signals.hopeless {
            let (stage, cause) = if self.lcp.options.is_method_refused() {
                (Stage::Authentication, FailureCause::Refused(Refusal::MethodRefused))
            } else {
                (Stage::Lcp, FailureCause::PppOptions)
            };
            return self.fail(now, stage, cause, out);
        }
        if signals.finished {
            let cause = match self.phase {
                Phase::Terminate(cause) => cause,
                _ => DownCause::Failed,
            };
            let failure = if cause == DownCause::Failed {
                FailureCause::Silence
            } else {
                FailureCause::PeerClosed
            };
            return self.finish(cause, failure, out);
        }
        if matches!(self.phase, Phase::Terminate(_)) {
            return;
        }
        if signals.down {
            // The client negotiates anew, and has to prove itself anew.
            self.leave_network(now, out);
            self.phase = Phase::Establish;
            self.auth = None;
            self.limit = Some(now + ESTABLISH_WITHIN);
        }
        if signals.up {
            self.phase = Phase::Authenticate;
            self.limit = None;
            let method = self.lcp.options.method();
            self.auth = Some(Auth::begin(now, rng, method, &self.server_name, out));
        }
    }

    /// The layers above LCP go down with it.
    fn leave_network(&mut self, now: Instant, out: &mut Out) {
        self.limit = None;
        self.want_address = None;
        self.auth.iter_mut().for_each(Auth::disarm);
        self.ipcp.happen(now, Event::Down, out);
        self.ipv6cp.happen(now, Event::Down, out);
    }

    fn handle_auth(
        &mut self,
        now: Instant,
        protocol: Protocol,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let auth = self.auth.as_mut().filter(|auth| auth.protocol() == protocol);
        if let Some(name) = auth.ok_or(DropReason::UnexpectedPpp)?.handle(now, packet, out)? {
            self.name = name;
        }
        Ok(())
    }

    fn on_auth(&mut self, now: Instant, rng: &mut Rng, progress: Progress, out: &mut Out) {
        match progress {
            Progress::None => {}
            Progress::Refused(refusal) => {
                self.failure = Some((Stage::Authentication, FailureCause::Refused(refusal)));
            }
            Progress::Failed(cause) => self.fail(now, Stage::Authentication, cause, out),
            Progress::Accepted => {
                self.failure = None;
                self.user = Some(self.name);
                self.phase = Phase::Network;
                if self.ipv6 {
                    self.ipv6cp.handle_up(now, rng, out);
                }
                if self.ipcp.options.is_assigned() {
                    self.open_ipcp(now, rng, out);
                } else {
                    self.limit = Some(now + ADDRESS_WITHIN);
                    self.want_address = Some(now + CLIENT_ASKS_WITHIN);
                }
            }
        }
    }

    fn handle_ipcp(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        if self.phase != Phase::Network {
            return Err(DropReason::UnexpectedPpp);
        }
        if !self.ipcp.options.is_assigned() {
            return self.hold(now, packet, out);
        }
        let signals = self.ipcp.handle(now, rng, packet, out)?;
        if packet.code == code::TERMINATE_REQUEST && signals.down {
            self.close(now, DownCause::PeerClosed, out);
        } else {
            self.on_ipcp(now, signals, out);
        }
        Ok(())
    }

    fn on_ipcp(&mut self, now: Instant, signals: Signals, out: &mut Out) {
        if self.phase != Phase::Network {
            return;
        }
        if signals.hopeless {
            self.fail(now, Stage::Address, FailureCause::PppOptions, out);
        } else if signals.finished {
            self.fail(now, Stage::Address, FailureCause::Silence, out);
        } else if signals.up {
            self.was_up = true;
            self.limit = None;
            out.push(Action::Up { mtu: self.lcp.options.mtu() });
        } else if signals.down {
            self.limit = Some(now + IPCP_WITHIN);
        }
    }

    /// Keeps a request until the address is known. A longer one than fits comes again by itself.
    fn hold(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Out) -> Result<(), DropReason> {
        if packet.code != code::CONFIGURE_REQUEST {
            return Err(DropReason::UnexpectedPpp);
        }
        let mut asked = None;
        for choice in choices(packet.data) {
            let choice = choice?;
            if choice.kind == ipcp::option::ADDRESS {
                asked = Reader::new(choice.data).array().ok().map(Ipv4Addr::from);
            }
        }
        self.held = heapless::Vec::from_slice(packet.whole).unwrap_or_default();
        if self.want_address.is_some() {
            self.ask_address(now, asked.filter(|asked| !asked.is_unspecified()), out);
        }
        Ok(())
    }

    fn ask_address(&mut self, now: Instant, asked: Option<Ipv4Addr>, out: &mut Out) {
        self.want_address = None;
        self.limit = Some(now + ADDRESS_WITHIN);
        out.push(Action::WantAddress { asked });
    }

    fn open_ipcp(&mut self, now: Instant, rng: &mut Rng, out: &mut Out) {
        self.want_address = None;
        self.limit = Some(now + IPCP_WITHIN);
        self.ipcp.handle_up(now, rng, out);
        let held = core::mem::take(&mut self.held);
        if let Ok(packet) = Packet::parse(&held) {
            // It was read when it was held.
            let signals = self.ipcp.handle(now, rng, &packet, out).unwrap_or_default();
            self.on_ipcp(now, signals, out);
        }
    }

    fn on_protocol_reject(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        if !self.lcp.is_open() {
            return Err(DropReason::LinkDown);
        }
        match Protocol(Reader::new(packet.data).u16()?) {
            Protocol::IPCP if self.phase == Phase::Network => {
                self.fail(now, Stage::Address, FailureCause::PppOptions, out);
            }
            Protocol::IPV6CP => {
                self.ipv6cp.happen(now, Event::RejectFatal, out);
            }
            protocol
                if self.phase == Phase::Authenticate
                    && self.auth.as_ref().is_some_and(|auth| auth.protocol() == protocol) =>
            {
                let cause = FailureCause::Refused(Refusal::MethodRefused);
                self.fail(now, Stage::Authentication, cause, out);
            }
            _ => {}
        }
        Ok(())
    }

    fn on_echo_request(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<(), DropReason> {
        let mut reader = Reader::new(packet.data);
        let theirs = reader.u32()?;
        let ours = self.lcp.options.magic();
        let looped = theirs == ours && ours != 0;
        if looped || !self.lcp.happen(now, Event::Echo, out).echo {
            return Err(DropReason::UnexpectedPpp);
        }
        send(out, Protocol::LCP, lcp::code::ECHO_REPLY, packet.id, |writer| {
            writer.u32(ours);
            writer.put(reader.rest());
        });
        Ok(())
    }

    fn send_echo(&mut self, out: &mut Out) {
        let (id, magic) = (self.lcp.next_id(), self.lcp.options.magic());
        send(out, Protocol::LCP, lcp::code::ECHO_REQUEST, id, |writer| writer.u32(magic));
    }

    fn reject_protocol(&mut self, protocol: Protocol, information: &[u8], out: &mut Out) {
        let id = self.lcp.next_id();
        let information = information.get(..REJECTED_LEN_MAX).unwrap_or(information);
        send(out, Protocol::LCP, lcp::code::PROTOCOL_REJECT, id, |writer| {
            writer.u16(protocol.0);
            writer.put(information);
        });
    }

    fn on_limit(&mut self, now: Instant, out: &mut Out) {
        self.limit = None;
        let (stage, cause) = match self.phase {
            Phase::Network if self.ipcp.options.is_assigned() => {
                (Stage::Address, FailureCause::PppOptions)
            }
            Phase::Network => (Stage::Address, FailureCause::NoDhcpAnswer),
            _ => (Stage::Lcp, FailureCause::PppOptions),
        };
        self.fail(now, stage, cause, out);
    }

    fn fail(&mut self, now: Instant, stage: Stage, cause: FailureCause, out: &mut Out) {
        self.failure = Some((stage, cause));
        self.close(now, DownCause::Failed, out);
    }

    fn finish(&mut self, cause: DownCause, failure: FailureCause, out: &mut Out) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            out.push(Action::Down { cause, failure: self.failure(failure) });
        }
    }
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Link({:?})", self.phase)
    }
}

/// Octets of the longest IPCP request that is kept: every option that clients know.
const HELD_LEN: usize = 48;
/// Time in which a client speaks first.
const FIRST_WORD_WITHIN: Duration = Duration::from_millis(500);
/// Octets of an unknown packet that a Protocol-Reject repeats; within every MRU that we accept.
const REJECTED_LEN_MAX: usize = 512;
const ESTABLISH_WITHIN: Duration = Duration::from_secs(60);
const CLIENT_ASKS_WITHIN: Duration = Duration::from_secs(1);
const ADDRESS_WITHIN: Duration = Duration::from_secs(60);
const IPCP_WITHIN: Duration = Duration::from_secs(60);
