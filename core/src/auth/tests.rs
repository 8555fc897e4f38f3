use super::*;
use crate::config::{EncapsulationPolicy, HubConfig, IpsecConfig, Policy};
use crate::time::Duration;

use std::vec::Vec;

fn user<'a>(name: &'a str, password: &str) -> UserConfig<'a> {
    UserConfig { name, nt_hash: mschap::nt_hash(password), max_sessions: Some(2) }
}

fn configure(users: &mut Users<'_>, hubs: &[(&str, &[UserConfig<'_>])]) -> Result<(), ConfigError> {
    let hub = |&(name, users)| HubConfig { name, secure_nat: None, users, bridges: 0 };
    let hubs: Vec<_> = hubs.iter().map(hub).collect();
    users.configure(&Config {
        ipsec: IpsecConfig {
            l2tp: true,
            l2tp_raw: false,
            psk: b"key",
            default_hub: "DEFAULT",
            policy: Policy::Compat,
            encapsulation: EncapsulationPolicy::Udp,
            ike_lifetime: Duration::from_secs(28_800),
            esp_lifetime: Duration::from_secs(3_600),
            dead_after: Duration::from_secs(120),
        },
        hubs: &hubs,
        host_name: "vpn",
    })
}

fn users(hubs: &[(&str, &[UserConfig<'_>])]) -> Users<'static> {
    let storage = Storage {
        users: Backing::allocate(4),
        index: Backing::allocate(9),
        hubs: Backing::allocate(2),
    };
    let mut users = Users::new(storage, [3; 16]);
    configure(&mut users, hubs).unwrap();
    users
}

fn pap(users: &Users<'_>, name: &str, password: &str) -> (Verdict, Option<UserId>) {
    let proof = Proof::Pap { password: password.as_bytes() };
    users.check(&Credentials { name: name.as_bytes(), proof })
}

fn refused(refusal: Refusal) -> (Verdict, Option<UserId>) {
    (Verdict::Refuse(refusal), None)
}

#[test]
fn a_password_opens_the_hub_of_its_user_only() {
    let users = users(&[("DEFAULT", &[user("jiro", "a")]), ("office", &[user("jiro", "b")])]);
    assert_eq!(users.name_of(pap(&users, "JIRO", "a").1.unwrap()), Some((0, "jiro")));
    assert_eq!(users.name_of(pap(&users, "jiro@OFFICE", "b").1.unwrap()), Some((1, "jiro")));
    assert_eq!(users.name_of(pap(&users, "Office\\Jiro", "b").1.unwrap()), Some((1, "jiro")));
    assert_eq!(pap(&users, "jiro@office", "a"), refused(Refusal::WrongPassword));
    assert_eq!(pap(&users, "jiro", "A"), refused(Refusal::WrongPassword));
    assert_eq!(pap(&users, "taro", "a"), refused(Refusal::UnknownUser));
    assert_eq!(pap(&users, "", ""), refused(Refusal::UnknownUser));
}

/// RFC 2759 §9.2.
#[test]
fn the_example_of_the_rfc_is_accepted_and_answered() {
    let users = users(&[("DEFAULT", &[user("User", "clientPass")])]);
    let authenticator_challenge =
        b"\x5B\x5D\x7C\x7D\x7B\x3F\x2F\x3E\x3C\x2C\x60\x21\x32\x26\x26\x28";
    let peer_challenge = b"\x21\x40\x23\x24\x25\x5E\x26\x2A\x28\x29\x5F\x2B\x3A\x33\x7C\x7E";
    let mut nt_response = *b"\x82\x30\x9E\xCD\x8D\x70\x8B\x5E\xA0\x8F\xAA\x39\x81\xCD\x83\x54\
        \x42\x33\x11\x4A\x3D\x85\xD6\xDF";
    let ours = *b"\x40\x7A\x55\x89\x11\x5F\xD0\xD6\x20\x9F\x51\x0F\xE9\xC0\x45\x66\x93\x2C\xDA\x56";
    let check = |nt_response: &[u8; 24]| {
        let proof = Proof::MsChapV2 { authenticator_challenge, peer_challenge, nt_response };
        users.check(&Credentials { name: b"User", proof }).0
    };
    let accepted = Verdict::Accept { authenticator_response: Some(ours) };
    assert_eq!(check(&nt_response), accepted);
    nt_response[0] ^= 1;
    assert_eq!(check(&nt_response), Verdict::Refuse(Refusal::WrongPassword));
}

#[test]
fn sessions_are_counted_and_numbered_from_the_lowest_free() {
    let mut users = users(&[("DEFAULT", &[user("jiro", "a")])]);
    let id = pap(&users, "jiro", "a").1.unwrap();
    assert_eq!((users.enter(id), users.enter(id)), (Ok(0), Ok(1)));
    assert_eq!(users.enter(id), Err(Refusal::TooManySessions));
    users.leave(id, 0);
    assert_eq!(users.enter(id), Ok(0));
}

#[test]
fn a_new_configuration_keeps_the_sessions_of_users_that_stay() {
    let mut users = users(&[
        ("office", &[user("hana", "c")]),
        ("DEFAULT", &[user("jiro", "a"), user("taro", "b")]),
    ]);
    let jiro = pap(&users, "jiro", "a").1.unwrap();
    assert_eq!(users.enter(jiro), Ok(0));
    configure(&mut users, &[("Default", &[user("Jiro", "new"), user("hana", "d")])]).unwrap();
    assert_eq!(pap(&users, "jiro", "a"), refused(Refusal::WrongPassword));
    assert_eq!(pap(&users, "jiro", "new").1, Some(jiro));
    assert_eq!(users.name_of(jiro), Some((0, "Jiro")));
    assert_eq!(users.enter(jiro), Ok(1));
    assert_eq!(pap(&users, "taro", "b"), refused(Refusal::UnknownUser));
    assert!(pap(&users, "hana", "d").1.is_some());
    assert_eq!(pap(&users, "hana@office", "c"), refused(Refusal::UnknownUser));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut users = users(&[("DEFAULT", &[])]);
    let twice = [user("jiro", "a"), user("JIRO", "b")];
    assert_eq!(configure(&mut users, &[("DEFAULT", &twice)]), Err(ConfigError::DuplicateName));
    let many = ["a", "b", "c", "d", "e"].map(|name| user(name, "x"));
    assert_eq!(configure(&mut users, &[("DEFAULT", &many)]), Err(ConfigError::TooMany));
    assert_eq!(configure(&mut users, &[("other", &[])]), Err(ConfigError::NoDefaultHub));
    let long = "n".repeat(65);
    assert_eq!(
        configure(&mut users, &[("DEFAULT", &[user(&long, "x")])]),
        Err(ConfigError::BadName)
    );
}
