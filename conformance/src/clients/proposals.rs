//! What stock clients propose: one dial with the whole list of a profile, and one negotiation of
//! both phases for each proposal alone.
//!
//! The profiles: NetworkManager-l2tp with strongSwan and with libreswan's list, `ChromeOS`, and the
//! hand-made Linux client of the usual guides.

use std::fmt::Write as _;
use std::time::Duration;

use crate::clients::dial::DIAL_LIMIT;
use crate::lab::{
    Case, Client, Dialled, Guest, Lab, Outcome, Profile, ROUTER, Server, Settings, Site, Weight,
    ping,
};
use crate::{expect, fail};

/// The cases of this file.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "proposals-nm-strongswan",
        shows: "NetworkManager-l2tp with strongSwan: its list, then every proposal alone",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: |lab| negotiate(lab, &NM_STRONGSWAN),
    },
    Case {
        name: "proposals-nm-libreswan",
        shows: "NetworkManager-l2tp with libreswan's list, then every proposal alone",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: |lab| negotiate(lab, &NM_LIBRESWAN),
    },
    Case {
        name: "proposals-chromeos",
        shows: "ChromeOS: its list, then every proposal alone; 3DES-MD5 for ESP is refused",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: |lab| negotiate(lab, &CHROMEOS),
    },
    Case {
        name: "proposals-linux",
        shows: "the hand-made Linux client: AES128-SHA1 only",
        limit: Duration::from_secs(180),
        weight: Weight::Light,
        run: |lab| negotiate(lab, &LINUX),
    },
];

/// A proposal as strongSwan writes it, and as `ipsec statusall` shows it when it stands.
type Proposal = (&'static str, &'static str);

struct Offer {
    ike: &'static [Proposal],
    esp: &'static [Proposal],
    /// The server must refuse these for ESP.
    refused: &'static [&'static str],
    /// Whether strongSwan adds its defaults to the list.
    open: bool,
}

