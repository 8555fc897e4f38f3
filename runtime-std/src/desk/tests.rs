//! The mailbox between the thread of signals and the packet thread.

use std::os::fd::AsFd as _;
use std::path::Path;

use kumihimo_core::addr::Outer;
use kumihimo_core::crypto::dh::DhJob;
use kumihimo_core::crypto::{Group, Secret};
use kumihimo_core::discard::DropReason;
use kumihimo_core::store::Key;

use super::*;
use crate::config_file::parse;
use crate::linux::{Service, Socket};
use crate::sys::wait::PollSet;

fn settings() -> Settings {
    let text = "[ipsec]\npsk = \"a key\"\n[[hub]]\nname = \"DEFAULT\"\n";
    parse("k.toml", text, Path::new("")).unwrap()
}

/// A mailbox whose owner waits for `patience`, and the packet thread's side of it.
fn mailbox(patience: Duration) -> (Mailbox, RealDesk, Logger) {
    with_workers(1, patience)
}

fn with_workers(workers: usize, patience: Duration) -> (Mailbox, RealDesk, Logger) {
    let mailbox = Mailbox { patience, ..Mailbox::new().unwrap() };
    let log = Logger::kept();
    let desk = RealDesk::new(mailbox.clone(), workers, log.clone()).unwrap();
    (mailbox, desk, log)
}

fn question() -> Request {
    Request::Dh(DhJob {
        group: Group::Modp1024,
        private: Secret::EMPTY,
        peer_public: None,
        wants_public: true,
    })
}

/// Takes letters until there is one with a configuration.
fn next_order(desk: &mut RealDesk) -> Change {
    let end = std::time::Instant::now() + LONG;
    loop {
        assert!(std::time::Instant::now() < end, "no order came");
        match desk.next_mail() {
            Some(Mail::Configure(_, change)) => return change,
            Some(other) => panic!("{other:?}"),
            None => std::thread::yield_now(),
        }
    }
}

fn is_awake(mailbox: &Mailbox) -> bool {
    let waker = mailbox.waker();
    let mut set = PollSet::default();
    let entry = set.add(waker.as_fd());
    set.wait(Some(Duration::ZERO)).unwrap();
    set.is_ready(entry)
}

#[test]
fn a_configuration_is_in_force_once_the_thread_has_said_so() {
    let (mailbox, mut desk, _log) = mailbox(LONG);
    let answers = [Ok(()), Err(ConfigError::BadPsk), Ok(())];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for answer in answers {
                next_order(&mut desk);
                desk.configured(answer);
            }
        });
        let told = answers.map(|_| mailbox.configure(settings(), Change::default()));
        let refused = Err("ipsec.psk is empty or too long".to_owned());
        assert_eq!(told, [Ok(()), refused, Ok(())]);
    });
}

#[test]
fn an_answer_that_came_after_the_patience_is_not_taken_for_the_next_one() {
    let (mailbox, mut desk, _log) = mailbox(SHORT);
    for late in [Err(ConfigError::BadPsk), Ok(()), Ok(())] {
        desk.configured(late);
        let told = mailbox.configure(settings(), Change::default());
        assert_eq!(told, Err(SILENT.to_owned()));
    }
}

#[test]
fn a_thread_that_is_at_it_already_gets_more_time() {
    let (mailbox, mut desk, _log) = mailbox(LONG);
    assert!(mailbox.post(Mail::Configure(Box::new(settings()), Change::default())));
    next_order(&mut desk);
    desk.configured(Err(ConfigError::BadSubnet));
    assert_eq!(mailbox.give_up(), Some(Err(ConfigError::BadSubnet)));
}

/// What a thread that was busy finds later would be open without anybody knowing, and the next
/// reload would find its own ports taken.
#[test]
fn an_order_that_was_given_up_is_not_carried_out_later() {
    let (mailbox, mut desk, _log) = mailbox(SHORT);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let service = Service { outer: Outer::Udp, address: socket.local_addr().unwrap() };
    let (fd, other_end) = std::os::unix::net::UnixStream::pair().unwrap();
    let opened = vec![Socket { service, fd: fd.into() }];
    let told = mailbox.configure(settings(), Change { opened, ..Change::default() });
    assert_eq!(told, Err(SILENT.to_owned()));
    assert!(desk.next_mail().is_none());
    let read = std::io::Read::read(&mut &other_end, &mut [0]);
    assert_eq!(read.unwrap(), 0, "what it had opened is closed");
}

#[test]
fn a_full_mailbox_says_so_at_once_and_wakes_its_owner() {
    let (mailbox, mut desk, _log) = mailbox(LONG);
    assert!(!is_awake(&mailbox));
    for _ in 0..LETTERS {
        assert!(mailbox.post(Mail::Stop));
    }
    assert!(is_awake(&mailbox));
    assert!(!mailbox.post(Mail::Stop));
    let told = mailbox.configure(settings(), Change::default());
    assert_eq!(told, Err("the packet thread has too much to do; send SIGHUP again".to_owned()));
    for _ in 0..LETTERS {
        assert!(matches!(desk.next_mail(), Some(Mail::Stop)));
    }
    assert!(desk.next_mail().is_none());
}

#[test]
fn questions_are_answered_by_mail_and_those_beyond_the_queue_are_not() {
    let (mailbox, mut desk, log) = mailbox(LONG);
    let id = |index| RequestId::from(Key { index, generation: 1 });
    desk.ask(id(7), question());
    let end = std::time::Instant::now() + LONG;
    let answered = loop {
        assert!(std::time::Instant::now() < end, "no answer came");
        match desk.next_mail() {
            Some(Mail::Answer(id, _)) => break id,
            Some(other) => panic!("{other:?}"),
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(answered, id(7));
    assert!(is_awake(&mailbox) && log.lines().is_empty());

    let (_, mut desk, log) = with_workers(0, LONG);
    for index in 0..256 {
        desk.ask(id(index), question());
    }
    assert_eq!(log.lines(), "");
    desk.ask(id(256), question());
    assert!(log.lines().ends_with(" DEBUG too many key exchanges wait: one dropped\n"));
}

#[test]
fn facts_and_drops_go_to_the_log() {
    let (_, mut desk, log) = mailbox(LONG);
    desk.record(Event::Refused { remote: None, reason: DropReason::PeerTableFull });
    assert!(log.lines().contains(" WARN  a newcomer: refused, peer-table-full; "));
    let mut drops = DropCounters::default();
    drops.count(DropReason::UnknownSpi);
    desk.record_drops(&drops, 3);
    assert!(log.lines().ends_with(" DEBUG dropped so far: unknown-spi 1 unsent 3\n"));
}

#[test]
fn each_refusal_of_the_core_has_its_own_text() {
    use ConfigError::{BadName, BadPsk, BadSubnet, DuplicateName, NoDefaultHub, TooMany};
    let all = [BadPsk, BadName, DuplicateName, NoDefaultHub, BadSubnet, TooMany];
    let mut texts = all.map(config_error).to_vec();
    assert!(texts.iter().all(|text| text.len() > 20), "{texts:?}");
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), all.len());
    assert!(config_error(TooMany).contains("server.max-sessions"));
}

const SILENT: &str = "the packet thread does not answer; send SIGHUP again";
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(5);
