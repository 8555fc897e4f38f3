//! Proving who one is: PAP (RFC 1334) and MS-CHAPv2 (RFC 2759).

use kumihimo_core::time::Instant;

use super::layer::Packet;
use crate::peer::Reason;
use crate::peer::mschap::{self, Answer};
use crate::peer::random::Random;
use crate::peer::resend::{Due, Resend};
use crate::profile::{Method, Retry};

/// One proof.
#[derive(Debug)]
pub(super) struct Auth {
    method: Method,
    user: String,
    password: String,
    resend: Option<Resend>,
    retry: Retry,
    answer: Option<Answer>,
    frames: Vec<(u16, Vec<u8>)>,
    /// What was said last.
    last: Option<Vec<u8>>,
    is_done: bool,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Proven,
    Failed(Reason),
}

impl Auth {
    pub(super) fn begin(
        now: Instant,
        method: Method,
        (user, password): (&str, &str),
        retry: Retry,
    ) -> Self {
        let mut auth = Self {
            method,
            user: user.to_owned(),
            password: password.to_owned(),
            resend: None,
            retry,
            answer: None,
            frames: Vec::new(),
            last: None,
            is_done: false,
        };
        if method == Method::Pap {
            let mut data = vec![user.len() as u8];
            data.extend_from_slice(user.as_bytes());
            data.push(password.len() as u8);
            data.extend_from_slice(password.as_bytes());
            auth.say(now, PAP, 1, 1, &data);
        }
        auth
    }

    /// Says its last word once more.
    pub(super) fn repeat(&mut self) {
        let protocol = self.protocol();
        self.frames.extend(self.last.clone().map(|packet| (protocol, packet)));
    }

    pub(super) fn take_frames(&mut self) -> Vec<(u16, Vec<u8>)> {
        core::mem::take(&mut self.frames)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.resend.as_ref().map(Resend::deadline)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Outcome> {
        match self.resend.as_mut()?.due(now) {
            Due::NotYet => None,
            Due::Again(packet) => {
                self.frames.push((self.protocol(), packet));
                None
            }
            Due::Never => {
                self.resend = None;
                Some(Outcome::Failed(Reason::Silence))
            }
        }
    }

    pub(super) fn handle(
        &mut self,
        now: Instant,
        random: &mut Random,
        protocol: u16,
        packet: &Packet<'_>,
    ) -> Option<Outcome> {
        if protocol != self.protocol() {
            return None;
        }
        let outcome = match (self.method, packet.code) {
            (Method::MsChapV2, CHALLENGE) => {
                self.on_challenge(now, random, packet);
                return None;
            }
            (Method::Pap, PAP_ACK) => Outcome::Proven,
            (Method::MsChapV2, SUCCESS) => self.on_success(packet.data)?,
            (Method::Pap, PAP_NAK) | (Method::MsChapV2, FAILURE) => {
                let text = String::from_utf8_lossy(packet.data).into_owned();
                Outcome::Failed(Reason::Refused { code: 691, text })
            }
            _ => return None,
        };
        self.resend = None;
        // A copy of the verdict says nothing new.
        (!core::mem::replace(&mut self.is_done, true)).then_some(outcome)
    }

    fn on_challenge(&mut self, now: Instant, random: &mut Random, packet: &Packet<'_>) {
        let Some((16, rest)) = packet.data.split_first() else { return };
        let Some(challenge) = rest.first_chunk::<16>() else { return };
        let ours = random.array::<16>();
        let name = self.user.rsplit('\\').next().unwrap_or(&self.user);
        let answer = mschap::answer(challenge, &ours, name, &self.password);
        let mut data = vec![49];
        data.extend(ours);
        data.extend([0; 8]);
        data.extend(answer.response);
        data.push(0);
        data.extend(self.user.clone().into_bytes());
        self.answer = Some(answer);
        self.say(now, CHAP, RESPONSE, packet.id, &data);
    }

    /// The server must know the password too (RFC 2759 §5).
    fn on_success(&self, text: &[u8]) -> Option<Outcome> {
        let expected = &self.answer.as_ref()?.expected;
        let said = text.strip_prefix(b"S=").and_then(|rest| rest.get(..40));
        Some(if said == Some(expected.as_bytes()) {
            Outcome::Proven
        } else {
            Outcome::Failed(Reason::WrongProof)
        })
    }

    const fn protocol(&self) -> u16 {
        match self.method {
            Method::Pap => PAP,
            Method::MsChapV2 => CHAP,
        }
    }

    fn say(&mut self, now: Instant, protocol: u16, code: u8, id: u8, data: &[u8]) {
        let mut packet = vec![code, id];
        packet.extend((4 + data.len() as u16).to_be_bytes());
        packet.extend_from_slice(data);
        self.resend = Some(Resend::new(now, packet.clone(), self.retry));
        self.last = Some(packet.clone());
        self.frames.push((protocol, packet));
    }
}

pub(super) const PAP: u16 = 0xc023;
pub(super) const CHAP: u16 = 0xc223;
const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;
const PAP_ACK: u8 = 2;
const PAP_NAK: u8 = 3;
