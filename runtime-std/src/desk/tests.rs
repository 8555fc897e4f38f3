//! The mailbox between the thread of signals and the packet thread.

use std::os::fd::AsFd as _;
use std::path::Path;

use kumihimo_core::addr::Outer;

use super::*;
use crate::config_file::parse;
use crate::linux::{Service, Socket};
use crate::log::{Format, LogThread};
use crate::sys::wait::PollSet;

fn settings() -> Settings {
    let text = "[ipsec]\npsk = \"a key\"\n[[hub]]\nname = \"DEFAULT\"\n";
    parse("k.toml", text, Path::new("")).unwrap()
}

/// A mailbox whose owner waits for `patience`, and the packet thread's side of it.
fn mailbox(patience: Duration) -> (Mailbox, RealDesk, LogThread) {
    let mailbox = Mailbox { patience, ..Mailbox::new().unwrap() };
    let log = LogThread::start(Format::Text, Level::Error).unwrap();
    let desk = RealDesk::new(mailbox.clone(), 1, log.logger()).unwrap();
    (mailbox, desk, log)
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
