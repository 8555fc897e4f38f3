//! How the server starts, and how it says that it cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::lab::{
    Case, Client, Guest, Lab, Outcome, Process, Profile, ROUTER, Server, Settings, Site, Weight,
    ping, run, write_config,
};
use crate::{expect, fail};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "first-run",
        shows: "without a configuration it writes one, and a client dials what the card says",
        limit: Duration::from_secs(120),
        weight: Weight::Light,
        run: first_run,
    },
    Case {
        name: "ports-taken",
        shows: "a port that another process holds: which, by whom, what to do",
        limit: Duration::from_secs(60),
        weight: Weight::Light,
        run: ports_taken,
    },
    Case {
        name: "broken-config",
        shows: "each broken configuration gives one line with file, line, setting and remedy",
        limit: Duration::from_secs(60),
        weight: Weight::Light,
        run: broken_config,
    },
];

const REFUSAL_LIMIT: Duration = Duration::from_secs(5);

fn first_run(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let site = Site::direct(lab)?;
    let folder = lab.folder().join("first-run");
    fs::create_dir_all(&folder)?;
    let mut server = serve_here(lab, &site, &folder, "server.log")?;
    let config = folder.join("kumihimo.toml");
    let mode = fs::metadata(&config)?.permissions().mode() & 0o777;
    expect!(mode == 0o600, "kumihimo.toml has mode {mode:o}");
    let written = fs::read(&config)?;
    let card = Card::read(&server.output())?;
    expect!(card.address == site.address, "the card says address {}", card.address);

    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let profile = Profile {
        psk: card.key,
        user: card.user,
        password: card.password,
        ..Profile::new(&site, seat)
    };
    let mut client = Client::start(guest, profile)?;
    let dialled = client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 5)?;

    server.signal("TERM")?;
    server.wait(Duration::from_secs(3))?;
    let mut again = serve_here(lab, &site, &folder, "again.log")?;
    expect!(fs::read(&config)? == written, "the second start changed kumihimo.toml");
    expect!(again.ended()?.is_none(), "the second start did not stay");
    Ok(format!("mode 600, {} after {:.1} s by the card", dialled.address, dialled.total_s))
}

fn serve_here(lab: &Lab<'_>, site: &Site, folder: &Path, log: &str) -> Outcome<Process> {
    let mut command = site.server.command(&lab.program().display().to_string());
    let mut server =
        Process::start(command.arg("serve").current_dir(folder), &lab.folder().join(log))?;
    server.wait_for_output("ready", Duration::from_secs(20))?;
    Ok(server)
}

/// What the server prints at its first start for a person to type into a phone.
struct Card {
    address: String,
    key: String,
    user: String,
    password: String,
}

impl Card {
    /// The last word of the first line that begins with the label and is not about the admin.
    fn read(text: &str) -> Outcome<Self> {
        let value = |labels: &[&str]| {
            let labelled =
                text.lines().map(|line| line.trim_matches(|c: char| !c.is_alphanumeric()));
            let mut labelled = labelled.filter(|line| {
                let line = line.to_lowercase();
                labels.iter().any(|label| line.starts_with(label))
            });
            match labelled.next().and_then(|line| line.split_whitespace().next_back()) {
                Some(word) => Ok(word.trim_matches('"').to_owned()),
                None => fail!("the card has no line for {labels:?}: {text}"),
            }
        };
        Ok(Self {
            address: value(&["address", "server"])?,
            key: value(&["pre-shared key", "key", "psk"])?,
            user: value(&["user"])?,
            password: value(&["password"])?,
        })
    }
}

fn ports_taken(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let site = Site::direct(lab)?;
    let mut shown = Vec::new();
    for port in ["500", "4500"] {
        let mut command = site.server.command("socat");
        command.args(["-u", &format!("UDP4-RECV:{port}"), "-"]);
        let holder = Process::start(&mut command, &lab.folder().join("holder.log"))?;
        wait_until_bound(&site, port)?;
        let refusal = refusal(lab, &site, &Settings::default().toml())?;
        let pid = holder.pid().to_string();
        for word in [port, "socat", &pid] {
            expect!(refusal.contains(word), "port {port} taken: no {word} in: {refusal}");
        }
        shown.push(refusal);
    }
    let mut first = Server::start(lab, &site, &Settings::default())?;
    let pid = first.process().pid().to_string();
    let second = refusal(lab, &site, &Settings::default().toml().replace("vpn0", "vpn1"))?;
    for word in ["kumihimo", &pid] {
        expect!(second.contains(word), "second server: no {word} in: {second}");
    }
    first.still_well()?;
    Ok(format!("{} refusals, e.g. {}", shown.len() + 1, second.trim()))
}

