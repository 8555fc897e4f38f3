//! `kumihimo.toml`: reading it, and saying in one line what is wrong with it.
//!
//! The keys are those of `docs/CONTRACT.md`. Nothing here changes a running server: the result
//! is a [`Settings`] that the core borrows through [`Settings::with_core`].

mod first_run;
mod hubs;
mod nearest;
mod problem;
mod reader;
mod schema;
mod settings;
mod value;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;

use kumihimo_core::config::{EncapsulationPolicy, PSK_LEN, Policy};
use kumihimo_core::time::Duration;
use toml_edit::Document;
use zeroize::Zeroizing;

use reader::{Reader, Section};

pub use first_run::{FirstRun, first_settings, write_first};
pub use problem::Problem;
pub use settings::{
    HubSettings, IpsecSettings, SecureNatSettings, ServerSettings, Settings, UserSettings,
};

/// Reads and checks the file at `path`.
///
/// # Errors
/// Everything that is wrong with it, in the order of lines; at least one [`Problem`].
pub fn load(path: &Path) -> Result<Settings, Vec<Problem>> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        let what = format!("cannot be read: {error}");
        let remedy = "name the right file with --config FILE".to_owned();
        vec![Problem { file: file.clone(), line: None, setting: String::new(), what, remedy }]
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&file, &text, folder)
}

/// Checks `text`, the content of `file`, which stands in `folder`.
///
/// # Errors
/// Everything that is wrong with it, in the order of lines; at least one [`Problem`].
pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Settings, Vec<Problem>> {
    let reader = Reader::new(file, text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            reader.problem(reader.line(error.span()), "", what, "this is not valid TOML");
            return Err(reader.into_problems());
        }
    };
    let settings = read(&reader, document.as_table(), folder);
    match (settings, reader.into_problems()) {
        (Some(settings), problems) if problems.is_empty() => Ok(settings),
        (_, problems) => Err(problems),
    }
}

fn read(reader: &Reader<'_>, table: &toml_edit::Table, folder: &Path) -> Option<Settings> {
    let root = reader.root(table);
    // Opened for its keys alone: each says that it is not supported yet.
    root.section("admin");
    let server = server(root.section("server"), folder);
    let ipsec = root.section("ipsec");
    let hubs = hubs::read(root.sections("hub"), server.max_sessions);
    if ipsec.is_none() && !root.has("ipsec") {
        reader.problem(None, "ipsec", "is missing", "add [ipsec] with psk = \"…\"");
    }
    if hubs.is_empty() && !root.has("hub") {
        reader.problem(None, "hub", "is missing", "add [[hub]] with name = \"DEFAULT\"");
    }
    let ipsec = self::ipsec(ipsec?, &hubs);
    Some(Settings { server, ipsec, hubs })
}

fn server(section: Option<Section<'_>>, folder: &Path) -> ServerSettings {
    let mut server = ServerSettings::in_folder(folder);
    let Some(section) = section else { return server };
    if let Some(listen) = section.list("listen", "write an address of this machine", address) {
        if listen.is_empty() {
            section.wrong("listen", "is empty", "write [\"0.0.0.0\", \"::\"]");
        }
        server.listen = listen;
        let mut seen = Vec::new();
        for address in &server.listen {
            if seen.contains(address) {
                section.wrong("listen", format_args!("{address} is there twice"), "remove one");
            }
            seen.push(*address);
        }
    }
    if let Some(state_dir) = section.text("state-dir") {
        server.state_dir = folder.join(state_dir);
    }
    if section.number("workers", 0..1_025).is_some_and(|workers| workers > 1) {
        section.not_yet("workers", "more than one packet thread", "write 0 or 1");
    }
    if let Some(most) = section.number("max-sessions", 1..MAX_SESSIONS + 1) {
        server.max_sessions = most as usize;
    }
    server
}

