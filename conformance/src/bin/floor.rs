//! The floor of `conformance/compare`: what moving and ciphering packets costs without a protocol.
//!
//! `floor ADDRESS TAP`: datagrams of UDP 4500 become frames at the TAP device and back, by the
//! same batched sockets and the same cipher calls as the server's, and nothing else: no IKE, no
//! SA database, no replay window, no L2TP, no PPP, no hub. The key is fixed and known; this is
//! for one namespace of a measurement and for nothing else.
//!
//! A datagram is `SPI | sequence | IV | IP packet, padding, trailer | ICV`, AES-256-CBC with
//! HMAC-SHA1-96. The SPI is 0x100 and the client's number, whose inner address is 172.20.1.1
//! and the number.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use kumihimo::gather::MARK_LEN;
use kumihimo::order::{Order, key_of_frame};
use kumihimo::pool::{Buffer, BufferPool};
use kumihimo::sys::mmsg::{BATCH, Messages};
use kumihimo::sys::wait::PollSet;
use kumihimo::sys::{socket, tap};
use kumihimo_conformance::compare::{FLOOR_BASE, FLOOR_KEY, FLOOR_SPI, FLOOR_SUITE};
use kumihimo_core::addr::Outer;
use kumihimo_core::buf::{BUFFER_LEN, Frame, HEADROOM, Pool as _, TAILROOM};
use kumihimo_core::crypto::Rng;
use kumihimo_core::crypto::transform::{LANES, Opener, Sealer};

/// Where a client is, and the number of the last packet to it.
struct Client {
    local: IpAddr,
    remote: SocketAddr,
    sequence: u32,
}

struct Floor {
    socket: OwnedFd,
    tap: tap::Device,
    /// MAC address of the machine at the TAP.
    station: [u8; 6],
    opener: Opener,
    sealer: Sealer,
    rng: Rng,
    clients: HashMap<u32, Client>,
    pool: BufferPool,
    messages: Messages,
    order: Order,
    /// Frames on their way to the device.
    opened: Vec<Frame<Buffer>>,
    /// Sealed packets and their clients.
    sealed: Vec<(u32, Frame<Buffer>)>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, tap] = &words[..] else {
        eprintln!("usage: floor ADDRESS TAP");
        return ExitCode::from(2);
    };
    match Floor::open(address, tap).and_then(|mut floor| floor.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("floor: {why}");
            ExitCode::FAILURE
        }
    }
}

impl Floor {
    fn open(address: &str, name: &str) -> Result<Self, Box<dyn Error>> {
        let tap = tap::open(name)?;
        let mac = fs::read_to_string(format!("/sys/class/net/{name}/address"))?;
        let mut station = [0; 6];
        for (octet, digits) in station.iter_mut().zip(mac.trim().split(':')) {
            *octet = u8::from_str_radix(digits, 16)?;
        }
        let address = SocketAddr::new(address.parse()?, 4500);
        eprintln!("floor: ready");
        Ok(Self {
            socket: socket::open(Outer::Udp, address)?,
            tap,
            station,
            opener: Opener::new(FLOOR_SUITE, &FLOOR_KEY).ok_or("key")?,
            sealer: Sealer::new(FLOOR_SUITE, &FLOOR_KEY).ok_or("key")?,
            rng: Rng::from_seed([1; 32]),
            clients: HashMap::new(),
            pool: BufferPool::new(1_024),
            messages: Messages::new(),
            order: Order::new(),
            opened: Vec::with_capacity(BATCH),
            sealed: Vec::with_capacity(BATCH),
        })
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let mut set = PollSet::default();
        set.add(self.socket.as_fd());
        set.add(self.tap.as_fd());
        loop {
            set.wait(None)?;
            while self.carry_in() + self.carry_out() > 0 {}
        }
    }

