//! `sim dial`: the simulator's clients dial a real server over sockets.
//!
//! Each client has one UDP socket at any free port, from which it speaks to the server's ports;
//! where a datagram came from tells which of its own ports it was for. ESP always goes into UDP.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kumihimo_core::time::Instant as SimInstant;
use kumihimo_sim::peer::ip::{Content, Ipv4, ping};
use kumihimo_sim::peer::{
    Carrier, Client, Event, Input, Output, Setup, esp_sa_table, ikev1_decryption_table,
};
use kumihimo_sim::profile::{ALL, Profile, named};

/// Dials with one profile after the other; whether every one was up and got its pings back.
pub(super) fn run(words: &[String]) -> Result<bool, String> {
    let options = Options::parse(words)?;
    let mut all_passed = true;
    for profile in &options.profiles {
        let begin = Instant::now();
        let (passed, line) = match dial(&options, profile) {
            Ok(line) => (true, line),
            Err(line) => (false, line),
        };
        let verdict = if passed { "ok  " } else { "FAIL" };
        let secs = begin.elapsed().as_secs_f64();
        println!("{verdict} {:<14} {line} ({secs:.1} s)", profile.name);
        all_passed &= passed;
    }
    Ok(all_passed)
}

fn dial(options: &Options, profile: &'static Profile) -> Result<String, String> {
    let mut phone = Phone::new(options, profile)?;
    phone.client.handle(phone.now(), Input::Dial);
    let limit = options.limit;
    let up = phone.run(limit, |phone| phone.address.is_some() || phone.ended.is_some());
    let Some(address) = phone.address.filter(|_| phone.ended.is_none()) else {
        phone.export(options)?;
        let said = phone.ended.clone().unwrap_or_else(|| "no end".to_owned());
        return Err(format!("{said}{}", if up { "" } else { ", gave up" }));
    };
    let up_ms = phone.begin.elapsed().as_millis();
    let to = options.ping.or(phone.gateway).ok_or("whom to ping? --ping ADDRESS")?;
    let mut answered = 0;
    for count in 1..=options.pings {
        let packet = ping(address, to, PING_ID, count, &[0x2a; 56]);
        phone.client.handle(phone.now(), Input::Packet(packet));
        answered += u32::from(phone.run(PATIENCE, |phone| phone.answered >= count));
    }
    if phone.ended.is_none() && !options.hold.is_zero() {
        phone.run(options.hold, |phone| phone.ended.is_some());
    }
    phone.export(options)?;
    let ended = phone.ended.take();
    phone.client.handle(phone.now(), Input::HangUp);
    phone.flush();
    let pings = options.pings;
    let mut line = format!("{address} in {up_ms} ms, {answered} of {pings} pings of {to}");
    if let Some(ended) = ended {
        let _ = write!(line, ", then {ended}");
        return Err(line);
    }
    // One may be lost while addresses are looked up.
    if answered + 1 >= pings.into() && answered > 0 { Ok(line) } else { Err(line) }
}

/// A client on its socket.
struct Phone {
    client: Client,
    socket: UdpSocket,
    begin: Instant,
    address: Option<Ipv4Addr>,
    gateway: Option<Ipv4Addr>,
    ended: Option<String>,
    /// Number of the last ping that was answered.
    answered: u16,
}

impl Phone {
    fn new(options: &Options, profile: &'static Profile) -> Result<Self, String> {
        let local = match options.local {
            Some(local) => local,
            None => local_towards(options.server).map_err(|error| error.to_string())?,
        };
        let socket = UdpSocket::bind(SocketAddr::new(local, 0))
            .map_err(|error| format!("cannot bind {local}: {error}"))?;
        let who = (&options.psk[..], &options.user[..], &options.password[..]);
        let mut setup = Setup::new(options.server, local, who.0, who.1, who.2);
        setup.carrier = if options.is_bare { Carrier::Bare } else { Carrier::IpsecInUdp };
        let seed = u64::from(std::process::id()) << 32 | u64::from(profile.ike.lifetime_secs);
        Ok(Self {
            client: Client::new(profile, setup, seed),
            socket,
            begin: Instant::now(),
            address: None,
            gateway: None,
            ended: None,
            answered: 0,
        })
    }

    fn now(&self) -> SimInstant {
        SimInstant::from_micros(1 + self.begin.elapsed().as_micros() as u64)
    }

