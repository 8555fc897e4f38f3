//! The component as a whole, driven by an independent initiator.

extern crate std;

use std::net::SocketAddr;
use std::vec::Vec;

use super::*;
use crate::addr::{Outer, Path};
use crate::config::{EncapsulationPolicy, Policy};
use crate::event::{DownCause, Event};
use crate::ipsec::SaParams;
use crate::time::Duration;

mod abuse;
pub(crate) mod client;
mod contact;
mod dial;
mod dialects;
mod initiator;
mod keymat;
mod life;
mod limits;
mod proposals;
mod second_time;
mod traces;

use client::Client;

/// SPIs for the tests, and what came back of them.
#[derive(Default)]
struct Spis {
    given: u32,
    released: Vec<Spi>,
    full: bool,
}

impl SpiSource for Spis {
    fn reserve(&mut self, _: PeerId) -> Option<Spi> {
        self.given += 1;
        Some(Spi(0x1000 + self.given)).filter(|_| !self.full)
    }

    fn release(&mut self, spi: Spi) {
        self.released.push(spi);
    }
}

/// An action, with its octets.
#[derive(Debug)]
enum Seen {
    Send(Path, Vec<u8>),
    Keepalive(Path),
    Install(SaParams),
    Activate(Spi),
    Delete(Spi),
    Moved(Path),
    Down(DownCause),
    Event(Event),
}

/// A component under test, its surroundings and its clock.
struct Lab {
    ike: Ike<'static>,
    rng: Rng,
    spis: Spis,
    now: Instant,
    /// Whether results of Diffie-Hellman are held back, and those that are.
    holds: bool,
    held: Vec<(DhToken, crate::crypto::dh::DhJob)>,
    octets_in: usize,
    octets_out: usize,
}

impl Lab {
    fn new() -> Self {
        Self::with(&Limits { half_open: 64, ..Limits::server(8) }, &settings())
    }

    fn with(limits: &Limits, config: &IpsecConfig<'_>) -> Self {
        let mut rng = Rng::from_seed([9; 32]);
        let ike = Ike::new(Storage::allocate(limits), limits, config, &mut rng);
        let now = Instant::from_micros(1_000_000);
        let (spis, held) = (Spis::default(), Vec::new());
        Self { ike, rng, spis, now, holds: false, held, octets_in: 0, octets_out: 0 }
    }

    fn deliver(&mut self, path: Path, message: &[u8]) -> (Result<(), DropReason>, Vec<Seen>) {
        let mut message = message.to_vec();
        self.octets_in += message.len();
        let mut out = Out::new();
        let mut cx = Cx { now: self.now, rng: &mut self.rng, spis: &mut self.spis };
        let result = self.ike.handle_datagram(&mut cx, path, &mut message, &mut out);
        let seen = self.carry_out(out);
        (result, seen)
    }

    /// Delivers a message that must be taken, and gives the one answer.
    fn ask(&mut self, path: Path, message: &[u8]) -> Vec<u8> {
        let (result, seen) = self.deliver(path, message);
        assert_eq!(result, Ok(()), "{seen:?}");
        sent(&seen).first().expect("an answer").clone()
    }