fn wait_until_bound(site: &Site, port: &str) -> Outcome<()> {
    for _ in 0..50 {
        if site.server.run("ss", &["-Hlun", &format!("sport = :{port}")])?.contains(port) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    fail!("socat did not bind port {port}")
}

/// Starts a server that must refuse; returns its one line.
fn refusal(lab: &Lab<'_>, site: &Site, config: &str) -> Outcome<String> {
    let folder = lab.folder().join("refused");
    fs::create_dir_all(&folder)?;
    let file = folder.join("kumihimo.toml");
    fs::write(&file, config)?;
    refusal_of(lab, site, &file)
}

fn refusal_of(lab: &Lab<'_>, site: &Site, file: &Path) -> Outcome<String> {
    let mut command = site.server.command(&lab.program().display().to_string());
    command.args(["serve", "--config"]).arg(file);
    let (status, text) = run(&mut command, "", REFUSAL_LIMIT)?;
    expect!(status.code() == Some(1), "{status} instead of exit status 1: {text}");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines[..] {
        [line] => Ok(line.to_owned()),
        _ => fail!("{} lines instead of one: {text}", lines.len()),
    }
}

/// What is replaced in the smallest configuration, by what, and what the complaint must name.
const BROKEN: &[(&str, &str, &[&str])] = &[
    ("psk = ", "pks = ", &["pks", "psk"]),
    ("l2tp = true", "l2tp = true\npolicy = \"comapt\"", &["policy", "comapt", "compat"]),
    ("l2tp = true", "l2tp = \"yes\"", &["l2tp"]),
    ("state-dir = \"state\"", "state-dir = \"state", &[]),
    ("lease = \"2h\"", "lease = \"2 moons\"", &["lease", "2 moons"]),
    ("pool = \"192.168.30.10", "pool = \"172.16.0.10", &["pool"]),
    ("auth = \"password\"", "auth = \"fingerprint\"", &["auth", "fingerprint"]),
    ("default-hub = \"DEFAULT\"", "default-hub = \"NOWHERE\"", &["default-hub", "NOWHERE"]),
    ("address = \"192.168.30.1/24\"", "address = \"192.168.30.1/24/7\"", &["address"]),
];

fn broken_config(lab: &Lab<'_>) -> Outcome<String> {
    Server::only_kumihimo(lab)?;
    let site = Site::direct(lab)?;
    let good = Settings::default().toml();
    let mut problems = Vec::new();
    for (from, to, words) in BROKEN {
        let broken = good.replacen(from, to, 1);
        expect!(broken != good, "the lab's own configuration has no {from:?}");
        let line = 1 + good[..good.find(from).unwrap_or(0)].matches('\n').count();
        let line = line + to.matches('\n').count();
        let text = match refusal(lab, &site, &broken) {
            Ok(text) => text,
            Err(failure) => {
                problems.push(format!("{to:?}: {failure}"));
                continue;
            }
        };
        let place = format!("kumihimo.toml:{line}:");
        let missing = words.iter().copied().chain([place.as_str()]);
        let missing: Vec<&str> = missing.filter(|word| !text.contains(word)).collect();
        if !missing.is_empty() {
            problems.push(format!("{to:?}: no {missing:?} in: {text}"));
        }
    }
    let nowhere = lab.folder().join("nowhere.toml");
    let absent = refusal_of(lab, &site, &nowhere)?;
    expect!(absent.contains("nowhere.toml"), "the file is not named in: {absent}");
    expect!(problems.is_empty(), "{}", problems.join("\n"));
    // The same file without the fault is served, so it is the fault that is refused.
    write_config(lab, &good)?;
    Server::start(lab, &site, &Settings::default())?.still_well()?;
    Ok(format!("{} faults, each named with its line", BROKEN.len() + 1))
}
