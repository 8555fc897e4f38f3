//! The load generator: it reaches the server by every way it has, and tells of a server that is
//! silent, refuses or dies, with what there is until then. No guest: its clients are in it.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::compare::{Line, Said};
use crate::lab::{
    Case, Kind, Lab, Namespace, Outcome, PASSWORD, PSK, Process, Server, Settings, Site, USER,
    Weight,
};
use crate::{expect, fail};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "load",
        shows: "the load generator: up, down, between clients, mixed sizes, bare ESP, each cipher",
        limit: Duration::from_secs(90),
        weight: Weight::Heavy,
        run: works,
    },
    Case {
        name: "load-silent",
        shows: "it says that a server does not answer, whether its port is open or closed",
        limit: Duration::from_secs(60),
        weight: Weight::Light,
        run: silent,
    },
    Case {
        name: "load-refused",
        shows: "it says that a server refuses a key or a password",
        limit: Duration::from_secs(90),
        weight: Weight::Light,
        run: refused,
    },
    Case {
        name: "load-dies",
        shows: "the server is killed under dials and under traffic: told, with what there is",
        limit: Duration::from_secs(90),
        weight: Weight::Light,
        run: dies,
    },
];

/// Ends in time, whatever the server does.
const LIMIT: Duration = Duration::from_secs(40);

/// The server, and a namespace for clients on a wire to it.
struct Stand {
    clients: Namespace,
    site: Site,
}

/// What a run of `load` came to.
struct Ended {
    /// What it printed, progress and all.
    text: String,
    is_well: bool,
    said: Said,
    seconds: f64,
}

fn works(lab: &Lab<'_>) -> Outcome<String> {
    let stand = Stand::new(lab)?;
    let mut server = Server::start(lab, &stand.site, &Settings::default())?;
    let pid = server.process().pid().to_string();
    let station = format!("{},{}", stand.site.server.name(), crate::lab::ON_TAP);
    let both = ["--up", "400", "--down", "400", "--seconds", "1", "--station", &station];
    let bare = [&both[..], &["--outer", "esp"]].concat();
    let sizes = [&both[..], &["--size", "64,590,1360", "--pid", &pid]].concat();
    let between = ["--up", "400", "--seconds", "1", "--between"];
    for (what, words) in
        [("both ways", &sizes[..]), ("bare ESP", &bare), ("between clients", &between)]
    {
        let ended = stand.load(lab, &[words, &["--clients", "4"]].concat())?;
        ended.carried(words.contains(&"--down")).map_err(|why| why.during(what))?;
    }
    let mut ciphers = vec!["aes128-sha1", "3des-sha1"];
    if lab.kind() != Kind::SoftEther {
        ciphers.extend(["aes128-sha256", "aes256-sha256", "aes128-gcm", "aes256-gcm"]);
    }
    for cipher in &ciphers {
        let ended = stand.load(lab, &[&both[..], &["--cipher", cipher]].concat())?;
        ended.carried(true).map_err(|why| why.during(cipher))?;
    }
    server.still_well()?;
    Ok(format!("3 ways, {} more ciphers", ciphers.len()))
}

fn silent(lab: &Lab<'_>) -> Outcome<String> {
    let stand = Stand::new(lab)?;
    let mut server = Server::start(lab, &stand.site, &Settings::default())?;
    let ended = stand.load(lab, &[])?;
    expect!(ended.is_well, "it does not even reach a good server: {}", ended.text);
    server.process().kill();
    let closed = stand.load(lab, &["--clients", "3"])?;
    closed.is_told("silent", "load: the server does not answer")?;
    let mut command = stand.site.server.command("socat");
    command.args(["-u", "UDP4-RECVFROM:500,fork", "OPEN:/dev/null"]);
    let mut open = Process::start(&mut command, &lab.folder().join("socat.log"))?;
    let ended = stand.load(lab, &["--clients", "3"])?;
    ended.is_told("silent", "load: the server does not answer")?;
    expect!(open.ended()?.is_none(), "socat ended");
    Ok(format!("told after {:.1} s and {:.1} s", closed.seconds, ended.seconds))
}

fn refused(lab: &Lab<'_>) -> Outcome<String> {
    let stand = Stand::new(lab)?;
    let mut server = Server::start(lab, &stand.site, &Settings::default())?;
    let ended = stand.load(lab, &[])?;
    expect!(ended.is_well, "it does not even reach a good server: {}", ended.text);
    let key = stand.load(lab, &["--clients", "3", "--psk", "not-this"])?;
    key.is_told("refused", "load: the server refuses: 0 of 3 clients are up; most often: ")?;
    expect!(key.text.contains("wrong pre-shared key"), "no word of the key: {}", key.text);
    let password = stand.load(lab, &["--clients", "3", "--password", "not-this"])?;
    password.is_told("refused", "most often: wrong user or password (691)")?;
    server.still_well()?;
    Ok(format!("a key after {:.1} s, a password after {:.1} s", key.seconds, password.seconds))
}

