//! A client's side of IPsec: main mode and quick mode, then ESP in UDP.

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::buf::Frame;
use kumihimo_core::crypto::transform::{Opener, Sealer};
use kumihimo_core::crypto::{Cipher, EspSuite, Mac};

use crate::tests::client::Client;
use crate::world::{Left, World};

/// A pair of SAs with the server.
pub(crate) struct Ipsec {
    sealer: Sealer,
    opener: Opener,
    spi: u32,
    sequence: u32,
}

/// What clients agree on with the server's default policy if they do not know GCM.
pub(crate) const CBC: EspSuite = EspSuite::Cbc { cipher: Cipher::Aes256, mac: Mac::Sha1_96 };

impl Ipsec {
    /// Dials from `remote`; the server answers at once.
    pub(crate) fn dial(world: &mut World) -> Self {
        let mut client = Client::new(1);
        let second = ask(world, 500, &client.first());
        let third = client.third(&second);
        let fourth = ask(world, 500, &third);
        let fifth = client.fifth(&fourth, false);
        let sixth = ask(world, 4500, &fifth);
        client.done(&sixth);
        let (first, state) = client.quick_first(7);
        let second = ask(world, 4500, &first);
        let agreed = client.quick_third(state, &second);
        world.datagram(path(4500), &[&[0; 4], &agreed.third[..]].concat());
        let len = CBC.key_len();
        Self {
            sealer: Sealer::new(CBC, &agreed.key_to_server[..len]).unwrap(),
            opener: Opener::new(CBC, &agreed.key_to_client[..len]).unwrap(),
            spi: agreed.spi_server,
            sequence: 0,
        }
    }

    /// An ESP packet with `message` in UDP from and to port 1701.
    pub(crate) fn seal(&mut self, message: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        let mut packet = [self.spi, self.sequence].map(u32::to_be_bytes).concat();
        packet.extend((0..16).map(|octet: u8| octet.wrapping_mul(self.sequence as u8)));
        packet.extend([6, 165, 6, 165]);
        packet.extend(((8 + message.len()) as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(message);
        let pad = (14 - (8 + message.len()) % 16) % 16;
        packet.extend(1..=pad as u8);
        packet.extend([pad as u8, 17]);
        packet.extend([0; 12]);
        self.sealer.seal(&mut packet).unwrap();
        packet
    }

    /// The L2TP message in an ESP packet.
    pub(crate) fn open(&self, packet: &mut [u8]) -> Vec<u8> {
        let text = self.opener.open(packet).unwrap();
        let text = &packet[text];
        let len = usize::from(u16::from_be_bytes([text[4], text[5]]));
        text[8..len].to_vec()
    }
}

/// Sends an IKE message and returns the answer.
fn ask(world: &mut World, port: u16, message: &[u8]) -> Vec<u8> {
    let marker = if port == 4500 { 4 } else { 0 };
    let left = world.datagram(path(port), &[&[0; 4][..marker], message].concat());
    let mut answers = left.into_iter().filter_map(|left| match left {
        Left::Datagram(_, octets) => Some(octets[marker..].to_vec()),
        Left::Frame(_) => None,
    });
    answers.next_back().expect("an answer")
}

/// From the client, behind a NAT, to a port of the server.
pub(crate) fn path(port: u16) -> Path {
    let remote = ([198, 51, 100, 7], 40_000 + port).into();
    Path { local: ([192, 0, 2, 1], port).into(), remote, outer: Outer::Udp }
}

/// A packet in a buffer.
pub(crate) fn in_buffer(
    pool: &mut crate::pool::BufferPool,
    octets: &[u8],
) -> Frame<crate::pool::Buffer> {
    Frame::copy_of(pool, octets).unwrap()
}