    /// Runs until `is_done`; `false` if that takes longer than `limit`.
    fn run(&mut self, limit: Duration, is_done: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            self.flush();
            if is_done(self) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let until =
                self.client.deadline().map_or(u64::MAX, |at| at.since(self.now()).as_micros());
            let wait = Duration::from_micros(until.max(1_000)).min(left);
            self.receive(wait.max(Duration::from_millis(1)));
        }
    }

    fn receive(&mut self, wait: Duration) {
        let mut buffer = [0; 2_048];
        if self.socket.set_read_timeout(Some(wait)).is_err() {
            return;
        }
        // Refusals (ICMP) come as errors, and are no news: the client repeats and gives up.
        let Ok((len, remote)) = self.socket.recv_from(&mut buffer) else { return };
        let setup = self.client.setup();
        let which = setup.server_ports.iter().position(|&port| port == remote.port());
        let Some(which) = which else { return };
        let local = SocketAddr::new(setup.local, setup.local_ports[which]);
        let bytes = buffer[..len].to_vec();
        let now = self.now();
        self.client.handle(now, Input::Datagram { local, remote, bytes });
    }

    /// Carries out what the client wants.
    fn flush(&mut self) {
        while let Some(output) = self.client.poll(self.now()) {
            match output {
                Output::Datagram { remote, bytes, .. } => {
                    let _ = self.socket.send_to(&bytes, remote);
                }
                // It was told to use UDP.
                Output::Esp { .. } => {}
                Output::Packet(packet) => self.on_packet(&packet),
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn on_packet(&mut self, packet: &[u8]) {
        if let Some(Content::Echo { is_request: false, id: PING_ID, sequence, .. }) =
            Ipv4::parse(packet).map(|parsed| parsed.content)
        {
            self.answered = self.answered.max(sequence);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Up { address, gateway, .. } => {
                self.address = Some(address);
                self.gateway = gateway;
            }
            Event::Failed { stage, reason } => {
                self.ended = Some(format!("failed in {stage:?}: {reason:?}"));
            }
            Event::Down { reason } => self.ended = Some(format!("down: {reason:?}")),
            Event::Informed(informed) => eprintln!("a DHCP server says {informed:?}"),
            Event::Told { stage, notification } => {
                eprintln!("the server says {notification} during {stage:?}");
            }
        }
    }

    /// Writes the keys as Wireshark's own tables.
    fn export(&self, options: &Options) -> Result<(), String> {
        let Some(folder) = &options.keys else { return Ok(()) };
        let tables = [
            ("ikev1_decryption_table", ikev1_decryption_table(&self.client.ike_keys())),
            ("esp_sa", esp_sa_table(self.client.esp_keys())),
        ];
        for (name, text) in tables {
            let file = folder.join(name);
            let old = fs::read_to_string(&file).unwrap_or_default();
            fs::write(&file, old + &text)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        }
        Ok(())
    }
}

/// The address that the machine uses towards `server`.
fn local_towards(server: IpAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((server, 500))?;
    Ok(socket.local_addr()?.ip())
}

struct Options {
    server: IpAddr,
    local: Option<IpAddr>,
    profiles: Vec<&'static Profile>,
    psk: String,
    user: String,
    password: String,
    is_bare: bool,
    ping: Option<Ipv4Addr>,
    pings: u16,
    limit: Duration,
    hold: Duration,
    keys: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            server: Ipv4Addr::LOCALHOST.into(),
            local: None,
            profiles: ALL.to_vec(),
            psk: "vpn".to_owned(),
            user: "jiro".to_owned(),
            password: "pass".to_owned(),
            is_bare: false,
            ping: None,
            pings: 3,
            limit: Duration::from_secs(40),
            hold: Duration::ZERO,
            keys: None,
        };
        let mut is_server_known = false;
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--server" => {
                    options.server = parsed(word, value()?)?;
                    is_server_known = true;
                }
                "--local" => options.local = Some(parsed(word, value()?)?),
                "--profile" => {
                    let name = value()?;
                    let profile = named(name).ok_or_else(|| unknown_profile(name))?;
                    options.profiles = vec![profile];
                }
                "--psk" => options.psk.clone_from(value()?),
                "--user" => options.user.clone_from(value()?),
                "--password" => options.password.clone_from(value()?),
                "--bare" => options.is_bare = true,
                "--ping" => options.ping = Some(parsed(word, value()?)?),
                "--pings" => options.pings = parsed(word, value()?)?,
                "--limit" => options.limit = Duration::from_secs(parsed(word, value()?)?),
                "--hold" => options.hold = Duration::from_secs(parsed(word, value()?)?),
                "--keys" => options.keys = Some(value()?.into()),
                other => return Err(format!("unknown option {other}\n{USAGE}")),
            }
        }
        if is_server_known { Ok(options) } else { Err(USAGE.to_owned()) }
    }
}

fn parsed<T: std::str::FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{word} cannot be {value}"))
}

fn unknown_profile(name: &str) -> String {
    let names: Vec<_> = ALL.iter().map(|profile| profile.name).collect();
    format!("there is no profile {name}; there are {}", names.join(", "))
}

const USAGE: &str = "sim dial --server ADDRESS [--profile NAME] [--psk KEY] [--user NAME] \
[--password TEXT] [--local ADDRESS] [--bare] [--ping ADDRESS] [--pings COUNT] [--limit SECS] \
[--hold SECS] [--keys FOLDER]: dials with every profile, or one; ESP in UDP, or bare L2TP";
const PING_ID: u16 = 0x6b75;
/// How long an answer to a ping may take.
const PATIENCE: Duration = Duration::from_secs(2);
