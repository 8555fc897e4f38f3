//! The commands, as text.

use kumihimo_core::config::{EncapsulationPolicy, Policy};
use zeroize::Zeroizing;

use crate::settings::{Addressing, PSK_LEN, parse_address, parse_mac};

/// What was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'l> {
    Nothing,
    Help,
    Show,
    Status,
    SetPsk(Psk<'l>),
    SetHub(&'l str),
    SetAddress(Addressing),
    /// `None` is the hardware's.
    SetMac(Option<[u8; 6]>),
    SetPolicy(Policy),
    SetEncapsulation(EncapsulationPolicy),
    /// Name and password.
    UserAdd(&'l str, &'l str),
    UserDel(&'l str),
    Users,
    Rekey,
    FactoryReset,
    Reboot,
}

/// A key as it was typed: text, or `0x` and octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Psk<'l>(&'l str);

impl<'l> Command<'l> {
    /// Reads a line.
    ///
    /// # Errors
    /// How to say it.
    pub(super) fn parse(line: &'l str) -> Result<Self, &'static str> {
        let line = line.trim();
        let (verb, rest) = first_word(line);
        match (verb, rest) {
            ("", _) => Ok(Self::Nothing),
            ("help" | "?", "") => Ok(Self::Help),
            ("show", "") => Ok(Self::Show),
            ("status", "") => Ok(Self::Status),
            ("set", rest) => parse_set(rest),
            ("user", rest) => parse_user(rest),
            ("rekey", "") => Ok(Self::Rekey),
            ("factory-reset", "yes") => Ok(Self::FactoryReset),
            ("factory-reset", _) => Err("forgets everything; to do so: factory-reset yes"),
            ("reboot", "") => Ok(Self::Reboot),
            _ => Err("unknown command; try help"),
        }
    }
}

fn parse_set(rest: &str) -> Result<Command<'_>, &'static str> {
    let (what, value) = first_word(rest);
    match (what, value) {
        ("psk", value) if Psk(value).is_sound() => Ok(Command::SetPsk(Psk(value))),
        ("psk", _) => Err("usage: set psk KEY, 1 to 64 octets of text, or 0x and hex digits"),
        ("hub", name) if !name.is_empty() => Ok(Command::SetHub(name)),
        ("hub", _) => Err("usage: set hub NAME"),
        ("address", value) => parse_address(value).map(Command::SetAddress).ok_or(ADDRESS_USAGE),
        ("mac", "hardware") => Ok(Command::SetMac(None)),
        ("mac", value) => match parse_mac(value) {
            Some(mac) => Ok(Command::SetMac(Some(mac))),
            None => Err("usage: set mac hardware | XX:XX:XX:XX:XX:XX"),
        },
        ("policy", "modern") => Ok(Command::SetPolicy(Policy::Modern)),
        ("policy", "compat") => Ok(Command::SetPolicy(Policy::Compat)),
        ("policy", "legacy") => Ok(Command::SetPolicy(Policy::Legacy)),
        ("policy", _) => Err("usage: set policy modern | compat | legacy"),
        ("encapsulation", "udp") => Ok(Command::SetEncapsulation(EncapsulationPolicy::Udp)),
        ("encapsulation", "auto") => Ok(Command::SetEncapsulation(EncapsulationPolicy::Auto)),
        ("encapsulation", _) => Err("usage: set encapsulation udp | auto"),
        _ => Err("usage: set psk | hub | address | mac | policy | encapsulation ..."),
    }
}

fn parse_user(rest: &str) -> Result<Command<'_>, &'static str> {
    let (verb, rest) = first_word(rest);
    let (name, password) = first_word(rest);
    match verb {
        "add" if !password.is_empty() => Ok(Command::UserAdd(name, password)),
        "del" if !name.is_empty() && password.is_empty() => Ok(Command::UserDel(name)),
        "list" if rest.is_empty() => Ok(Command::Users),
        _ => Err("usage: user add NAME PASSWORD | user del NAME | user list"),
    }
}

impl Psk<'_> {
    fn is_sound(self) -> bool {
        match self.0.strip_prefix("0x") {
            Some(digits) => {
                digits.len().is_multiple_of(2)
                    && (1..=PSK_LEN).contains(&(digits.len() / 2))
                    && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            }
            None => (1..=PSK_LEN).contains(&self.0.len()),
        }
    }

    /// The key, and how many octets of the array are it.
    pub(super) fn octets(self) -> (Zeroizing<[u8; PSK_LEN]>, usize) {
        let mut key = Zeroizing::new([0; PSK_LEN]);
        let Some(digits) = self.0.strip_prefix("0x") else {
            let len = self.0.len().min(PSK_LEN);
            let (to, from) = (key.get_mut(..len), self.0.as_bytes().get(..len));
            to.unwrap_or_default().copy_from_slice(from.unwrap_or_default());
            return (key, len);
        };
        let octets = digits.as_bytes().as_chunks::<2>().0;
        for (octet, [high, low]) in key.iter_mut().zip(octets) {
            *octet = (digit(*high) << 4) | digit(*low);
        }
        (key, octets.len().min(PSK_LEN))
    }
}

impl core::fmt::Debug for Psk<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Psk")
    }
}

