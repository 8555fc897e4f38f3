//! A configuration that the core takes while it runs is in force for the next dial.

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::buf::Frame;
use kumihimo_core::event::{Event, FailureCause};

use super::*;
use crate::config_file::parse;

fn settings(ipsec: &str) -> Settings {
    let text = format!("[ipsec]\npsk = \"a key\"\n{ipsec}\n[[hub]]\nname = \"DEFAULT\"\n");
    parse("k.toml", &text, std::path::Path::new("")).unwrap()
}

/// The first message of main mode (RFC 2409 §5.4), which offers 3DES, SHA-1, MODP 1024 alone.
fn first_message(cookie: u8) -> Vec<u8> {
    let attributes = [(1, 5), (2, 2), (3, 1), (4, 2), (11, 1), (12, 28_800)];
    let attributes = attributes.iter().flat_map(|&(kind, value): &(u16, u16)| {
        [(0x8000 | kind).to_be_bytes(), value.to_be_bytes()].concat()
    });
    let mut transform = vec![1, 1, 0, 0];
    transform.extend(attributes);
    let payload = |head: &[u8], body: &[u8]| {
        let len = (4 + head.len() + body.len()) as u16;
        [&[0, 0][..], &len.to_be_bytes(), head, body].concat()
    };
    let proposal = payload(&[1, 1, 0, 1], &payload(&[], &transform));
    let sa = payload(&[0, 0, 0, 1, 0, 0, 0, 1], &proposal);
    let mut message = vec![cookie; 8];
    message.extend([0; 8]);
    message.extend([1, 0x10, 2, 0, 0, 0, 0, 0]);
    message.extend((28 + sa.len() as u32).to_be_bytes());
    message.extend(sa);
    message
}

/// What becomes of a dial that offers this: it goes on, is refused, or nobody hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    GoesOn,
    NoProposal,
    Silence,
}

fn dial(core: &mut Core, pool: &mut BufferPool, number: u8) -> Fate {
    let now = Instant::from_micros(u64::from(number) * 1_000_000);
    let path = Path {
        local: "192.0.2.1:500".parse().unwrap(),
        remote: (std::net::Ipv4Addr::new(198, 51, 100, number), 500).into(),
        outer: Outer::Udp,
    };
    let payload = Frame::copy_of(pool, &first_message(number)).unwrap();
    core.handle(now, pool, Input::Datagram { path, payload });
    let mut fate = Fate::Silence;
    loop {
        match core.poll(now, pool) {
            Output::Wait(_) => return fate,
            // An SA payload comes first only in the answer that goes on.
            Output::Transmit { payload, .. } if payload.bytes()[16] == 1 => fate = Fate::GoesOn,
            Output::Event(Event::DialFailed(failure)) => {
                assert_eq!(failure.cause, FailureCause::NoProposal);
                fate = Fate::NoProposal;
            }
            _ => {}
        }
    }
}

#[test]
fn the_next_dial_meets_the_policy_of_the_last_configuration() {
    let mut pool = BufferPool::new(64);
    let mut core = Core::new(&Limits::server(8), &settings(""), [7; 32]).unwrap();
    assert_eq!(dial(&mut core, &mut pool, 1), Fate::GoesOn);
    let rounds = [
        ("policy = \"modern\"", Fate::NoProposal),
        ("policy = \"compat\"", Fate::GoesOn),
        ("policy = \"modern\"", Fate::NoProposal),
        ("policy = \"legacy\"", Fate::GoesOn),
    ];
    for (number, (ipsec, fate)) in (2..).zip(rounds) {
        let now = Instant::from_micros(u64::from(number) * 1_000_000);
        core.configure(now, &mut pool, Box::new(settings(ipsec))).unwrap();
        assert_eq!(dial(&mut core, &mut pool, number), fate, "{ipsec}");
    }
}

#[test]
fn a_configuration_that_is_refused_changes_nothing() {
    let mut pool = BufferPool::new(64);
    let mut core = Core::new(&Limits::server(8), &settings(""), [7; 32]).unwrap();
    let mut bad = settings("policy = \"modern\"");
    bad.ipsec.default_hub = "nowhere".to_owned();
    for number in 1..3 {
        let now = Instant::from_micros(u64::from(number) * 1_000_000);
        let refused = core.configure(now, &mut pool, Box::new(bad.clone()));
        assert_eq!(refused, Err(ConfigError::NoDefaultHub));
        assert_eq!(dial(&mut core, &mut pool, number), Fate::GoesOn);
    }
    let no_key = Settings { ipsec: Default::default(), ..settings("") };
    assert!(Core::new(&Limits::server(8), &no_key, [7; 32]).is_err());
}