fn ipsec(section: Section<'_>, hubs: &[HubSettings]) -> IpsecSettings {
    let mut ipsec = IpsecSettings::default();
    ipsec.l2tp = section.flag("l2tp").unwrap_or(ipsec.l2tp);
    ipsec.l2tp_raw = section.flag("l2tp-raw").unwrap_or(ipsec.l2tp_raw);
    for key in ["etherip", "aggressive"] {
        if section.flag(key) == Some(true) {
            section.not_yet(key, "true", "write false or remove it");
        }
    }
    psk(section, &mut ipsec);
    default_hub(section, hubs, &mut ipsec);
    let policies =
        [("modern", Policy::Modern), ("compat", Policy::Compat), ("legacy", Policy::Legacy)];
    ipsec.policy = section.choice("policy", &policies).unwrap_or_default();
    let ways = [("udp", EncapsulationPolicy::Udp), ("auto", EncapsulationPolicy::Auto)];
    ipsec.encapsulation = section.choice("encapsulation", &ways).unwrap_or_default();
    let hours = |count: u64| Duration::from_secs(count * 3_600);
    let shortest = Duration::from_secs(30);
    ipsec.ike_lifetime =
        span(section, "ike-lifetime", (shortest, hours(168))).unwrap_or(ipsec.ike_lifetime);
    ipsec.esp_lifetime =
        span(section, "esp-lifetime", (shortest, hours(168))).unwrap_or(ipsec.esp_lifetime);
    let patience = (Duration::from_secs(120), hours(24));
    ipsec.dead_after = span(section, "dead-after", patience).unwrap_or(ipsec.dead_after);
    ipsec
}

fn psk(section: Section<'_>, ipsec: &mut IpsecSettings) {
    let Some(psk) = section.text("psk") else {
        if ipsec.l2tp && !section.has("psk") {
            section.wrong("psk", "is missing", "add psk = \"…\", the key that clients share");
        }
        // Without IPsec nobody needs a key, and nobody shall know the one in its place.
        ipsec.psk = first_run::unknown_key();
        return;
    };
    // The text itself is a secret and stays out of the message.
    match value::psk(psk) {
        None => section.wrong("psk", "is not hexadecimal after 0x", "write pairs of digits"),
        Some(psk) if psk.is_empty() => {
            section.wrong("psk", "is empty", "write a key of 16 characters or more");
        }
        Some(psk) if psk.len() > PSK_LEN => {
            let what = format!("has {} octets", psk.len());
            section.wrong("psk", what, format_args!("write at most {PSK_LEN}"));
        }
        Some(psk) => ipsec.psk = psk,
    }
}

fn default_hub(section: Section<'_>, hubs: &[HubSettings], ipsec: &mut IpsecSettings) {
    if let Some(name) = section.text("default-hub") {
        name.clone_into(&mut ipsec.default_hub);
    }
    let wanted = &ipsec.default_hub;
    let found = hubs.iter().find(|hub| settings::same_name(&hub.name, wanted));
    match (found, hubs.iter().find(|hub| !hub.name.is_empty())) {
        (Some(hub), _) => hub.name.clone_into(&mut ipsec.default_hub),
        (None, Some(hub)) => {
            let what = format!("there is no hub {}", reader::quoted(wanted));
            let remedy = format!("write default-hub = {}", reader::quoted(&hub.name));
            section.wrong("default-hub", what, remedy);
        }
        // That no hub has a name is another problem, noted already.
        (None, None) => {}
    }
}

fn span(section: Section<'_>, key: &str, range: (Duration, Duration)) -> Option<Duration> {
    let span = section.parsed(key, DURATION, value::duration)?;
    let (shortest, longest) = range;
    if span < shortest || span > longest {
        let what = format!("{} s is out of range", span.as_secs());
        let remedy =
            format!("write \"{}s\" to \"{}h\"", shortest.as_secs(), longest.as_secs() / 3_600);
        section.wrong(key, what, remedy);
    }
    Some(span)
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

const DURATION: &str = "write a duration, as in \"90s\" or \"2h\"";
const MAX_SESSIONS: u32 = 1_000_000;
