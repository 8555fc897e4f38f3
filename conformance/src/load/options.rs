//! What is asked for.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use kumihimo_sim::peer::{Cipher, EspCipher, Hash};
use kumihimo_sim::profile::{EspOffer, Profile, named};

use super::pace::Rate;

/// A run of the generator.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) server: IpAddr,
    pub(super) psk: String,
    pub(super) user: String,
    pub(super) password: String,
    /// The server's process, whose use of the machine is read.
    pub(super) pid: Option<u32>,
    /// Namespace and address of the machine behind the hub's TAP.
    pub(super) station: Option<(String, Ipv4Addr)>,
    /// First local address, and how many there are from it on.
    pub(super) from: Option<(Ipv4Addr, u32)>,
    /// How many clients are to be up, step by step.
    pub(super) steps: Vec<usize>,
    /// What they do then, one after the other.
    pub(super) phases: Vec<Phase>,
    /// Whether what goes up goes to the next client instead of the station.
    pub(super) between: bool,
    /// Octets of inner IP packets, in turn.
    pub(super) sizes: Vec<usize>,
    pub(super) cipher: EspOffer,
    /// Dials in a second.
    pub(super) dial_rate: u32,
    /// Dials under way at once.
    pub(super) at_once: usize,
    /// How long a dial may take.
    pub(super) dial_limit: Duration,
    /// How long all dials of a step may take.
    pub(super) dial_time: Duration,
    /// How often a client dials before it has failed.
    pub(super) tries: u32,
    /// ESP without UDP.
    pub(super) is_bare: bool,
    /// Whose habits the clients have, but for algorithms and patience.
    pub(super) profile: &'static Profile,
    /// No dial: the program `floor` is on the other side.
    pub(super) floor: bool,
    /// Whom each client pings after its dial.
    pub(super) ping: Option<Ipv4Addr>,
}

/// Traffic for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) up: Rate,
    pub(super) down: Rate,
    pub(super) seconds: Duration,
}

impl Phase {
    const NONE: Self =
        Self { up: Rate::Fixed(0), down: Rate::Fixed(0), seconds: Duration::from_secs(5) };

    /// Reads `up=RATE,down=RATE,seconds=S`, in any order.
    fn parse(text: &str) -> Result<Self, String> {
        let mut phase = Self::NONE;
        for pair in text.split(',') {
            let wrong = || format!("--phase up=RATE,down=RATE,seconds=S, not {pair}");
            let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
            match name {
                "up" => phase.up = parsed("up", value)?,
                "down" => phase.down = parsed("down", value)?,
                "seconds" => phase.seconds = Duration::from_secs(parsed("seconds", value)?),
                _ => return Err(wrong()),
            }
        }
        Ok(phase)
    }
}

/// How to call it.
pub const USAGE: &str = "\
usage: load run --server ADDRESS [OPTION…]     dials, sends and measures, where the clients are
       load station ADDRESS                    the machine behind the hub; `run` starts it by itself
  --psk KEY --user NAME --password TEXT        credentials (vpn, jiro, pass)
  --pid PID                                    the server's process: CPU and memory are read
  --station NAMESPACE,ADDRESS                  a machine behind the hub's TAP: other end of traffic
  --from ADDRESS+COUNT                         local addresses, used in turn
  --clients N,N…                               so many, more in each step (1)
  --dial-rate R --dials N                      R begin in a second, N are under way at once (50, 64)
  --dial-limit SECS --tries N                  for one dial, and how often it is tried (30, 1)
  --dial-time SECS                             for all dials of a step (600)
  --outer udp|esp                              what carries ESP (udp); esp needs port 500 and root
  --up RATE --down RATE --seconds S            traffic, of all clients together (0, 0, 5)
  --phase up=RATE,down=RATE,seconds=S          the same, and another one after it, and so on
      RATE is packets in a second, `max` for as many as arrive, or `2x` for twice that
  --between                                    up goes from each client to the next one
  --size OCTETS,OCTETS…                        of inner IP packets, in turn, 64 to 1400 (1360)
  --cipher aes256-sha1|aes128-sha1|aes128-sha256|aes256-sha256|aes128-gcm|aes256-gcm|3des-sha1
  --profile CP-WIN|…                           habits (CP-CROS)
  --ping ADDRESS                               after each dial; else the station or the router
  --floor                                      no protocol: for the program `floor`
