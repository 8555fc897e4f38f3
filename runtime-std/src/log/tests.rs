//! Every line of a failed dial, word for word.

mod kept;
mod untrusted;

use std::time::{Duration, SystemTime};

use kumihimo_core::config::Policy;
use kumihimo_core::credentials::Refusal;
use kumihimo_core::crypto::{Cipher, Group, Hash, IkeSuite};
use kumihimo_core::discard::{DropCounters, DropReason};
use kumihimo_core::event::{
    DialFailure, Event, FailureCause, Offered, OfferedTransform, Stage, name_of,
};
use kumihimo_core::store::Key;

use super::*;

fn failure(stage: Stage, cause: FailureCause) -> DialFailure {
    let remote = "192.0.2.7:4500".parse().unwrap();
    DialFailure { remote, stage, cause, user: name_of(b""), offered: Offered::new() }
}

fn text(failure: DialFailure) -> String {
    event::line(&Event::DialFailed(failure), Policy::Compat).text
}

/// A writer into memory whose lines have no level too low.
fn writer(format: Format) -> Writer<Vec<u8>> {
    let queue = Arc::new(Queue::new(1));
    Writer::new(Logger { queue, lost: Arc::default(), level: Level::Debug }, format, Vec::new())
}

fn written(writer: Writer<Vec<u8>>) -> String {
    String::from_utf8(writer.out).unwrap()
}

#[test]
fn no_common_proposal_says_what_was_offered_and_what_is_accepted() {
    let mut failed = failure(Stage::Phase1, FailureCause::NoProposal);
    for (cipher, key_bits, hash, group) in [(5, 0, 1, 2), (7, 256, 2, 14), (99, 0, 4, 20)] {
        failed.offered.push(OfferedTransform { cipher, key_bits, hash, group }).unwrap();
    }
    assert_eq!(
        text(failed.clone()),
        "192.0.2.7:4500: dial failed in IKE phase 1: no common proposal; it offered \
         3DES-MD5-MODP1024, AES256-SHA1-MODP2048, CIPHER99?-SHA256-ECP384; policy compat accepts \
         AES256/192/128 or 3DES with SHA256, SHA384, SHA512 or SHA1 and ECP256/384/521 or \
         MODP2048/3072/4096/1536/1024; likely cause: the client is set to other algorithms; \
         change them there, or ipsec.policy here; Windows shows error 789"
    );
    failed.stage = Stage::Phase2;
    failed.offered.clear();
    for (cipher, key_bits, hash) in [(12, 128, 5), (20, 256, 0), (2, 0, 1), (11, 0, 2)] {
        failed.offered.push(OfferedTransform { cipher, key_bits, hash, group: 0 }).unwrap();
    }
    let line = text(failed);
    assert!(line.contains("it offered AES128-SHA256, AESGCM16-256, DES-MD5, NULL-SHA1;"), "{line}");
}

#[test]
fn each_cause_has_its_line() {
    let lines = [
        (
            failure(Stage::Phase1, FailureCause::WrongKey),
            "IKE phase 1: the client's message does not decrypt; likely cause: the pre-shared key \
             on the client is not ipsec.psk; Windows shows error 789",
        ),
        (
            failure(Stage::Phase1, FailureCause::Silence),
            "IKE phase 1: the client stopped answering; likely cause: our answers do not reach \
             the client, or it refuses the key or the proposal silently; Windows shows error 809",
        ),
        (
            failure(Stage::L2tp, FailureCause::Silence),
            "L2TP: the client stopped answering; likely cause: IPsec passes but nothing comes \
             through it; look for a firewall on the client; Windows shows error 809",
        ),
        (
            failure(Stage::Lcp, FailureCause::PppOptions),
            "PPP's LCP: no agreement on PPP options; likely cause: the client insists on an \
             option or a protocol that is not served; Windows shows error 718",
        ),
        (
            failure(Stage::Address, FailureCause::NoDhcpAnswer),
            "getting an address: no DHCP server answered on the hub; likely cause: neither \
             [hub.secure-nat] dhcp = true nor a DHCP server behind a bridge of the hub; Windows \
             shows error 720",
        ),
        (
            failure(Stage::Address, FailureCause::NoAddress),
            "getting an address: the DHCP server has no address left; likely cause: the pool is \
             used up; widen pool, or shorten lease; Windows shows error 720",
        ),
        (
            failure(Stage::Phase2, FailureCause::Limit(DropReason::SaTableFull)),
            "IKE phase 2: a limit is reached: sa-table-full; likely cause: a table is full; raise \
             server.max-sessions if these are your clients; Windows shows error 789",
        ),
        (
            failure(Stage::Lcp, FailureCause::PeerClosed),
            "PPP's LCP: the client ended it; likely cause: the user cancelled, or the client \
             timed out",
        ),
        (
            failure(Stage::L2tp, FailureCause::Protocol(DropReason::BadAvp)),
            "L2TP: the client broke the protocol: bad-avp; likely cause: a fault or an unknown \
             dialect of the client; please report it; Windows shows error 809",
        ),
    ];
    for (failure, expected) in lines {
        let expected = format!("192.0.2.7:4500: dial failed in {expected}");
        assert_eq!(text(failure), expected);
    }
}