    fn carry_out(&mut self, mut out: Out) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(action) = out.pop() {
            seen.push(match action {
                Action::Send { path, message } => {
                    self.octets_out += message.len();
                    Seen::Send(path, out.bytes(message).to_vec())
                }
                Action::Keepalive { path } => Seen::Keepalive(path),
                Action::InstallSa(params) => Seen::Install(params),
                Action::ActivateSa(spi) => Seen::Activate(spi),
                Action::DeleteSa(spi) => Seen::Delete(spi),
                Action::PeerMoved { path, .. } => Seen::Moved(path),
                Action::PeerDown { cause, .. } => Seen::Down(cause),
                Action::Event(event) => Seen::Event(event),
                Action::Dh { token, job } => {
                    let job = job.assemble(&out);
                    if self.holds {
                        self.held.push((token, job));
                    } else {
                        seen.extend(self.answer(token, &job));
                    }
                    continue;
                }
            });
        }
        assert!(!out.overflowed());
        let counted = self.ike.counted();
        assert_eq!(counted.held, counted.sas, "every IKE SA counts against its address");
        assert_eq!(counted.half_open, counted.negotiations, "and every main mode under way");
        let Ike { peers, by_identity, children, by_spi, by_initiator, .. } = &self.ike;
        assert_eq!(by_identity.len(), peers.len(), "an index names what is there");
        assert_eq!(by_spi.len(), children.len());
        let answered = self.ike.sas.iter().filter(|(_, sa)| sa.role == Role::Responder);
        assert!(by_initiator.len() <= counted.negotiations.min(answered.count()));
        seen
    }

    fn answer(&mut self, token: DhToken, job: &crate::crypto::dh::DhJob) -> Vec<Seen> {
        let mut out = Out::new();
        let mut cx = Cx { now: self.now, rng: &mut self.rng, spis: &mut self.spis };
        let _ = self.ike.handle_dh(&mut cx, token, &job.run(), &mut out);
        self.carry_out(out)
    }

    /// Lets time pass, with every deadline on its way.
    fn wait(&mut self, span: Duration) -> Vec<Seen> {
        let end = self.now + span;
        let mut seen = Vec::new();
        while let Some(at) = self.ike.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            let mut turns = 0;
            loop {
                let mut out = Out::new();
                let mut cx = Cx { now: self.now, rng: &mut self.rng, spis: &mut self.spis };
                let worked = self.ike.handle_timeout(&mut cx, &mut out);
                seen.extend(self.carry_out(out));
                turns += 1;
                assert!(turns < 1000, "a deadline that never passes");
                if !worked {
                    break;
                }
            }
            assert!(self.ike.deadline().is_none_or(|next| next > self.now));
        }
        self.now = end;
        seen
    }

    fn with_cx<T>(
        &mut self,
        call: impl FnOnce(&mut Ike<'static>, &mut Cx<'_>, &mut Out) -> T,
    ) -> Vec<Seen> {
        let mut out = Out::new();
        let mut cx = Cx { now: self.now, rng: &mut self.rng, spis: &mut self.spis };
        call(&mut self.ike, &mut cx, &mut out);
        self.carry_out(out)
    }

    /// The whole of main mode, moving to port 4500 with message 5.
    fn main_mode(&mut self, client: &mut Client, from: SocketAddr) -> Vec<Seen> {
        self.main_mode_with(client, from, false)
    }

    fn main_mode_with(
        &mut self,
        client: &mut Client,
        from: SocketAddr,
        contact: bool,
    ) -> Vec<Seen> {
        let second = self.ask(path(500, from), &client.first());
        let fourth = self.ask(path(500, from), &client.third(&second));
        let (result, seen) = self.deliver(path(4500, from), &client.fifth(&fourth, contact));
        assert_eq!(result, Ok(()));
        client.done(sent(&seen).last().expect("message 6"));
        seen
    }

    /// The whole of quick mode on port 4500.
    fn quick_mode(
        &mut self,
        client: &mut Client,
        from: SocketAddr,
        id: u32,
    ) -> (client::Agreed, SaParams) {
        let (first, state) = client.quick_first(id);
        let (result, seen) = self.deliver(path(4500, from), &first);
        assert_eq!(result, Ok(()));
        let installed = seen.iter().position(|seen| matches!(seen, Seen::Install(_)));
        let answered = seen.iter().position(|seen| matches!(seen, Seen::Send(..)));
        assert!(installed < answered, "the inbound SA stands before message 2 leaves");
        let agreed = client.quick_third(state, &sent(&seen)[0]);
        let params = seen.into_iter().find_map(|seen| match seen {
            Seen::Install(params) => Some(params),
            _ => None,
        });
        let params = params.expect("an SA");
        let (result, seen) = self.deliver(path(4500, from), &agreed.third);
        assert_eq!(result, Ok(()));
        assert!(
            seen.iter().any(|seen| matches!(seen, Seen::Activate(spi) if *spi == params.spi_in))
        );
        (agreed, params)
    }
}

/// Deadlines round up to a tick of the wheel, which is shorter than this; the next ones build on
/// that.
const TICK: Duration = Duration::from_millis(10);

fn settings() -> IpsecConfig<'static> {
    IpsecConfig {
        l2tp: true,
        l2tp_raw: false,
        psk: b"a shared secret",
        default_hub: "DEFAULT",
        policy: Policy::Compat,
        encapsulation: EncapsulationPolicy::Udp,
        ike_lifetime: Duration::from_secs(28_800),
        esp_lifetime: Duration::from_secs(3_600),
        dead_after: Duration::from_secs(120),
    }
}

fn path(port: u16, remote: SocketAddr) -> Path {
    Path { local: ([192, 0, 2, 1], port).into(), remote, outer: Outer::Udp }
}

fn home() -> SocketAddr {
    ([198, 51, 100, 7], 1011).into()
}

fn sent(seen: &[Seen]) -> Vec<Vec<u8>> {
    let messages = seen.iter().filter_map(|seen| match seen {
        Seen::Send(_, message) => Some(message.clone()),
        _ => None,
    });
    messages.collect()
}

fn events(seen: &[Seen]) -> Vec<Event> {
    let events = seen.iter().filter_map(|seen| match seen {
        Seen::Event(event) => Some(event.clone()),
        _ => None,
    });
    events.collect()
}

fn downs(seen: &[Seen]) -> Vec<DownCause> {
    let downs = seen.iter().filter_map(|seen| match seen {
        Seen::Down(cause) => Some(*cause),
        _ => None,
    });
    downs.collect()
}
