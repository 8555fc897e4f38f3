//! The server as initiator: requests that nobody answers, answers that differ from what was
//! asked, and the moment in which we switch.

use super::*;
use crate::crypto::{Cipher, EspSuite, Group, Mac};

mod rekeys;
mod renewals;

const IKE_LIFE: u64 = 2_400;
const ESP_LIFE: u64 = 3_600;

fn on_4500() -> Path {
    path(4500, home())
}

fn lab() -> Lab {
    let ike_lifetime = Duration::from_secs(IKE_LIFE);
    Lab::with(
        &Limits { half_open: 16, ..Limits::server(8) },
        &IpsecConfig { ike_lifetime, ..settings() },
    )
}

fn up(lab: &mut Lab, group: Option<Group>) -> (Client, SaParams) {
    let mut client = Client::new(1);
    client.quick.group = group;
    lab.main_mode(&mut client, home());
    let (_, params) = lab.quick_mode(&mut client, home(), 7);
    (client, params)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Lets time pass while ESP of the peer comes in.
fn live(lab: &mut Lab, peer: PeerId, span: Duration) -> Vec<Seen> {
    let end = lab.now + span;
    let mut seen = Vec::new();
    while lab.now < end {
        lab.ike.handle_heard(lab.now, peer);
        let left = end.since(lab.now);
        seen.extend(lab.wait(left.min(secs(5))));
    }
    seen
}

/// Lets the peer live until the server says something of `exchange`; tells when, and what.
fn until_asked(lab: &mut Lab, peer: PeerId, exchange: u8, most: u64) -> (u64, Vec<u8>) {
    for _ in 0..most {
        let seen = live(lab, peer, secs(1));
        let asked = sent(&seen).into_iter().find(|message| message[18] == exchange);
        if let Some(asked) = asked {
            return (lab.now.since(Instant::ZERO).as_secs(), asked);
        }
    }
    panic!("nothing asked in {most} s");
}

const MAIN_MODE: u8 = 2;
const QUICK_MODE: u8 = 32;

/// The client answers the whole of the main mode that begins with `first`.
fn answer_main_mode(lab: &mut Lab, client: &mut Client, first: &[u8]) -> Vec<Seen> {
    let third = lab.ask(on_4500(), &client.main_second(first));
    let fifth = lab.ask(on_4500(), &client.main_fourth(&third));
    let (result, seen) = lab.deliver(on_4500(), &client.main_sixth(&fifth));
    assert_eq!(result, Ok(()));
    assert!(downs(&seen).is_empty() && events(&seen).is_empty(), "{seen:?}");
    seen
}

fn renew(lab: &mut Lab, peer: PeerId) -> Vec<u8> {
    let seen = lab.with_cx(|ike, cx, out| ike.renew(cx, peer, out));
    assert_eq!(sent(&seen).len(), 1);
    sent(&seen)[0].clone()
}

fn rekey(lab: &mut Lab, peer: PeerId) -> Vec<u8> {
    let seen = lab.with_cx(|ike, cx, out| ike.rekey_peer(cx, peer, out));
    assert_eq!(sent(&seen).len(), 1);
    sent(&seen)[0].clone()
}

fn installed(seen: &[Seen]) -> Option<SaParams> {
    seen.iter().find_map(|seen| match seen {
        Seen::Install(params) => Some(params.clone()),
        _ => None,
    })
}

fn activated(seen: &[Seen]) -> Vec<Spi> {
    let spis = seen.iter().filter_map(|seen| match seen {
        Seen::Activate(spi) => Some(*spi),
        _ => None,
    });
    spis.collect()
}

fn deleted(seen: &[Seen]) -> Vec<Spi> {
    let spis = seen.iter().filter_map(|seen| match seen {
        Seen::Delete(spi) => Some(*spi),
        _ => None,
    });
    spis.collect()
}

/// After how many seconds `message` is sent again while nobody answers it.
fn sent_again(lab: &mut Lab, peer: PeerId, message: &[u8]) -> Vec<u64> {
    let began = lab.now;
    let mut times = Vec::new();
    lab.wait(TICK.times(20));
    for _ in 0..38 {
        let seen = live(lab, peer, secs(1));
        if sent(&seen).iter().any(|found| found == message) {
            times.push(lab.now.since(began).as_secs());
        }
    }
    times
}