Progress goes to standard error. Standard output has a line `dialled key=value…` for each step,
`traffic key=value…` for each phase, and at the end, whatever happens, `result ended=WORD …`:
well, silent, refused or died. The exit status is 0 for well, 1 for the others, 2 for wrong usage.";

impl Options {
    /// Reads the words behind `run`.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let (mut is_server_known, mut plain) = (false, Phase::NONE);
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().map(String::as_str).ok_or(format!("{word}: which?"));
            match word.as_str() {
                "--server" => {
                    options.server = parsed(word, value()?)?;
                    is_server_known = true;
                }
                "--psk" => options.psk = value()?.to_owned(),
                "--user" => options.user = value()?.to_owned(),
                "--password" => options.password = value()?.to_owned(),
                "--pid" => options.pid = Some(parsed(word, value()?)?),
                "--station" => options.station = Some(station(value()?)?),
                "--from" => options.from = Some(addresses(value()?)?),
                "--clients" => options.steps = list(word, value()?, 1..=60_000)?,
                "--seconds" => plain.seconds = Duration::from_secs(parsed(word, value()?)?),
                "--up" => plain.up = parsed(word, value()?)?,
                "--down" => plain.down = parsed(word, value()?)?,
                "--phase" => options.phases.push(Phase::parse(value()?)?),
                "--between" => options.between = true,
                "--size" => options.sizes = list(word, value()?, 64..=1_400)?,
                "--cipher" => options.cipher = cipher(value()?)?,
                "--dial-rate" => options.dial_rate = parsed::<u32>(word, value()?)?.max(1),
                "--dials" => options.at_once = parsed::<usize>(word, value()?)?.max(1),
                "--dial-limit" => options.dial_limit = Duration::from_secs(parsed(word, value()?)?),
                "--dial-time" => options.dial_time = Duration::from_secs(parsed(word, value()?)?),
                "--tries" => options.tries = parsed(word, value()?)?,
                "--outer" => options.is_bare = is_bare(value()?)?,
                "--profile" => {
                    let name = value()?;
                    options.profile = named(name).ok_or(format!("no profile {name}"))?;
                }
                "--ping" => options.ping = Some(parsed(word, value()?)?),
                "--floor" => options.floor = true,
                other => return Err(format!("unknown option {other}\n{USAGE}")),
            }
        }
        if (plain.up, plain.down) != (Phase::NONE.up, Phase::NONE.down) {
            options.phases.insert(0, plain);
        }
        if is_server_known { Ok(options) } else { Err(USAGE.to_owned()) }
    }

    /// The habits of the clients: the profile's, with one suite, and little patience, so that a
    /// server that does not answer is noticed.
    pub(super) fn habits(&self) -> &'static Profile {
        use kumihimo_core::time::Duration;
        use kumihimo_sim::peer::Group;
        use kumihimo_sim::profile::{IkeOffer, Retry};

        let mut profile = *self.profile;
        let ike = IkeOffer { cipher: Cipher::Aes256, hash: Hash::Sha1, group: Group::Modp2048 };
        profile.ike.offers = Box::leak(Box::new([ike]));
        profile.ike.lifetime_secs = 28_800;
        profile.esp.offers = Box::leak(Box::new([self.cipher]));
        let retry = Retry {
            first: Duration::from_secs(1),
            factor: 2,
            cap: Duration::from_secs(4),
            tries: 6,
        };
        profile.ike.retry = retry;
        profile.l2tp.retry = retry;
        profile.l2tp.hello_after = None;
        profile.ppp.echo = None;
        profile.ppp.retry = Retry { factor: 1, tries: 12, ..retry };
        Box::leak(Box::new(profile))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: Ipv4Addr::LOCALHOST.into(),
            psk: "vpn".to_owned(),
            user: "jiro".to_owned(),
            password: "pass".to_owned(),
            pid: None,
            station: None,
            from: None,
            steps: vec![1],
            phases: Vec::new(),
            between: false,
            sizes: vec![1_360],
            cipher: EspOffer { cipher: EspCipher::Cbc(Cipher::Aes256), mac: Some(Hash::Sha1) },
            dial_rate: 50,
            at_once: 64,
            dial_limit: Duration::from_secs(30),
            dial_time: Duration::from_secs(600),
            tries: 1,
            is_bare: false,
            profile: &kumihimo_sim::profile::CP_CROS,
            floor: false,
            ping: None,
        }
    }
}