fn digit(character: u8) -> u8 {
    char::from(character).to_digit(16).unwrap_or_default() as u8
}

/// The first word, and what follows the spaces behind it.
fn first_word(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    (word, rest.trim_start())
}

const ADDRESS_USAGE: &str = "usage: set address dhcp | A.B.C.D/LENGTH [GATEWAY]";

/// The answer to `help`.
pub(super) const HELP: &str = "\
help                       this\r\n\
show                       the settings\r\n\
status                     link, address, sessions, what was lost and why\r\n\
set psk KEY                pre-shared key: text, or 0x and hex digits\r\n\
set address dhcp           the board's own address from the LAN\r\n\
set address A.B.C.D/LENGTH [GATEWAY]\r\n\
set hub NAME               what clients may write behind an @\r\n\
set mac hardware | XX:XX:XX:XX:XX:XX\r\n\
set policy modern | compat | legacy\r\n\
set encapsulation udp | auto\r\n\
user add NAME PASSWORD\r\n\
user del NAME\r\n\
user list\r\n\
rekey                      new keys for everyone now\r\n\
factory-reset yes          forgets everything and starts anew\r\n\
reboot                     says goodbye to clients and starts anew\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let address = Addressing::Static {
            address: [192, 0, 2, 1].into(),
            prefix_len: 24,
            gateway: Some([192, 0, 2, 254].into()),
        };
        let cases = [
            ("", Command::Nothing),
            ("  help ", Command::Help),
            ("set address dhcp", Command::SetAddress(Addressing::Dhcp)),
            ("set address 192.0.2.1/24  192.0.2.254", Command::SetAddress(address)),
            ("set mac 02:00:5e:10:00:ff", Command::SetMac(Some([2, 0, 0x5e, 0x10, 0, 0xff]))),
            ("set psk two words", Command::SetPsk(Psk("two words"))),
            ("user add jiro pass word", Command::UserAdd("jiro", "pass word")),
            ("user list", Command::Users),
            ("factory-reset yes", Command::FactoryReset),
        ];
        for (line, command) in cases {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_answered_with_how_to_say_it() {
        for line in [
            "set",
            "set psk",
            "set psk 0x",
            "set psk 0x123",
            "set psk 0xzz",
            "set address 192.0.2.1",
            "set address 192.0.2.1/24 here",
            "set mac 02:00",
            "set mac 02:00:5e:10:00:ff:00",
            "set policy new",
            "user",
            "user add jiro",
            "user del",
            "factory-reset",
            "nonsense",
            "show me",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_key_may_be_typed_as_octets() {
        let (key, len) = Psk("0x00fF10").octets();
        assert_eq!(&key[..len], [0, 0xff, 0x10]);
        let (key, len) = Psk("0 is text").octets();
        assert_eq!(&key[..len], b"0 is text");
    }
}
