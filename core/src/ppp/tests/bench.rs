//! A link without a network, and short ways to the states that tests begin with.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::client::{hex, packet};
use super::{ASSIGNMENT, check};
use crate::credentials::Verdict;
use crate::crypto::{Rng, mschap};
use crate::discard::DropReason;
use crate::ppp::{Action, Link, LinkConfig, Out};
use crate::time::{Duration, Instant};

/// A link without a network.
pub(super) struct Bench {
    pub(super) link: Link,
    pub(super) rng: Rng,
    pub(super) now: Instant,
    /// Verdict of the newest question.
    pub(super) verdict: Option<Verdict>,
    pub(super) dropped: Option<DropReason>,
}

pub(super) const LCP: u16 = 0xc021;
pub(super) const CHAP: u16 = 0xc223;
pub(super) const PAP: u16 = 0xc023;
pub(super) const IPCP: u16 = 0x8021;

impl Bench {
    pub(super) fn new(config: &LinkConfig<'_>) -> (Self, Vec<String>) {
        let now = Instant::from_micros(1);
        let (link, rng) = (Link::new(now, config), Rng::from_seed([3; 32]));
        let mut bench = Self { link, rng, now, verdict: None, dropped: None };
        assert!(
            bench.run(|link, now, _, out| link.start(now, out)).is_empty(),
            "the client's PPP may not be there yet"
        );
        bench.now = bench.link.deadline().unwrap();
        let sent = bench.run(Link::handle_timeout);
        (bench, sent)
    }

    /// What a call asks for, one line each: `c021 02 07 0104…` for a frame.
    pub(super) fn run(
        &mut self,
        call: impl FnOnce(&mut Link, Instant, &mut Rng, &mut Out),
    ) -> Vec<String> {
        let mut out = Out::new();
        call(&mut self.link, self.now, &mut self.rng, &mut out);
        assert!(!out.overflowed());
        let mut lines = Vec::new();
        while let Some(action) = out.pop() {
            lines.push(match action {
                Action::Send(span) => {
                    let frame = out.bytes(span);
                    assert_eq!(frame[..2], [0xff, 3]);
                    assert_eq!(
                        usize::from(u16::from_be_bytes([frame[6], frame[7]])),
                        frame.len() - 4
                    );
                    let (code, id) = (frame[4], frame[5]);
                    format!("{} {code:02} {id:02x} {}", hex(&frame[2..4]), hex(&frame[8..]))
                }
                Action::Authenticate(question) => {
                    self.verdict =
                        Some(check(question.credentials(&out).proof, question.name(&out)));
                    "who?".into()
                }
                Action::WantAddress { asked } => format!("address? {asked:?}"),
                Action::Up { mtu } => format!("up {mtu}"),
                Action::Down { cause, failure } => format!("down {cause:?} {failure:?}"),
            });
        }
        lines
    }

    pub(super) fn frame(&mut self, frame: &[u8]) -> Vec<String> {
        let mut result = Ok(());
        let lines =
            self.run(|link, now, rng, out| result = link.handle_frame(now, rng, frame, out));
        self.dropped = result.err();
        lines
    }

    pub(super) fn take(&mut self, protocol: u16, code: u8, id: u8, data: &[u8]) -> Vec<String> {
        let mut frame = vec![0xff, 3];
        frame.extend(protocol.to_be_bytes());
        frame.extend(packet(code, id, data));
        self.frame(&frame)
    }

    pub(super) fn tell(&mut self, verdict: Verdict) -> Vec<String> {
        self.run(|link, now, rng, out| link.handle_verdict(now, rng, &verdict, out))
    }

    pub(super) fn assign(&mut self) -> Vec<String> {
        self.run(|link, now, rng, out| link.handle_assignment(now, rng, Ok(ASSIGNMENT), out))
    }

    /// Lets time pass until `secs` from now; what happened, with the second it did.
    pub(super) fn wait(&mut self, secs: u64) -> Vec<String> {
        let (start, end) = (self.now, self.now + Duration::from_secs(secs));
        let mut lines = Vec::new();
        while let Some(at) = self.link.deadline().filter(|&at| at <= end) {
            self.now = at;
            let second = at.since(start).as_secs();
            let came = self.run(Link::handle_timeout);
            lines.extend(came.into_iter().map(|line| format!("{second}: {line}")));
            assert!(self.link.deadline().is_none_or(|next| next > at));
        }
        self.now = end;
        lines
    }

    /// Agrees on LCP as it stands in the server's request; tells the server's Challenge.
    pub(super) fn open_lcp(&mut self, request: &str, theirs: &[u8]) -> Vec<String> {
        let (id, options) = parse(request);
        self.take(LCP, 2, id, &options);
        self.take(LCP, 1, 9, theirs)
    }
}

/// Identifier and data of a line of [`Bench::run`].
pub(super) fn parse(line: &str) -> (u8, Vec<u8>) {
    let mut parts = line.split(' ').skip(2);
    let octets = |text: &str| -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    };
    (octets(parts.next().unwrap())[0], octets(parts.next().unwrap_or("")))
}

/// Data of a Response to the Challenge in `line`, and the proof that answers it.
pub(super) fn respond(challenge: &[u8], password: &str) -> (Vec<u8>, String) {
    let challenge = challenge.try_into().unwrap();
    let (peer, hash) = ([0x55; 16], mschap::nt_hash(password));
    let response = mschap::nt_response(challenge, &peer, b"jiro", &hash);
    let proof = mschap::authenticator_response(&hash, &response, &peer, challenge, b"jiro");
    let data = [&[49][..], &peer, &[0; 8], &response, &[0], b"jiro"].concat();
    (data, hex(&proof))
}

/// A bench whose client is authenticated.
pub(super) fn authenticated(config: &LinkConfig<'_>, theirs: &[u8]) -> Bench {
    let (mut bench, sent) = Bench::new(config);
    let challenge = bench.open_lcp(&sent[0], theirs);
    let (id, data) = parse(&challenge[1]);
    let (response, _) = respond(&data[1..17], "pass");
    assert_eq!(bench.take(CHAP, 2, id, &response), ["who?"]);
    let verdict = bench.verdict.unwrap();
    assert_eq!(bench.tell(verdict)[0][..7], *"C223 03");
    bench
}

/// A bench whose link is up.
pub(super) fn up(config: &LinkConfig<'_>, theirs: &[u8]) -> Bench {
    up_with_mtu(config, theirs, "up 1400")
}

/// The same, with what is told of its MTU.
pub(super) fn up_with_mtu(config: &LinkConfig<'_>, theirs: &[u8], told: &str) -> Bench {
    let mut bench = authenticated(config, theirs);
    assert_eq!(bench.take(IPCP, 1, 1, &[3, 6, 192, 168, 30, 10]), ["address? Some(192.168.30.10)"]);
    let sent = bench.assign();
    let (id, options) = parse(&sent[0]);
    assert_eq!(bench.take(IPCP, 2, id, &options), ["8021 02 01 0306C0A81E0A", told]);
    bench
}