fn parsed<T: FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{word} cannot be {value}"))
}

/// Numbers with commas between them.
fn list(word: &str, value: &str, within: RangeInclusive<usize>) -> Result<Vec<usize>, String> {
    let numbers: Vec<usize> =
        value.split(',').map(|number| parsed(word, number)).collect::<Result<_, _>>()?;
    if numbers.iter().all(|number| within.contains(number)) {
        Ok(numbers)
    } else {
        Err(format!("{word} goes from {} to {}", within.start(), within.end()))
    }
}

fn is_bare(value: &str) -> Result<bool, String> {
    match value {
        "udp" => Ok(false),
        "esp" => Ok(true),
        other => Err(format!("--outer cannot be {other}")),
    }
}

fn station(value: &str) -> Result<(String, Ipv4Addr), String> {
    let (namespace, address) = value.split_once(',').ok_or("--station NAMESPACE,ADDRESS")?;
    Ok((namespace.to_owned(), parsed("--station", address)?))
}

fn addresses(value: &str) -> Result<(Ipv4Addr, u32), String> {
    let (first, count) = value.split_once('+').unwrap_or((value, "1"));
    Ok((parsed("--from", first)?, parsed::<u32>("--from", count)?.max(1)))
}

fn cipher(value: &str) -> Result<EspOffer, String> {
    let cbc = |cipher, mac| EspOffer { cipher: EspCipher::Cbc(cipher), mac: Some(mac) };
    let gcm = |cipher| EspOffer { cipher: EspCipher::Gcm(cipher), mac: None };
    Ok(match value {
        "aes256-sha1" => cbc(Cipher::Aes256, Hash::Sha1),
        "aes128-sha1" => cbc(Cipher::Aes128, Hash::Sha1),
        "aes128-sha256" => cbc(Cipher::Aes128, Hash::Sha256),
        "aes256-sha256" => cbc(Cipher::Aes256, Hash::Sha256),
        "3des-sha1" => cbc(Cipher::TripleDes, Hash::Sha1),
        "aes128-gcm" => gcm(Cipher::Aes128),
        "aes256-gcm" => gcm(Cipher::Aes256),
        other => return Err(format!("--cipher cannot be {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options_and_wrong_ones_are_told() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            Options::parse(&words)
        };
        let options = parse(
            "--server 10.9.0.1 --station srv,172.20.0.9 --from 10.9.1.1+64 --up max --down 50 \
             --cipher aes128-gcm --clients 7,70 --size 64,1360 --phase down=2x,seconds=1",
        );
        let options = options.unwrap();
        assert_eq!((options.steps, options.sizes), (vec![7, 70], vec![64, 1_360]));
        let first = Phase { up: Rate::Max, down: Rate::Fixed(50), ..Phase::NONE };
        let second = Phase { down: Rate::Twice, seconds: Duration::from_secs(1), ..Phase::NONE };
        assert_eq!(options.phases, [first, second]);
        assert_eq!(options.from, Some((Ipv4Addr::new(10, 9, 1, 1), 64)));
        assert!(options.cipher.mac.is_none() && !options.is_bare);
        for wrong in [
            "--up 5",
            "--server nowhere",
            "--server 1.2.3.4 --cipher rot13",
            "--server 1.2.3.4 --size 64,20",
            "--server 1.2.3.4 --phase up",
            "--server 1.2.3.4 --outer tcp",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