#[test]
fn a_refused_user_is_named_and_gets_error_691() {
    let likely = [
        (Refusal::WrongPassword, "the password on the client is wrong"),
        (
            Refusal::UnknownUser,
            "no user of that name in the hub, or no such hub; see [[hub.user]] and default-hub",
        ),
        (Refusal::TooManySessions, "the user has max-sessions sessions already"),
        (Refusal::MethodRefused, "this user cannot log in with the method that the client chose"),
        (Refusal::Expired, "the account has expired"),
    ];
    for (refusal, likely) in likely {
        let mut failed = failure(Stage::Authentication, FailureCause::Refused(refusal));
        failed.user = name_of("ji\"ro\u{202e}@lab".as_bytes());
        assert_eq!(
            text(failed),
            format!(
                "192.0.2.7:4500: dial failed in authentication: user refused; user \
                 \"ji\\\"ro\\u{{202e}}@lab\"; likely cause: {likely}; Windows shows error 691"
            )
        );
    }
}

#[test]
fn json_has_a_field_for_each_part() {
    let mut failed = failure(Stage::Authentication, FailureCause::Refused(Refusal::WrongPassword));
    failed.user = name_of(b"jiro");
    let mut writer = writer(Format::Json);
    writer.entry(Entry::Event(SystemTime::UNIX_EPOCH, Event::DialFailed(failed)));
    assert_eq!(
        written(writer),
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"event\":\"dial-failed\",\
         \"peer\":\"192.0.2.7:4500\",\"stage\":\"authentication\",\"cause\":\"wrong-password\",\
         \"user\":\"jiro\",\"likely-cause\":\"the password on the client is wrong\",\
         \"windows-error\":691,\"message\":\"192.0.2.7:4500: dial failed in authentication: user \
         refused; user jiro; likely cause: the password on the client is wrong; Windows \
         shows error 691\"}\n"
    );
}

#[test]
fn what_goes_well_has_its_line_too() {
    let remote = "[2001:db8::7]:4500".parse().unwrap();
    let key = Key { index: 1, generation: 1 };
    let suite = IkeSuite { cipher: Cipher::Aes256, hash: Hash::Sha1, group: Group::Modp2048 };
    let line = |event| event::line(&event, Policy::Compat).text;
    assert_eq!(
        line(Event::PeerUp { peer: key.into(), remote, suite }),
        "[2001:db8::7]:4500: IKE SA up, AES256-SHA1-MODP2048"
    );
    let up = Event::SessionUp {
        session: key.into(),
        remote,
        user: name_of(b"jiro"),
        hub: name_of(b"DEFAULT"),
        address: "192.168.30.10".parse().unwrap(),
        took: kumihimo_core::time::Duration::from_millis(812),
    };
    assert_eq!(
        line(up),
        "[2001:db8::7]:4500: user jiro up in hub DEFAULT, address 192.168.30.10, 812 ms \
         after the call"
    );
    let refused = Event::Refused { remote: None, reason: DropReason::PeerTableFull };
    assert!(line(refused).starts_with("a newcomer: refused, peer-table-full; a table is full;"));
    let refused = Event::Refused { remote: Some(remote), reason: DropReason::HalfOpenQuota };
    assert!(line(refused).contains("refused, half-open-quota; too many dials"));
}

