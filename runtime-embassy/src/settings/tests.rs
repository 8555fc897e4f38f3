use super::*;
use crate::settings::record::crc32;
use std::vec::Vec;

#[test]
fn the_check_is_that_of_ethernet() {
    // The check value of CRC-32/ISO-HDLC in Ross Williams' catalogue.
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_record_says_what_was_set() {
    let settings = full();
    let mut room = [0; RECORD_LEN];
    let record = settings.to_record(&mut room);
    let read = Settings::from_record(record).expect("a record");
    assert!(read.is_same(&settings));
    assert_eq!(read.addressing, settings.addressing);
    assert_eq!(read.users().len(), USERS);
    assert_eq!(record.len(), RECORD_LEN, "the longest settings fill the room");
}

#[test]
fn every_damaged_octet_is_noticed() {
    let mut room = [0; RECORD_LEN];
    let record: Vec<u8> = full().to_record(&mut room).into();
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 0x10;
        assert_eq!(Settings::from_record(&damaged).err(), Some(RecordError::Damaged));
        assert_eq!(Settings::from_record(&record[..at]).err(), Some(RecordError::Damaged));
    }
}

#[test]
fn an_unknown_field_is_skipped_and_a_bad_one_refused() {
    let seal = |body: &[u8]| {
        let mut record = [b"KMH\x01", body].concat();
        let check = crc32(&record);
        record.extend(check.to_be_bytes());
        record
    };
    assert!(Settings::from_record(&seal(b"\xee\x02hi\x02\x01H")).is_ok_and(|it| it.hub == "H"));
    for body in [&b"\x05\x01\x09"[..], b"\x04\x02ab", b"\x02\x00", b"\x07\x03\x00ab", b"\x01"] {
        assert_eq!(Settings::from_record(&seal(body)).err(), Some(RecordError::Content));
    }
    let mut newer = b"KMH\x02".to_vec();
    newer.extend(crc32(b"KMH\x02").to_be_bytes());
    assert_eq!(Settings::from_record(&newer).err(), Some(RecordError::Version));
}

#[test]
fn what_no_client_could_use_is_refused() {
    let mut settings = Settings::default();
    assert_eq!(settings.set_psk(b""), Err(Refused::BadPsk));
    assert_eq!(settings.set_psk(&[7; PSK_LEN + 1]), Err(Refused::BadPsk));
    assert_eq!(settings.add_user("jiro@home", "x"), Err(Refused::BadName));
    assert_eq!(settings.add_user("jiro", "x"), Ok(()));
    assert_eq!(settings.add_user("JIRO", "x"), Err(Refused::UserExists));
    assert_eq!(settings.remove_user("hanako"), Err(Refused::NoUser));
    assert_eq!(settings.set_mac(Some([1, 0, 0, 0, 0, 1])), Err(Refused::BadAddress));
    let address = |address: [u8; 4], prefix_len, gateway: Option<[u8; 4]>| Addressing::Static {
        address: address.into(),
        prefix_len,
        gateway: gateway.map(Into::into),
    };
    for bad in [
        address([192, 0, 2, 0], 24, None),
        address([192, 0, 2, 255], 24, None),
        address([192, 0, 2, 1], 31, None),
        address([192, 0, 2, 1], 0, None),
        address([0, 0, 0, 0], 8, None),
        address([192, 0, 2, 1], 24, Some([192, 0, 3, 1])),
        address([192, 0, 2, 1], 24, Some([192, 0, 2, 1])),
    ] {
        assert_eq!(settings.set_addressing(bad), Err(Refused::BadAddress), "{bad:?}");
    }
    let good = address([192, 0, 2, 1], 24, Some([192, 0, 2, 254]));
    assert_eq!(settings.set_addressing(good), Ok(()));
}

#[test]
fn a_board_without_a_key_serves_no_ipsec() {
    let settings = Settings::default();
    settings.with_core(&[9; 32], |config| {
        assert!(!config.ipsec.l2tp);
        assert_eq!(config.ipsec.psk, &[9; 32]);
    });
    full().with_core(&[9; 32], |config| {
        assert!(config.ipsec.l2tp);
        assert_eq!(config.ipsec.psk, [b'k'; PSK_LEN]);
        assert_eq!(config.hubs[0].users.len(), USERS);
        assert_eq!(config.hubs[0].bridges, 1);
    });
}

/// As long as settings can be.
pub(crate) fn full() -> Settings {
    let mut settings = Settings::default();
    settings.set_psk(&[b'k'; PSK_LEN]).expect("a key");
    settings.set_hub(&"h".repeat(NAME_LEN)).expect("a name");
    settings.set_mac(Some([2, 0, 0, 0, 0, 1])).expect("an address");
    settings.policy = Policy::Modern;
    settings.encapsulation = EncapsulationPolicy::Auto;
    let gateway = Some(Ipv4Addr::new(192, 0, 2, 254));
    let address = Ipv4Addr::new(192, 0, 2, 1);
    settings
        .set_addressing(Addressing::Static { address, prefix_len: 24, gateway })
        .expect("an address");
    for number in 0..USERS {
        let name = std::format!("{number:0NAME_LEN$}");
        settings.add_user(&name, "password").expect("room");
    }
    settings
}

impl Settings {
    /// Whether both lead to the same record.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let [mut ours, mut theirs] = [[0; RECORD_LEN]; 2];
        self.to_record(&mut ours) == other.to_record(&mut theirs)
    }
}