fn dies(lab: &Lab<'_>) -> Outcome<String> {
    let stand = Stand::new(lab)?;
    let mut told = Vec::new();
    let flow = ["--clients", "2", "--up", "500", "--down", "500", "--seconds", "30"];
    let station = format!("{},{}", stand.site.server.name(), crate::lab::ON_TAP);
    for (with_pid, is_dialling) in [(true, false), (false, false), (true, true)] {
        let mut server = Server::start(lab, &stand.site, &Settings::default())?;
        let pid = server.process().pid().to_string();
        let mut words = if is_dialling {
            vec!["--clients", "150", "--dial-rate", "10"]
        } else {
            [&flow[..], &["--station", &station]].concat()
        };
        if with_pid {
            words.extend(["--pid", &pid]);
        }
        let mut process = stand.start(lab, &words)?;
        let sign = if is_dialling { "of 150 up" } else { "load: measured" };
        process.wait_for_output(sign, LIMIT)?;
        server.process().kill();
        let killed = Instant::now();
        let ended = Ended::wait(process, killed)?;
        ended.is_told("died", "load: the server died: ")?;
        if is_dialling {
            let up = ended.line("dialled")?.number("up")?;
            expect!(up > 0.0 && up < 150.0, "{up} of 150 are up");
        } else {
            let traffic = ended.line("traffic")?;
            let (up, down) = (traffic.number("up_got")?, traffic.number("down_got")?);
            expect!(up > 0.0 && down > 0.0, "arrived: {up} up, {down} down");
            expect!(traffic.number("seconds")? < 25.0, "it went on");
        }
        told.push(format!("{:.1} s", ended.seconds));
        drop(server);
    }
    Ok(format!("told {} after the death", told.join(", ")))
}

impl Stand {
    fn new(lab: &Lab<'_>) -> Outcome<Self> {
        let site = Site::direct(lab)?;
        let clients = lab.namespace("load")?;
        site.server.veth("load", &clients, "load")?;
        site.server.up("load", &[&format!("{SERVER}/24")])?;
        for number in 1..=4 {
            clients.ip(&format!("addr add {NETWORK}.10{number}/24 dev load"))?;
        }
        clients.ip("link set load up")?;
        Ok(Self { clients, site })
    }

    fn start(&self, lab: &Lab<'_>, words: &[&str]) -> Outcome<Process> {
        let program = lab.program().with_file_name("load");
        expect!(program.is_file(), "{} is not built", program.display());
        let mut command: Command = self.clients.command(&program.display().to_string());
        let from = format!("{NETWORK}.101+4");
        command.args(["run", "--server", SERVER, "--psk", PSK, "--from", &from]);
        command.args(["--user", USER, "--password", PASSWORD]).args(words);
        // A log for each run: what it said is read from there.
        let number = std::fs::read_dir(lab.folder())?.count();
        Process::start(&mut command, &lab.folder().join(format!("load-{number}.log")))
    }

    fn load(&self, lab: &Lab<'_>, words: &[&str]) -> Outcome<Ended> {
        Ended::wait(self.start(lab, words)?, Instant::now())
    }
}

impl Ended {
    fn wait(mut process: Process, since: Instant) -> Outcome<Self> {
        let status = process.wait(LIMIT).map_err(|why| why.during("load"))?;
        let text = process.output();
        let said = Said::parse(&text);
        let seconds = since.elapsed().as_secs_f64();
        Ok(Self { text, is_well: status.success(), said, seconds })
    }

    fn line(&self, word: &str) -> Outcome<&Line> {
        match self.said.lines(word).last() {
            Some(line) => Ok(line),
            None => fail!("no line {word}: {}", self.text),
        }
    }

    /// Traffic went through, nearly all of it.
    fn carried(&self, is_both: bool) -> Outcome<()> {
        expect!(self.is_well, "{}", self.text);
        let traffic = self.line("traffic")?;
        for way in if is_both { &["up", "down"][..] } else { &["up"] } {
            let loss = traffic.number(&format!("{way}_loss_percent"))?;
            let got = traffic.number(&format!("{way}_got"))?;
            expect!(got > 100.0 && loss < 20.0, "{way}: {got} arrived, {loss} % lost");
        }
        Ok(())
    }

    /// It failed, said why in one line, and had a last line.
    fn is_told(&self, word: &str, sentence: &str) -> Outcome<()> {
        expect!(!self.is_well, "it ended well: {}", self.text);
        let count = self.text.lines().filter(|line| line.contains(sentence)).count();
        expect!(count == 1, "{count} lines say {sentence:?}: {}", self.text);
        let last = format!("result ended={word} ");
        let is_there = self.text.lines().any(|line| line.starts_with(&last));
        expect!(is_there, "no line {last:?}: {}", self.text);
        Ok(())
    }
}

const SERVER: &str = "10.98.0.1";
const NETWORK: &str = "10.98.0";