#[test]
fn a_peer_that_fails_again_and_again_fills_no_disk() {
    let mut writer = writer(Format::Text);
    let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
    let wrong_key = || Event::DialFailed(failure(Stage::Phase1, FailureCause::WrongKey));
    for _ in 0..1_000 {
        writer.entry(Entry::Event(at(1), wrong_key()));
    }
    // Another cause has its own count.
    let silence = failure(Stage::Phase1, FailureCause::Silence);
    writer.entry(Entry::Event(at(2), Event::DialFailed(silence)));
    writer.entry(Entry::Event(at(90), wrong_key()));
    let text = written(writer);
    assert_eq!(text.lines().count(), 5 + 1 + 1);
    let last = text.lines().last().unwrap();
    assert!(last.ends_with("(995 more like it since the last line)"), "{last}");
}

#[test]
fn failures_of_many_addresses_are_limited_in_all() {
    let mut writer = writer(Format::Text);
    for host in 0..20_000_u32 {
        let mut failed = failure(Stage::Phase1, FailureCause::WrongKey);
        failed.remote = std::net::SocketAddr::from((std::net::Ipv4Addr::from(host), 500));
        writer.entry(Entry::Event(SystemTime::UNIX_EPOCH, Event::DialFailed(failed)));
    }
    assert_eq!(written(writer).lines().count(), 100);
}

#[test]
fn drops_are_listed_once_for_each_change() {
    let mut writer = writer(Format::Text);
    let mut drops = DropCounters::default();
    writer.entry(Entry::Drops(SystemTime::UNIX_EPOCH, drops.clone(), 3));
    drops.count(DropReason::UnknownSpi);
    drops.count(DropReason::UnknownSpi);
    writer.entry(Entry::Drops(SystemTime::UNIX_EPOCH, drops.clone(), 3));
    writer.entry(Entry::Drops(SystemTime::UNIX_EPOCH, drops.clone(), 3));
    assert_eq!(
        written(writer),
        "1970-01-01T00:00:00.000Z DEBUG dropped so far: unsent 3\n\
         1970-01-01T00:00:00.000Z DEBUG dropped so far: unknown-spi 2\n"
    );
}

#[test]
fn lines_that_found_no_room_are_counted() {
    let queue = Arc::new(Queue::new(1));
    let logger = Logger { queue, lost: Arc::default(), level: Level::Debug };
    for _ in 0..3 {
        logger.text(Level::Info, "x", "kept");
    }
    logger.queue.close();
    let (mut sink, writer) = (Vec::new(), logger.clone());
    Writer::new(writer, Format::Text, &mut sink).run();
    let text = String::from_utf8(sink).unwrap();
    assert!(text.contains("2 lines lost"), "{text}");
}

#[test]
fn pauses_are_limited_by_phase_and_losses_are_told_when_they_grow() {
    use crate::pause::Phase;
    use kumihimo_core::time::Duration as Span;

    let at = SystemTime::UNIX_EPOCH;
    let mut writer = writer(Format::Text);
    for phase in [Phase::Sending, Phase::Waiting] {
        let (length, in_phase) = (Span::from_millis(200), Span::from_millis(199));
        for _ in 0..10 {
            let pause = Pause { length, phase, in_phase };
            writer.entry(Entry::Pause(at, pause, Cause::default()));
        }
    }
    let loss = |port, count| {
        let address = ([192, 0, 2, 1], port).into();
        Entry::Loss(at, Loss::Socket { outer: kumihimo_core::addr::Outer::Udp, address, count })
    };
    for (port, count) in [(500, 0), (500, 3), (4_500, 2), (500, 3), (4_500, 5), (500, 1), (500, 2)]
    {
        writer.entry(loss(port, count));
    }
    let text = written(writer);
    assert_eq!(text.lines().filter(|line| line.contains("thread sending;")).count(), 5);
    assert_eq!(text.lines().filter(|line| line.contains("asleep beyond its time;")).count(), 5);
    let told: Vec<_> = text.lines().filter_map(|line| line.split_once("UDP 192.0.2.1:")).collect();
    let told: Vec<_> = told.iter().map(|(_, told)| told.split(" datagrams").next()).collect();
    // A count that falls is that of a new socket.
    let expected = ["500: 3", "4500: 2", "4500: 5", "500: 2"];
    assert_eq!(told, expected.map(Some));
}
