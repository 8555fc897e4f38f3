//! The stock client in a guest: strongSwan for IKE and ESP, xl2tpd for L2TP, pppd for PPP.

use std::fmt::Write as _;
use std::time::Duration;

use crate::fail;
use crate::lab::{Guest, NETWORK, Outcome, Seat, Site};

/// The file in the case's folder with the seconds of each dial on a way that loses nothing.
pub(super) const DIALS: &str = "dials";
/// Pre-shared key, user and password of the lab's servers.
pub const PSK: &str = "braid-8x";
/// The user's name.
pub const USER: &str = "jiro";
/// The user's password.
pub const PASSWORD: &str = "obi-jime";

/// How the client is configured.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What strongSwan dials.
    pub server: String,
    /// What strongSwan calls itself.
    pub own: String,
    /// What xl2tpd dials.
    pub lns: String,
    /// Pre-shared key.
    pub psk: String,
    /// User name given to pppd.
    pub user: String,
    /// Password given to pppd.
    pub password: String,
    /// What the server must call itself, `%any` for anything. strongSwan sends INITIAL-CONTACT
    /// only to a server whose name it knows.
    pub server_id: String,
    /// strongSwan's `ike=`.
    pub ike: String,
    /// strongSwan's `esp=`.
    pub esp: String,
    /// strongSwan's `ikelifetime=` and `lifetime=`.
    pub lifetimes: (&'static str, &'static str),
    /// xl2tpd's own address; empty for any.
    pub listen: &'static str,
    /// Further `conn` sections.
    pub more_conns: String,
    /// What the client reaches through the tunnel.
    pub network: &'static str,
}

/// A client that dials from a guest.
#[derive(Debug)]
pub struct Client {
    /// The guest, for steps of the case's own.
    pub guest: Guest,
    profile: Profile,
}

/// A dial that came up.
#[derive(Debug, Clone)]
pub struct Dialled {
    /// Address of ppp0.
    pub address: String,
    /// Seconds from `ipsec up` to the ESP SA.
    pub ipsec_s: f64,
    /// Seconds from `ipsec up` to the address.
    pub total_s: f64,
}

impl Profile {
    /// Everything as NetworkManager-l2tp sets it, one strong proposal each.
    pub fn new(site: &Site, seat: &Seat) -> Self {
        Self {
            server: site.address.to_owned(),
            own: seat.address.clone(),
            lns: site.address.to_owned(),
            psk: PSK.to_owned(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            server_id: "%any".to_owned(),
            ike: "aes256-sha1-modp2048!".to_owned(),
            esp: "aes256-sha1!".to_owned(),
            lifetimes: ("3h", "1h"),
            listen: "",
            more_conns: String::new(),
            network: NETWORK,
        }
    }

    /// A `conn` section of this profile with other proposals.
    pub fn conn(&self, name: &str, ike: &str, esp: &str) -> String {
        let Self { own, server, server_id, .. } = self;
        let (ike_life, life) = self.lifetimes;
        format!(
            "conn {name}\n keyexchange=ikev1\n authby=psk\n type=transport\n left={own}\n \
             leftprotoport=17/1701\n right={server}\n rightid={server_id}\n \
             rightprotoport=17/1701\n ike={ike}\n esp={esp}\n ikelifetime={ike_life}\n \
             lifetime={life}\n margintime=9s\n rekeyfuzz=0%\n auto=add\n"
        )
    }

    fn files(&self) -> String {
        let mut script = String::new();
        let conns = self.conn("server", &self.ike, &self.esp) + &self.more_conns;
        file(&mut script, "/etc/ipsec.conf", &format!("config setup\n{conns}"));
        file(&mut script, "/etc/ipsec.secrets", &format!(": PSK \"{}\"", self.psk));
        file(&mut script, "/etc/strongswan.conf", CHARON);
        let listen = if self.listen.is_empty() { "" } else { "listen-addr = " };
        let lac = format!(
            "[global]\nport = 1701\n{listen}{}\n[lac server]\nlns = {}\nppp debug = yes\n\
             pppoptfile = /etc/ppp/options.lab\nlength bit = yes\n",
            self.listen, self.lns
        );
        file(&mut script, "/etc/xl2tpd/xl2tpd.conf", &lac);
        script + &self.ppp_file()
    }

    fn ppp_file(&self) -> String {
        let mut script = String::new();
        let options = format!("{PPP}name \"{}\"\npassword \"{}\"\n", self.user, self.password);
        file(&mut script, "/etc/ppp/options.lab", &options);
        script
    }
}

impl Client {
    /// Configures the guest and starts strongSwan and xl2tpd in it.
    pub fn start(guest: Guest, profile: Profile) -> Outcome<Self> {
        let mut client = Self { guest, profile };
        let files = client.profile.files();
        client.guest.run(&files, Duration::from_secs(10))?;
        client.start_daemons()?;
        Ok(client)
    }

    /// Starts strongSwan and xl2tpd, after [`Client::die`] too.
    pub fn start_daemons(&mut self) -> Outcome<()> {
        let script = "charon_start server && xl2tpd_start";
        self.guest.run(script, Duration::from_secs(45)).map(drop)
    }

    /// Dials; the address must be there within `limit`.
    pub fn dial(&mut self, limit: Duration) -> Outcome<Dialled> {
        let dialled = self.dial_repeating(limit, 0)?;
        self.guest.note(DIALS, &format!("{:.1}", dialled.total_s))?;
        Ok(dialled)
    }

