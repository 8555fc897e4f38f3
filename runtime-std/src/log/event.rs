//! The line of each fact that the core reports.

use std::net::SocketAddr;

use kumihimo_core::config::Policy;
use kumihimo_core::credentials::Refusal;
use kumihimo_core::discard::DropReason;
use kumihimo_core::event::{DialFailure, DownCause, Event, FailureCause, Stage};

use super::accepted::{accepted, policy_name};
use super::line::{Level, Line, Value, untrusted};
use super::{names, offered};

/// The line of `event`; `policy` is in force.
pub(super) fn line(event: &Event, policy: Policy) -> Line {
    match event {
        Event::PeerUp { remote, suite, .. } => {
            let suite = names::ike_suite(*suite);
            let text = format!("{remote}: IKE SA up, {suite}");
            at(Level::Info, "peer-up", text, *remote).with("suite", suite)
        }
        Event::PeerDown { remote, cause, .. } => {
            let (name, why) = down(*cause);
            let text = format!("{remote}: peer gone, {why}");
            at(Level::Info, "peer-down", text, *remote).with("cause", name)
        }
        Event::PeerMoved { remote, .. } => {
            let text = format!("{remote}: a peer's packets come from here now");
            at(Level::Info, "peer-moved", text, *remote)
        }
        Event::SaUp { suite, .. } => {
            let suite = names::esp_suite(*suite);
            Line::new(Level::Debug, "sa-up", format!("IPsec SAs up, {suite}")).with("suite", suite)
        }
        Event::TunnelUp { remote, host_name, .. } => {
            let text = format!("{remote}: L2TP tunnel up with {}", untrusted(host_name));
            at(Level::Debug, "tunnel-up", text, *remote).with("host-name", host_name.as_str())
        }
        Event::SessionUp { remote, user, hub, address, took, .. } => {
            let (shown, millis) = (untrusted(user), took.as_millis());
            let text = format!(
                "{remote}: user {shown} up in hub {}, address {address}, \
                 {millis} ms after the call",
                untrusted(hub)
            );
            at(Level::Info, "session-up", text, *remote)
                .with("user", user.as_str())
                .with("hub", hub.as_str())
                .with("address", address.to_string())
                .with("took-ms", Value::Number(millis))
        }
        Event::SessionDown { remote, user, cause, .. } => {
            let (name, why) = down(*cause);
            let text = format!("{remote}: user {} gone, {why}", untrusted(user));
            at(Level::Info, "session-down", text, *remote)
                .with("user", user.as_str())
                .with("cause", name)
        }
        Event::DialFailed(failure) => dial_failed(failure, policy),
        Event::Refused { remote, reason } => {
            let who = remote.map_or_else(|| "a newcomer".to_owned(), |remote| remote.to_string());
            let text = format!("{who}: refused, {}; {}", reason.name(), remedy(*reason));
            let line = Line::new(Level::Warn, "refused", text).with("reason", reason.name());
            match remote {
                Some(remote) => line.with("peer", *remote),
                None => line,
            }
        }
    }
}

fn at(level: Level, name: &'static str, text: String, remote: SocketAddr) -> Line {
    Line::new(level, name, text).with("peer", remote)
}

/// The one line that says why a dial failed.
fn dial_failed(failure: &DialFailure, policy: Policy) -> Line {
    let (stage_name, stage) = stage(failure.stage);
    let Reason { name, what, likely } = reason(failure);
    let mut text = format!("{}: dial failed in {stage}: {what}", failure.remote);
    let mut line = at(Level::Warn, "dial-failed", String::new(), failure.remote)
        .with("stage", stage_name)
        .with("cause", name);
    if !failure.user.is_empty() {
        text.push_str(&format!("; user {}", untrusted(&failure.user)));
        line.push("user", failure.user.as_str().into());
    }
    if !failure.offered.is_empty() {
        let offers = failure.offered.iter().map(|&offer| offered::name(failure.stage, offer));
        let offers: Vec<String> = offers.collect();
        let accepted = accepted(policy, failure.stage);
        text.push_str(&format!("; it offered {}", offers.join(", ")));
        text.push_str(&format!("; policy {} accepts {accepted}", policy_name(policy)));
        line.push("offered", Value::List(offers));
        line.push("accepted", accepted.into());
    }
    text.push_str(&format!("; likely cause: {likely}"));
    line.push("likely-cause", likely.into());
    if let Some(number) = windows_error(failure) {
        text.push_str(&format!("; Windows shows error {number}"));
        line.push("windows-error", Value::Number(number));
    }
    line.text = text;
    line
}

struct Reason {
    name: &'static str,
    what: String,
    likely: &'static str,
}

