use super::*;
use crate::addr::Outer;
use crate::buf::Frame;
use crate::crypto::{Cipher, EspSuite, Mac};
use crate::ids::PeerId;
use crate::ipsec::{Encapsulation, EspKey, Lifetime};
use crate::store::Key;
use crate::time::Duration;

extern crate std;
use std::vec::Vec;

mod inbound;
mod outbound;
mod sadb;
mod wear;

type Packet = Frame<[u8; 2048]>;

const AES_SHA1: EspSuite = EspSuite::Cbc { cipher: Cipher::Aes256, mac: Mac::Sha1_96 };
const AES_SHA256: EspSuite = EspSuite::Cbc { cipher: Cipher::Aes128, mac: Mac::Sha256_128 };
const TDES_SHA1: EspSuite = EspSuite::Cbc { cipher: Cipher::TripleDes, mac: Mac::Sha1_96 };
const AES_SHA512: EspSuite = EspSuite::Cbc { cipher: Cipher::Aes192, mac: Mac::Sha512_256 };
const GCM: EspSuite = EspSuite::AesGcm16 { cipher: Cipher::Aes128 };
const SUITES: [EspSuite; 5] = [AES_SHA1, AES_SHA256, TDES_SHA1, AES_SHA512, GCM];

const UDP: u8 = 17;

fn at(secs: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(secs)
}

fn peer(index: u32) -> PeerId {
    Key { index, generation: 0 }.into()
}

fn path(host: u8, port: u16) -> Path {
    Path {
        local: ([192, 0, 2, 1], 4500).into(),
        remote: ([198, 51, 100, host], port).into(),
        outer: Outer::Udp,
    }
}

fn limits(sas: usize, sas_per_peer: usize) -> Limits {
    Limits { sas, sas_per_peer, peers: 8, ..Limits::server(8) }
}

fn esp(sas: usize, sas_per_peer: usize) -> Esp<'static> {
    let limits = limits(sas, sas_per_peer);
    Esp::new(Storage::allocate(&limits), &limits, &mut Rng::from_seed([5; 32]))
}

/// Our end and a client's, with a pair of SAs between them.
struct Ends {
    us: Esp<'static>,
    client: Esp<'static>,
    rng: Rng,
    ours: SaId,
    theirs: SaId,
}

/// The peer that each end sees in the other.
fn other() -> PeerId {
    peer(3)
}

fn key(suite: EspSuite, seed: u8) -> EspKey {
    EspKey::filled(suite.key_len(), |key| {
        (seed..).zip(key).for_each(|(value, octet)| *octet = value);
    })
}

fn params(suite: EspSuite, spi_in: Spi, spi_out: Spi, keys: (u8, u8)) -> SaParams {
    SaParams {
        peer: other(),
        path: path(7, 4500),
        suite,
        spi_in,
        spi_out,
        key_in: key(suite, keys.0),
        key_out: key(suite, keys.1),
        encapsulation: Encapsulation::Udp,
        peer_port: 1701,
        lifetime: Lifetime { time: Duration::from_secs(3600), bytes: None },
    }
}

fn ends_with(suite: EspSuite, edit: impl Fn(&mut SaParams)) -> Ends {
    let (mut us, mut client) = (esp(4, 4), esp(4, 4));
    let (spi_in, spi_out) = (us.reserve(other()).unwrap(), client.reserve(other()).unwrap());
    let (mut ours, mut theirs) =
        (params(suite, spi_in, spi_out, (1, 2)), params(suite, spi_out, spi_in, (2, 1)));
    edit(&mut ours);
    edit(&mut theirs);
    let (ours, theirs) =
        (us.install(at(0), &ours).unwrap(), client.install(at(0), &theirs).unwrap());
    client.activate(spi_out);
    Ends { us, client, rng: Rng::from_seed([6; 32]), ours, theirs }
}

fn ends(suite: EspSuite) -> Ends {
    ends_with(suite, |_| {})
}

fn frame(bytes: &[u8]) -> Packet {
    let mut frame = Frame::received([0; 2048], bytes.len()).unwrap();
    frame.bytes_mut().copy_from_slice(bytes);
    frame
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| at as u8).collect()
}

fn send(esp: &mut Esp<'_>, rng: &mut Rng, sa: SaId, payload: &[u8]) -> Packet {
    let mut packet = frame(payload);
    esp.prepare(at(1), rng, sa, &mut packet).unwrap();
    esp.seal(sa, &mut [packet.bytes_mut()]).unwrap();
    packet
}

impl Ends {
    /// A packet of the client.
    fn send(&mut self, payload: &[u8]) -> Packet {
        send(&mut self.client, &mut self.rng, self.theirs, payload)
    }

    /// A packet of ours.
    fn answer(&mut self, payload: &[u8]) -> Packet {
        send(&mut self.us, &mut self.rng, self.ours, payload)
    }

    fn receive(&mut self, packet: &Packet) -> Result<Opened, DropReason> {
        self.receive_from(at(1), &path(7, 4500), packet)
    }

    fn receive_from(
        &mut self,
        now: Instant,
        path: &Path,
        packet: &Packet,
    ) -> Result<Opened, DropReason> {
        self.us.open(now, path, &mut frame(packet.bytes()))
    }
}