    /// Dials, repeating `ipsec up` where strongSwan itself gave up; `limit` is for all together.
    pub fn dial_repeating(&mut self, limit: Duration, repeats: u32) -> Outcome<Dialled> {
        let (seconds, network) = (limit.as_secs(), self.profile.network);
        let script = format!(
            "now; start=$now\nipsec_up_repeating server {seconds} {repeats} || exit 10\n\
             now; secured=$now\ncall_up $(({seconds} - (now - start) / 1000000)) || exit 11\n\
             now; address=$(ppp_address)\n\
             [ -n \"$address\" ] && ip route replace {network} dev ppp0 ||\n\
             {{ echo 'ppp0 went again'; call_logs; exit 12; }}\n\
             echo \"dialled $address $start $secured $now\""
        );
        let step = self.guest.step(&script, limit + Duration::from_secs(10))?;
        match step.status {
            0 => {}
            10 => fail!("IKE failed: {}", tail(&step.output, 6)),
            11 => fail!("IPsec stands, but no ppp0 within {seconds} s: {}", tail(&step.output, 40)),
            12 => fail!("ppp0 went down again at once: {}", tail(&step.output, 60)),
            other => fail!("dial ended with {other}: {}", tail(&step.output, 6)),
        }
        let dialled = parse_dialled(&step.output)?;
        if dialled.total_s > limit.as_secs_f64() {
            fail!("dial took {:.1} s, limit {seconds} s", dialled.total_s);
        }
        Ok(dialled)
    }

    /// Dials with a wrong password; fails unless the server refuses it within `limit`.
    pub fn dial_refused(&mut self, limit: Duration) -> Outcome<()> {
        let seconds = limit.as_secs();
        let script =
            format!("ipsec_up server {seconds} || exit 10\ncall_down; call_refused {seconds}");
        self.guest.run(&script, limit * 2 + Duration::from_secs(5)).map(drop)
    }

    /// What pppd and xl2tpd logged of the last call.
    pub fn call_logs(&mut self) -> Outcome<String> {
        Ok(tail(&self.guest.step("call_logs", Duration::from_secs(10))?.output, 80))
    }

    /// How often charon logged this.
    pub fn charon_logged(&mut self, text: &str) -> Outcome<usize> {
        let script = format!("grep -Fc '{text}' /run/charon.log");
        let step = self.guest.step(&script, Duration::from_secs(10))?;
        match step.output.trim().parse() {
            Ok(count) => Ok(count),
            Err(_) => fail!("charon.log: {}", step.output.trim()),
        }
    }

    /// Gives pppd another password for the next dial.
    pub fn set_password(&mut self, password: &str) -> Outcome<()> {
        password.clone_into(&mut self.profile.password);
        let script = self.profile.ppp_file();
        self.guest.run(&script, Duration::from_secs(5)).map(drop)
    }

    /// Gives strongSwan another pre-shared key for the next dial.
    pub fn set_key(&mut self, psk: &str) -> Outcome<()> {
        let mut script = String::new();
        file(&mut script, "/etc/ipsec.secrets", &format!(": PSK \"{psk}\""));
        script.push_str("ipsec down server >/dev/null; ipsec rereadsecrets");
        self.guest.run(&script, Duration::from_secs(20)).map(drop)
    }

    /// Hangs up properly: CDN, StopCCN, Delete.
    pub fn hang_up(&mut self) -> Outcome<()> {
        let script = "hang_up server; no_xfrm || ip xfrm state";
        self.guest.run(script, Duration::from_secs(35)).map(drop)
    }

    /// Loses everything without a word to anyone.
    pub fn die(&mut self) -> Outcome<()> {
        self.guest.run("die", Duration::from_secs(10)).map(drop)
    }
}

/// The plugins as their packages would have them. But af-alg asks the kernel for every algorithm
/// there is, which takes 7 s; the plain ones do.
const CHARON: &str = "charon {
 load_modular = yes
 plugins {
  include /usr/share/strongswan/templates/config/plugins/*.conf
  af-alg {
   load = no
  }
 }
 filelog {
  lab {
   path = /run/charon.log
   default = 1
   ike = 2
   flush_line = yes
  }
 }
}";

const PPP: &str = "ipcp-accept-local
ipcp-accept-remote
refuse-eap
noccp
noauth
noipv6
mtu 1400
mru 1400
nodefaultroute
usepeerdns
debug
logfile /run/ppp.log
";

fn file(script: &mut String, path: &str, content: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(script, "cat > {path} <<'END-OF-FILE'\n{content}\nEND-OF-FILE");
}

fn parse_dialled(output: &str) -> Outcome<Dialled> {
    let line = output.lines().rev().find_map(|line| line.strip_prefix("dialled "));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let [address, times @ ..] = &words[..] else { fail!("no line `dialled` in: {output}") };
    let times: Vec<u64> = times.iter().filter_map(|time| time.parse().ok()).collect();
    let [start, secured, up] = times[..] else { fail!("line `dialled` not understood: {words:?}") };
    Ok(Dialled {
        address: (*address).to_owned(),
        ipsec_s: (secured - start) as f64 / 1e6,
        total_s: (up - start) as f64 / 1e6,
    })
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