const NM_STRONGSWAN: Offer = Offer {
    ike: &[
        ("aes256-sha256-modp2048", "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048"),
        ("aes256-sha256-modp1536", "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_1536"),
        ("aes256-sha256-modp1024", "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_1024"),
        ("aes256-sha1-modp2048", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"),
        ("aes256-sha1-modp1536", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1536"),
        ("aes256-sha1-modp1024", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024"),
        ("aes256-sha1-ecp384", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_384"),
        ("aes128-sha1-modp1024", "AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024"),
        ("aes128-sha1-ecp256", "AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_256"),
        ("3des-sha1-modp2048", "3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"),
        ("3des-sha1-modp1024", "3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024"),
    ],
    esp: NM_ESP,
    refused: &[],
    open: false,
};

const NM_LIBRESWAN: Offer = Offer {
    ike: &[
        ("aes256-sha256-modp2048", "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048"),
        ("aes256-sha256-modp1536", "AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_1536"),
        ("aes256-sha1-modp2048", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"),
        ("aes256-sha1-modp1536", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1536"),
        ("aes256-sha1-ecp384", "AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_384"),
        ("aes128-sha1-ecp256", "AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/ECP_256"),
        ("3des-sha1-modp2048", "3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"),
    ],
    esp: NM_ESP,
    refused: &[],
    open: false,
};

const NM_ESP: &[Proposal] = &[
    ("aes256-sha1", "AES_CBC_256/HMAC_SHA1_96"),
    ("aes128-sha1", "AES_CBC_128/HMAC_SHA1_96"),
    ("3des-sha1", "3DES_CBC/HMAC_SHA1_96"),
];

const CHROMEOS: Offer = Offer {
    ike: &[
        ("aes128-sha256-modp3072", "AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_3072"),
        ("aes128-sha1-modp2048", "AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"),
        ("3des-sha1-modp1536", "3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1536"),
        ("3des-sha1-modp1024", "3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024"),
    ],
    esp: &[
        ("aes128gcm16", "AES_GCM_16_128"),
        ("aes128-sha256", "AES_CBC_128/HMAC_SHA2_256_128"),
        ("aes128-sha1", "AES_CBC_128/HMAC_SHA1_96"),
        ("3des-sha1", "3DES_CBC/HMAC_SHA1_96"),
    ],
    refused: &["3des-md5"],
    open: true,
};

const LINUX: Offer = Offer {
    ike: &[("aes128-sha1-modp2048", "AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048")],
    esp: &[("aes128-sha1", "AES_CBC_128/HMAC_SHA1_96")],
    refused: &[],
    open: false,
};

fn negotiate(lab: &Lab<'_>, offer: &Offer) -> Outcome<String> {
    let site = Site::direct(lab)?;
    let mut server = Server::start(lab, &site, &Settings::default())?;
    let seat = &site.seats[0];
    let guest = Guest::boot(lab, "client", seat)?;
    let strict = if offer.open { "" } else { "!" };
    let mut profile = Profile {
        ike: list(offer.ike.iter().map(|(ike, _)| *ike), strict),
        esp: list(
            offer.esp.iter().map(|(esp, _)| *esp).chain(offer.refused.iter().copied()),
            strict,
        ),
        ..Profile::new(&site, seat)
    };
    profile.more_conns = single_conns(&profile, offer);
    let mut client = Client::start(guest, profile)?;

    let Dialled { total_s, .. } = client.dial(DIAL_LIMIT)?;
    ping(&mut client, ROUTER, 5)?;
    let chosen = chosen(&mut client, "server")?;
    client.hang_up()?;

    let mut failures = Vec::new();
    for (n, (name, shown)) in offer.ike.iter().enumerate() {
        failures.extend(alone(&mut client, &format!("ike{n}"), name, Some(shown))?);
    }
    for (n, (name, shown)) in offer.esp.iter().enumerate() {
        failures.extend(alone(&mut client, &format!("esp{n}"), name, Some(shown))?);
    }
    for (n, name) in offer.refused.iter().enumerate() {
        failures.extend(alone(&mut client, &format!("refused{n}"), name, None)?);
    }
    expect!(failures.is_empty(), "{}", failures.join("; "));
    server.still_well()?;
    let (ike, esp, refused) = (offer.ike.len(), offer.esp.len(), offer.refused.len());
    Ok(format!(
        "whole list: {chosen} after {total_s:.1} s; {ike} of {ike} IKE, {esp} of {esp} ESP alone, \
         {refused} refused"
    ))
}

fn list(names: impl Iterator<Item = &'static str>, strict: &str) -> String {
    names.collect::<Vec<_>>().join(",") + strict
}

fn single_conns(profile: &Profile, offer: &Offer) -> String {
    let mut conns = String::new();
    let (first_ike, first_esp) = (offer.ike[0].0, offer.esp[0].0);
    for (n, (ike, _)) in offer.ike.iter().enumerate() {
        conns += &profile.conn(&format!("ike{n}"), &format!("{ike}!"), &format!("{first_esp}!"));
    }
    for (n, (esp, _)) in offer.esp.iter().enumerate() {
        conns += &profile.conn(&format!("esp{n}"), &format!("{first_ike}!"), &format!("{esp}!"));
    }
    for (n, esp) in offer.refused.iter().enumerate() {
        conns +=
            &profile.conn(&format!("refused{n}"), &format!("{first_ike}!"), &format!("{esp}!"));
    }
    conns
}

/// Negotiates one proposal alone; returns what was wrong, if anything was.
fn alone(
    client: &mut Client,
    conn: &str,
    name: &str,
    shown: Option<&str>,
) -> Outcome<Option<String>> {
    let script = format!("ipsec_up {conn} 10");
    let step = client.guest.step(&script, Duration::from_secs(20))?;
    let stands = step.status == 0;
    let problem = match shown {
        Some(shown) if stands => {
            let chosen = chosen(client, conn)?;
            let right = chosen.split(" + ").any(|part| part == shown);
            (!right).then(|| format!("{name}: negotiated {chosen}, expected {shown}"))
        }
        Some(_) => {
            let mut text = format!("{name}: ");
            let why = step.output.lines().rev().find(|line| !line.trim().is_empty());
            // Writing to a string cannot fail.
            let _ = write!(text, "{}", why.unwrap_or("no answer"));
            Some(text)
        }
        None => stands.then(|| format!("{name} was accepted")),
    };
    let down = format!("timeout 15 ipsec down {conn} >/dev/null; wait_for 3 no_xfrm");
    client.guest.step(&down, Duration::from_secs(25))?;
    Ok(problem)
}

/// What `ipsec statusall` shows as negotiated: `IKE + ESP`.
fn chosen(client: &mut Client, conn: &str) -> Outcome<String> {
    let text = client.guest.run(&format!("ipsec statusall {conn}"), Duration::from_secs(10))?;
    let ike = text.split("IKE proposal: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    // The child's line: `server{1}:  AES_CBC_256/HMAC_SHA1_96, 0 bytes_i, …`.
    let esp = text.lines().find(|line| line.contains("bytes_i"));
    let esp = esp.and_then(|line| line.split("}:").nth(1)?.split(',').next()).map(str::trim);
    match (ike, esp) {
        (Some(ike), Some(esp)) => Ok(format!("{ike} + {esp}")),
        _ => fail!("ipsec statusall not understood: {text}"),
    }
}
