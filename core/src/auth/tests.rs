use super::*;
use crate::config::{
    Config, ConfigError, EncapsulationPolicy, HubConfig, IpsecConfig, Policy, UserConfig,
};
use crate::credentials::{Credentials, Proof, Refusal, Verdict};
use crate::crypto::mschap;
use crate::limits::Limits;
use crate::time::Duration;
use std::vec::Vec;

fn table() -> Users<'static> {
    let limits = Limits { users: 6, hubs: 3, ..Limits::server(4) };
    Users::new(Storage::allocate(&limits), [5; 16])
}

fn user(name: &'static str, password: &str) -> UserConfig<'static> {
    UserConfig { name, nt_hash: mschap::nt_hash(password), max_sessions: None }
}

fn with<R>(
    hubs: &[(&str, &[UserConfig<'_>])],
    default_hub: &str,
    act: impl FnOnce(&Config<'_>) -> R,
) -> R {
    let hubs: Vec<_> = hubs
        .iter()
        .map(|&(name, users)| HubConfig { name, secure_nat: None, users, bridges: 0 })
        .collect();
    act(&Config {
        ipsec: IpsecConfig {
            l2tp: true,
            l2tp_raw: false,
            psk: b"vpn",
            default_hub,
            policy: Policy::Compat,
            encapsulation: EncapsulationPolicy::Udp,
            ike_lifetime: Duration::from_secs(28_800),
            esp_lifetime: Duration::from_secs(3_600),
            dead_after: Duration::from_secs(120),
        },
        hubs: &hubs,
        host_name: "kumihimo",
    })
}

fn configured() -> Users<'static> {
    let mut users = table();
    let default = [user("jiro", "pass"), user("alice@example.com", "a"), user("Ömer", "ö")];
    let branch = [user("jiro", "other")];
    with(&[("DEFAULT", &default), ("Branch", &branch)], "default", |config| {
        users.configure(config)
    })
    .unwrap();
    users
}

fn pap(users: &Users<'_>, name: &str, password: &str) -> (Verdict, Option<UserId>) {
    let proof = Proof::Pap { password: password.as_bytes() };
    users.check(&Credentials { name: name.as_bytes(), proof })
}

/// Where `name` with `password` leads.
fn enters(users: &Users<'_>, name: &str, password: &str) -> Option<(usize, &'static str)> {
    let (verdict, id) = pap(users, name, password);
    assert_eq!(matches!(verdict, Verdict::Accept { .. }), id.is_some());
    let (hub, name) = users.name_of(id?)?;
    Some((hub, ["jiro", "alice@example.com", "Ömer"].into_iter().find(|&it| it == name)?))
}

#[test]
fn names_lead_to_hubs_in_every_form_and_case() {
    let users = configured();
    for name in ["jiro", "JIRO", " jiro ", "jiro@DEFAULT", "Default\\Jiro"] {
        assert_eq!(enters(&users, name, "pass"), Some((0, "jiro")), "{name}");
    }
    for name in ["jiro@branch", "JIRO@BRANCH", "branch\\jiro", "BRANCH\\JIRO"] {
        assert_eq!(enters(&users, name, "other"), Some((1, "jiro")), "{name}");
        assert_eq!(enters(&users, name, "pass"), None, "{name}");
    }
    assert_eq!(enters(&users, "ömer", "ö"), Some((0, "Ömer")));
    assert_eq!(enters(&users, "ÖMER@default", "ö"), Some((0, "Ömer")));
}

#[test]
fn a_realm_that_is_no_hub_belongs_to_the_name() {
    let users = configured();
    for name in ["alice@example.com", "Alice@Example.Com", "alice@example.com@default"] {
        assert_eq!(enters(&users, name, "a"), Some((0, "alice@example.com")), "{name}");
    }
    for name in ["jiro@example.com", "DOMAIN\\jiro", "DOMAIN\\jiro@default", "@default", "\\jiro"] {
        let refused = (Verdict::Refuse(Refusal::UnknownUser), None);
        assert_eq!(pap(&users, name, "pass"), refused, "{name}");
    }
}

#[test]
fn what_is_refused_says_why_and_names_nobody() {
    let users = configured();
    let wrong = (Verdict::Refuse(Refusal::WrongPassword), None);
    assert_eq!(pap(&users, "jiro", "Pass"), wrong);
    assert_eq!(pap(&users, "jiro", ""), wrong);
    let proof = Proof::Pap { password: &[0xff] };
    assert_eq!(users.check(&Credentials { name: b"jiro", proof }), wrong);
    let unknown = (Verdict::Refuse(Refusal::UnknownUser), None);
    assert_eq!(users.check(&Credentials { name: &[0xff], proof }), unknown);
    assert_eq!(pap(&users, "", ""), unknown);
    // A name without a user is not let in by the hash that stands in for one.
    assert_eq!(ms_chap_v2(&users, "nobody", [0; 16], None).0, unknown.0);
}

fn ms_chap_v2(
    users: &Users<'_>,
    name: &str,
    nt_hash: [u8; 16],
    hashed_name: Option<&str>,
) -> (Verdict, Option<UserId>) {
    let (ours, theirs) = ([1; 16], [2; 16]);
    let hashed = hashed_name.unwrap_or(name).as_bytes();
    let response = mschap::nt_response(&ours, &theirs, hashed, &nt_hash);
    let proof = Proof::MsChapV2 {
        authenticator_challenge: &ours,
        peer_challenge: &theirs,
        nt_response: &response,
    };
    users.check(&Credentials { name: name.as_bytes(), proof })
}

#[test]
fn ms_chap_v2_hashes_the_name_as_clients_do() {
    let users = configured();
    let hash = mschap::nt_hash("pass");
    // Windows and pppd hash what stands behind the backslash, and all of user@hub.
    for (name, hashed) in [
        ("jiro", "jiro"),
        ("JIRO", "JIRO"),
        ("jiro@default", "jiro@default"),
        ("default\\jiro", "jiro"),
    ] {
        let (verdict, id) = ms_chap_v2(&users, name, hash, Some(hashed));
        let response = mschap::nt_response(&[1; 16], &[2; 16], hashed.as_bytes(), &hash);
        let proof =
            mschap::authenticator_response(&hash, &response, &[2; 16], &[1; 16], hashed.as_bytes());
        assert_eq!(verdict, Verdict::Accept { authenticator_response: Some(proof) }, "{name}");
        assert!(id.is_some());
    }
    let (verdict, _) = ms_chap_v2(&users, "jiro@default", hash, Some("jiro"));
    assert_eq!(verdict, Verdict::Refuse(Refusal::WrongPassword));
}

/// RFC 2759 §9.2.
#[test]
fn the_published_response_is_accepted_with_the_published_proof() {
    let mut users = table();
    let user = UserConfig {
        name: "User",
        nt_hash: [
            0x44, 0xeb, 0xba, 0x8d, 0x53, 0x12, 0xb8, 0xd6, 0x11, 0x47, 0x44, 0x11, 0xf5, 0x69,
            0x89, 0xae,
        ],
        max_sessions: None,
    };
    with(&[("h", &[user])], "h", |config| users.configure(config)).unwrap();
    let proof = Proof::MsChapV2 {
        authenticator_challenge: &[
            0x5b, 0x5d, 0x7c, 0x7d, 0x7b, 0x3f, 0x2f, 0x3e, 0x3c, 0x2c, 0x60, 0x21, 0x32, 0x26,
            0x26, 0x28,
        ],
        peer_challenge: &[
            0x21, 0x40, 0x23, 0x24, 0x25, 0x5e, 0x26, 0x2a, 0x28, 0x29, 0x5f, 0x2b, 0x3a, 0x33,
            0x7c, 0x7e,
        ],
        nt_response: &[
            0x82, 0x30, 0x9e, 0xcd, 0x8d, 0x70, 0x8b, 0x5e, 0xa0, 0x8f, 0xaa, 0x39, 0x81, 0xcd,
            0x83, 0x54, 0x42, 0x33, 0x11, 0x4a, 0x3d, 0x85, 0xd6, 0xdf,
        ],
    };
    let (verdict, _) = users.check(&Credentials { name: b"User", proof });
    let authenticator_response = Some([
        0x40, 0x7a, 0x55, 0x89, 0x11, 0x5f, 0xd0, 0xd6, 0x20, 0x9f, 0x51, 0x0f, 0xe9, 0xc0, 0x45,
        0x66, 0x93, 0x2c, 0xda, 0x56,
    ]);
    assert_eq!(verdict, Verdict::Accept { authenticator_response });
}

#[test]
fn sessions_are_numbered_from_the_lowest_free_number() {
    let mut users = configured();
    let id = pap(&users, "jiro", "pass").1.unwrap();
    assert_eq!([users.enter(id), users.enter(id), users.enter(id)], [Ok(0), Ok(1), Ok(2)]);
    users.leave(id, 1);
    assert_eq!((users.enter(id), users.enter(id)), (Ok(1), Ok(3)));
    let more: Vec<_> = (4..300).map(|_| users.enter(id).unwrap()).collect();
    let mut unique = more.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), more.len());
    more.into_iter().chain(0..4).for_each(|number| users.leave(id, number));
    assert_eq!((users.sessions_of(id), users.enter(id)), (0, Ok(0)));
}

#[test]
fn a_user_has_no_more_sessions_than_allowed() {
    let mut users = table();
    let jiro = UserConfig { max_sessions: Some(1), ..user("jiro", "pass") };
    with(&[("h", &[jiro])], "h", |config| users.configure(config)).unwrap();
    let id = pap(&users, "jiro", "pass").1.unwrap();
    assert_eq!(users.enter(id), Ok(0));
    assert_eq!(users.enter(id), Err(Refusal::TooManySessions));
    users.leave(id, 0);
    assert_eq!(users.enter(id), Ok(0));
}

#[test]
fn who_stays_keeps_sessions_when_the_configuration_changes() {
    let mut users = configured();
    let stays = pap(&users, "jiro@branch", "other").1.unwrap();
    let goes = pap(&users, "alice@example.com", "a").1.unwrap();
    assert_eq!((users.enter(stays), users.enter(goes)), (Ok(0), Ok(0)));
    // The hubs change places, the user's password changes, a table's worth of users comes.
    let branch = [user("JIRO", "new"), user("b", "b"), user("c", "c")];
    let default = [user("d", "d"), user("e", "e"), user("f", "f")];
    with(&[("BRANCH", &branch), ("DEFAULT", &default)], "BRANCH", |config| users.configure(config))
        .unwrap();
    assert_eq!(users.len(), 6);
    assert_eq!(pap(&users, "jiro", "new").1, Some(stays));
    assert_eq!(pap(&users, "jiro", "other").1, None);
    assert_eq!(users.name_of(stays), Some((0, "jiro")));
    assert_eq!(users.enter(stays), Ok(1));
    assert_eq!(users.enter(goes), Err(Refusal::UnknownUser));
    users.leave(goes, 0);
    for name in ["b", "c", "d@default", "e@default", "f@default"] {
        assert!(pap(&users, name, &name[..1]).1.is_some(), "{name}");
    }
    assert_eq!(pap(&users, "jiro@default", "pass").1, None);
}

#[test]
fn a_bad_configuration_changes_nothing() {
    let mut users = configured();
    let long = "x".repeat(65);
    let named = |name| UserConfig { name, nt_hash: [0; 16], max_sessions: None };
    let seven = ["a", "b", "c", "d", "e", "f", "g"].map(named);
    let twice = [named("a"), named("b"), named("A")];
    type Hubs<'a> = &'a [(&'a str, &'a [UserConfig<'a>])];
    let cases: [(Hubs<'_>, &str, ConfigError); 8] = [
        (&[("h", &[])], "other", ConfigError::NoDefaultHub),
        (&[("h", &[]), ("H", &[])], "h", ConfigError::DuplicateName),
        (&[("h", &twice)], "h", ConfigError::DuplicateName),
        (&[("h", &[named("")])], "h", ConfigError::BadName),
        (&[("h", &[named(&long)])], "h", ConfigError::BadName),
        (&[("", &[])], "", ConfigError::BadName),
        (&[("h", &seven)], "h", ConfigError::TooMany),
        (&[("h", &[]), ("i", &[]), ("j", &[]), ("k", &[])], "h", ConfigError::TooMany),
    ];
    for (hubs, default_hub, error) in cases {
        let refused = with(hubs, default_hub, |config| users.configure(config));
        assert_eq!(refused, Err(error));
        assert_eq!(users.len(), 4);
        assert!(pap(&users, "jiro@branch", "other").1.is_some());
    }
    // The same name in two hubs is fine.
    with(&[("h", &[named("a")]), ("i", &[named("a")])], "h", |config| users.configure(config))
        .unwrap();
}