fn reason(failure: &DialFailure) -> Reason {
    let (name, what, likely) = match failure.cause {
        FailureCause::NoProposal => (
            "no-proposal",
            "no common proposal",
            "the client is set to other algorithms; change them there, or ipsec.policy here",
        ),
        FailureCause::WrongKey => (
            "wrong-key",
            "the client's message does not decrypt",
            "the pre-shared key on the client is not ipsec.psk",
        ),
        FailureCause::Silence => ("silence", "the client stopped answering", silence(failure)),
        FailureCause::PeerClosed => ("peer-closed", "the client ended it", closed(failure)),
        FailureCause::Refused(refusal) => refused(refusal),
        FailureCause::NoDhcpAnswer => (
            "no-dhcp-answer",
            "no DHCP server answered on the hub",
            "neither [hub.secure-nat] dhcp = true nor a DHCP server behind a bridge of the hub",
        ),
        FailureCause::NoAddress => (
            "no-address",
            "the DHCP server has no address left",
            "the pool is used up; widen pool, or shorten lease",
        ),
        FailureCause::PppOptions => (
            "ppp-options",
            "no agreement on PPP options",
            "the client insists on an option or a protocol that is not served",
        ),
        FailureCause::Limit(reason) => {
            let what = format!("a limit is reached: {}", reason.name());
            return Reason { name: "limit", what, likely: remedy(reason) };
        }
        FailureCause::Protocol(reason) => {
            let what = format!("the client broke the protocol: {}", reason.name());
            let likely = "a fault or an unknown dialect of the client; please report it";
            return Reason { name: "protocol", what, likely };
        }
    };
    Reason { name, what: what.to_owned(), likely }
}

fn refused(refusal: Refusal) -> (&'static str, &'static str, &'static str) {
    match refusal {
        Refusal::UnknownUser => (
            "unknown-user",
            "user refused",
            "no user of that name in the hub, or no such hub; see [[hub.user]] and default-hub",
        ),
        Refusal::WrongPassword => {
            ("wrong-password", "user refused", "the password on the client is wrong")
        }
        Refusal::MethodRefused => (
            "method-refused",
            "user refused",
            "this user cannot log in with the method that the client chose",
        ),
        Refusal::Expired => ("expired", "user refused", "the account has expired"),
        Refusal::TooManySessions => {
            ("too-many-sessions", "user refused", "the user has max-sessions sessions already")
        }
        Refusal::NoRoom => ("no-room", "user refused", RAISE),
        Refusal::Timeout => {
            ("auth-timeout", "nobody answered for the user", "the authentication server is down")
        }
    }
}

fn silence(failure: &DialFailure) -> &'static str {
    match failure.stage {
        Stage::Phase1 if failure.remote.port() == 500 => {
            "our answers do not reach the client, or its UDP 4500 does not reach us: look for a \
             firewall in between"
        }
        Stage::Phase1 | Stage::Phase2 => {
            "our answers do not reach the client, or it refuses the key or the proposal silently"
        }
        Stage::L2tp => {
            "IPsec passes but nothing comes through it; look for a firewall on the client"
        }
        Stage::Lcp | Stage::Authentication | Stage::Address => "the client is gone or out of reach",
    }
}

fn closed(failure: &DialFailure) -> &'static str {
    match failure.stage {
        Stage::Phase1 | Stage::Phase2 => "the client does not accept our choice",
        Stage::Authentication => "the user cancelled, or the client distrusts the server's answer",
        Stage::L2tp | Stage::Lcp | Stage::Address => "the user cancelled, or the client timed out",
    }
}

/// The number in the message that Windows shows its user.
fn windows_error(failure: &DialFailure) -> Option<u64> {
    Some(match (failure.stage, failure.cause) {
        (_, FailureCause::Refused(_)) => 691,
        (Stage::Phase1, FailureCause::Silence) => 809,
        (Stage::Phase1 | Stage::Phase2, _) => 789,
        (Stage::L2tp, FailureCause::PeerClosed) => return None,
        (Stage::L2tp, _) => 809,
        (Stage::Lcp | Stage::Authentication, FailureCause::PeerClosed) => return None,
        (Stage::Lcp | Stage::Authentication, _) => 718,
        (Stage::Address, _) => 720,
    })
}

fn stage(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Phase1 => ("phase-1", "IKE phase 1"),
        Stage::Phase2 => ("phase-2", "IKE phase 2"),
        Stage::L2tp => ("l2tp", "L2TP"),
        Stage::Lcp => ("lcp", "PPP's LCP"),
        Stage::Authentication => ("authentication", "authentication"),
        Stage::Address => ("address", "getting an address"),
    }
}

fn down(cause: DownCause) -> (&'static str, &'static str) {
    match cause {
        DownCause::PeerClosed => ("peer-closed", "it said goodbye"),
        DownCause::Silence => ("silence", "nothing was heard for too long"),
        DownCause::Replaced => ("replaced", "the same client dialled again"),
        DownCause::Administrative => ("administrative", "we ended it"),
        DownCause::Expired => ("expired", "its lifetime ended"),
        DownCause::LeaseLost => ("lease-lost", "the DHCP server took the address back"),
        DownCause::Failed => ("failed", "it failed"),
        DownCause::CarrierDown => ("carrier-down", "what carried it is gone"),
    }
}

/// What a limit that refused somebody means.
fn remedy(reason: DropReason) -> &'static str {
    match reason {
        DropReason::HalfOpenQuota | DropReason::UnprovenBudget => {
            "too many dials that go no further: an attack, or a way that loses our answers"
        }
        _ => RAISE,
    }
}

const RAISE: &str = "a table is full; raise server.max-sessions if these are your clients";