    /// From the socket to the device.
    fn carry_in(&mut self) -> usize {
        let Self { socket, pool, messages, opener, clients, tap, station, opened, order, .. } =
            self;
        let received = messages.receive(socket.as_fd(), BATCH, pool, |datagram| {
            let mut frame = datagram.frame;
            let Ok(text) = opener.open(frame.bytes_mut()) else { return };
            let spi = word(frame.bytes(), 0);
            let (local, remote) = (datagram.local, datagram.remote);
            clients.entry(spi).or_insert(Client { local, remote, sequence: 0 }).remote = remote;
            let pad = usize::from(frame.bytes()[text.end - 2]);
            frame.truncate(text.end - 2 - pad);
            let header = [&station[..], &MAC, &[8, 0]].concat();
            let is_there = frame.strip(text.start).is_ok();
            if let (true, Ok(room)) = (is_there, frame.push(header.len())) {
                room.copy_from_slice(&header);
                opened.push(frame);
            }
        });
        let order = order.of(opened.iter().map(|frame| key_of_frame(frame.bytes())));
        let mut written = 0;
        while written < order.len() {
            // A full device loses what comes, as the server's does.
            let rest = order[written..].iter().map(|&at| opened[usize::from(at)].bytes());
            written += tap.write(rest).unwrap_or(1).max(1);
        }
        opened.clear();
        received.unwrap_or(0)
    }

    /// From the device to the socket.
    fn carry_out(&mut self) -> usize {
        let mut count = 0;
        while count < BATCH {
            let Some(mut buffer) = self.pool.take() else { break };
            let room = &mut buffer.as_mut()[HEADROOM - MARK_LEN..BUFFER_LEN - TAILROOM];
            match self.tap.read(room) {
                Ok(len) => {
                    count += 1;
                    if let Ok(frame) = Frame::received(buffer, len) {
                        self.take_frame(frame);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let mut octets: Vec<&mut [u8]> =
            self.sealed.iter_mut().map(|(_, frame)| frame.bytes_mut()).collect();
        for group in octets.chunks_mut(LANES) {
            let _ = self.sealer.seal_batch(group);
        }
        let order = self.order.of(self.sealed.iter().map(|(spi, _)| u64::from(*spi)));
        let mut sent = 0;
        while sent < order.len() {
            let datagrams = order[sent..].iter().map(|&at| {
                let (spi, frame) = &self.sealed[usize::from(at)];
                let client = &self.clients[spi];
                (client.local, client.remote, frame.bytes())
            });
            sent += self.messages.send(self.socket.as_fd(), true, datagrams).unwrap_or(1).max(1);
        }
        self.sealed.clear();
        count
    }

    fn take_frame(&mut self, mut frame: Frame<Buffer>) {
        let octets = frame.bytes();
        if octets.len() >= 42 && octets[12..14] == [8, 6] && octets[21] == 1 {
            return self.answer_arp(octets);
        }
        if octets.len() < 34 || octets[12..14] != [8, 0] {
            return;
        }
        let spi = FLOOR_SPI.wrapping_add(word(octets, 30).wrapping_sub(FLOOR_BASE));
        let Some(client) = self.clients.get_mut(&spi) else { return };
        client.sequence += 1;
        let sequence = client.sequence;
        let prepared = frame.strip(14).and_then(|()| {
            let bare = frame.len() + 2;
            let pad = bare.next_multiple_of(16) - bare;
            let trailer = (1..=pad as u8).chain([pad as u8, 4]).chain([0; 12]);
            let room = frame.append(pad + 2 + 12)?;
            room.iter_mut().zip(trailer).for_each(|(octet, value)| *octet = value);
            self.rng.fill(frame.push(16)?);
            frame.push(4)?.copy_from_slice(&sequence.to_be_bytes());
            frame.push(4)?.copy_from_slice(&spi.to_be_bytes());
            Ok(())
        });
        if prepared.is_ok() {
            self.sealed.push((spi, frame));
        }
    }

    /// Every address of a client is ours.
    fn answer_arp(&mut self, request: &[u8]) {
        let number = word(request, 38).wrapping_sub(FLOOR_BASE);
        if number >= 0xffff {
            return;
        }
        let (mac, ip) = (&request[6..12], &request[28..32]);
        let head = [mac, &MAC, &request[12..20], &[0, 2]].concat();
        let reply = [&head[..], &MAC, &request[38..42], mac, ip].concat();
        let _ = self.tap.write(std::iter::once(&reply[..]));
    }
}

fn word(octets: &[u8], at: usize) -> u32 {
    octets
        .get(at..at + 4)
        .map_or(0, |word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

/// MAC address of all clients.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
