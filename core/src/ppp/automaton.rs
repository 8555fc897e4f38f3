//! The option negotiation automaton, RFC 1661 §4.1, as one table.
//!
//! LCP, IPCP and IPV6CP share it. It holds no timer, no counter and no option: what its actions
//! mean stands in [`super::layer`]. The passive and restart options (notes p and r of the RFC's
//! table) are not taken. Note x, crossed acknowledgements, is in the table; `layer` takes only
//! the first reply to a request, so duplicates never get that far.

/// A state of the automaton (RFC 1661 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Initial,
    Starting,
    Closed,
    Stopped,
    Closing,
    Stopping,
    ReqSent,
    AckRcvd,
    AckSent,
    Opened,
}

/// What drives it (RFC 1661 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The lower layer is up.
    Up,
    /// The lower layer is down.
    Down,
    /// The layer may open.
    Open,
    /// The layer shall close.
    Close,
    /// The restart timer fired, and there are tries left.
    TimeoutMore,
    /// The restart timer fired for the last time.
    TimeoutLast,
    /// An acceptable Configure-Request.
    GoodRequest,
    /// A Configure-Request that is not acceptable.
    BadRequest,
    /// A Configure-Ack.
    Ack,
    /// A Configure-Nak or Configure-Reject.
    Nak,
    /// A Terminate-Request.
    TerminateRequest,
    /// A Terminate-Ack.
    TerminateAck,
    /// An unknown code.
    UnknownCode,
    /// A Code-Reject or Protocol-Reject of something we can do without.
    RejectMinor,
    /// A Code-Reject or Protocol-Reject of something we cannot do without.
    RejectFatal,
    /// An Echo-Request, Echo-Reply or Discard-Request.
    Echo,
}

/// What the automaton does (RFC 1661 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// tlu: this layer is up.
    LayerUp,
    /// tld: this layer is down.
    LayerDown,
    /// tls: the lower layer is needed.
    LayerStarted,
    /// tlf: the lower layer is no longer needed.
    LayerFinished,
    /// irc: sets the restart counter to its maximum.
    InitRestartCount,
    /// zrc: sets the restart counter to zero.
    ZeroRestartCount,
    /// scr: sends a Configure-Request.
    SendRequest,
    /// sca: sends a Configure-Ack.
    SendAck,
    /// scn: sends a Configure-Nak or Configure-Reject.
    SendNak,
    /// str: sends a Terminate-Request.
    SendTerminateRequest,
    /// sta: sends a Terminate-Ack.
    SendTerminateAck,
    /// scj: sends a Code-Reject.
    SendCodeReject,
    /// ser: sends an Echo-Reply.
    SendEchoReply,
}

/// What happens in a cell of the table: actions in this order, then the next state.
pub(super) type Step = (&'static [Action], State);

/// The step of `state` at `event`; `None` where the RFC's table has a dash: it cannot happen.
pub(super) fn step(state: State, event: Event) -> Option<Step> {
    TABLE.get(event as usize)?.get(state as usize).copied().flatten()
}

type Cell = Option<Step>;

const fn to(next: State) -> Cell {
    Some((&[], next))
}

const fn and(actions: &'static [Action], next: State) -> Cell {
    Some((actions, next))
}

use Action::{
    InitRestartCount as Irc, LayerDown as Tld, LayerFinished as Tlf, LayerStarted as Tls,
    LayerUp as Tlu, SendAck as Sca, SendCodeReject as Scj, SendEchoReply as Ser, SendNak as Scn,
    SendRequest as Scr, SendTerminateAck as Sta, SendTerminateRequest as Str,
    ZeroRestartCount as Zrc,
};
use State::{
    AckRcvd, AckSent, Closed, Closing, Initial, Opened, ReqSent, Starting, Stopped, Stopping,
};

const NEVER: Cell = None;

/// Rows are events, columns states, both in the order of their enums.
#[rustfmt::skip]
const TABLE: [[Cell; 10]; 16] = [
    // Up
    [to(Closed), and(&[Irc, Scr], ReqSent), NEVER, NEVER, NEVER, NEVER,
     NEVER, NEVER, NEVER, NEVER],
    // Down
    [NEVER, NEVER, to(Initial), and(&[Tls], Starting), to(Initial), to(Starting),
     to(Starting), to(Starting), to(Starting), and(&[Tld], Starting)],
    // Open
    [and(&[Tls], Starting), to(Starting), and(&[Irc, Scr], ReqSent), to(Stopped), to(Stopping),
     to(Stopping), to(ReqSent), to(AckRcvd), to(AckSent), to(Opened)],
    // Close
    [to(Initial), and(&[Tlf], Initial), to(Closed), to(Closed), to(Closing), to(Closing),
     and(&[Irc, Str], Closing), and(&[Irc, Str], Closing), and(&[Irc, Str], Closing),
     and(&[Tld, Irc, Str], Closing)],
    // TO+
    [NEVER, NEVER, NEVER, NEVER, and(&[Str], Closing), and(&[Str], Stopping),
     and(&[Scr], ReqSent), and(&[Scr], ReqSent), and(&[Scr], AckSent), NEVER],
    // TO-
    [NEVER, NEVER, NEVER, NEVER, and(&[Tlf], Closed), and(&[Tlf], Stopped),
     and(&[Tlf], Stopped), and(&[Tlf], Stopped), and(&[Tlf], Stopped), NEVER],
    // RCR+
    [NEVER, NEVER, and(&[Sta], Closed), and(&[Irc, Scr, Sca], AckSent), to(Closing), to(Stopping),
     and(&[Sca], AckSent), and(&[Sca, Tlu], Opened), and(&[Sca], AckSent),
     and(&[Tld, Scr, Sca], AckSent)],
    // RCR-
    [NEVER, NEVER, and(&[Sta], Closed), and(&[Irc, Scr, Scn], ReqSent), to(Closing), to(Stopping),
     and(&[Scn], ReqSent), and(&[Scn], AckRcvd), and(&[Scn], ReqSent),
     and(&[Tld, Scr, Scn], ReqSent)],
    // RCA
    [NEVER, NEVER, and(&[Sta], Closed), and(&[Sta], Stopped), to(Closing), to(Stopping),
     and(&[Irc], AckRcvd), and(&[Scr], ReqSent), and(&[Irc, Tlu], Opened),
     and(&[Tld, Scr], ReqSent)],
    // RCN
    [NEVER, NEVER, and(&[Sta], Closed), and(&[Sta], Stopped), to(Closing), to(Stopping),
     and(&[Irc, Scr], ReqSent), and(&[Scr], ReqSent), and(&[Irc, Scr], AckSent),
     and(&[Tld, Scr], ReqSent)],
    // RTR
    [NEVER, NEVER, and(&[Sta], Closed), and(&[Sta], Stopped), and(&[Sta], Closing),
     and(&[Sta], Stopping), and(&[Sta], ReqSent), and(&[Sta], ReqSent), and(&[Sta], ReqSent),
     and(&[Tld, Zrc, Sta], Stopping)],
    // RTA
    [NEVER, NEVER, to(Closed), to(Stopped), and(&[Tlf], Closed), and(&[Tlf], Stopped),
     to(ReqSent), to(ReqSent), to(AckSent), and(&[Tld, Scr], ReqSent)],
    // RUC
    [NEVER, NEVER, and(&[Scj], Closed), and(&[Scj], Stopped), and(&[Scj], Closing),
     and(&[Scj], Stopping), and(&[Scj], ReqSent), and(&[Scj], AckRcvd), and(&[Scj], AckSent),
     and(&[Scj], Opened)],
    // RXJ+
    [NEVER, NEVER, to(Closed), to(Stopped), to(Closing), to(Stopping),
     to(ReqSent), to(ReqSent), to(AckSent), to(Opened)],
    // RXJ-
    [NEVER, NEVER, and(&[Tlf], Closed), and(&[Tlf], Stopped), and(&[Tlf], Closed),
     and(&[Tlf], Stopped), and(&[Tlf], Stopped), and(&[Tlf], Stopped), and(&[Tlf], Stopped),
     and(&[Tld, Irc, Str], Stopping)],
    // RXR
    [NEVER, NEVER, to(Closed), to(Stopped), to(Closing), to(Stopping),
     to(ReqSent), to(AckRcvd), to(AckSent), and(&[Ser], Opened)],
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::string::String;
    use std::vec::Vec;

    const EVENTS: [(&str, Event); 16] = [
        ("Up", Event::Up),
        ("Down", Event::Down),
        ("Open", Event::Open),
        ("Close", Event::Close),
        ("TO+", Event::TimeoutMore),
        ("TO-", Event::TimeoutLast),
        ("RCR+", Event::GoodRequest),
        ("RCR-", Event::BadRequest),
        ("RCA", Event::Ack),
        ("RCN", Event::Nak),
        ("RTR", Event::TerminateRequest),
        ("RTA", Event::TerminateAck),
        ("RUC", Event::UnknownCode),
        ("RXJ+", Event::RejectMinor),
        ("RXJ-", Event::RejectFatal),
        ("RXR", Event::Echo),
    ];
    const STATES: [State; 10] =
        [Initial, Starting, Closed, Stopped, Closing, Stopping, ReqSent, AckRcvd, AckSent, Opened];

    fn short(action: Action) -> &'static str {
        match action {
            Tlu => "tlu",
            Tld => "tld",
            Tls => "tls",
            Tlf => "tlf",
            Irc => "irc",
            Zrc => "zrc",
            Scr => "scr",
            Sca => "sca",
            Scn => "scn",
            Str => "str",
            Sta => "sta",
            Scj => "scj",
            Ser => "ser",
        }
    }

    fn cell(state: State, event: Event) -> String {
        let Some((actions, next)) = step(state, event) else { return "-".into() };
        let next = STATES.iter().position(|&state| state == next).unwrap();
        match actions.iter().copied().map(short).collect::<Vec<_>>().join(",") {
            none if none.is_empty() => std::format!("{next}"),
            actions => std::format!("{actions}/{next}"),
        }
    }

    fn render() -> String {
        let mut text = String::new();
        for (columns, width) in [(0..6, 13), (6..10, 15)] {
            for (name, event) in EVENTS {
                let mut line = std::format!("{name:<5}|");
                for &state in &STATES[columns.clone()] {
                    let _ = write!(line, " {:>width$}", cell(state, event));
                }
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
        }
        text
    }

    /// RFC 1661 §4.1, laid out as there, without the notes p, r and x.
    const RFC: &str = "\
Up   |             2     irc,scr/6             -             -             -             -
Down |             -             -             0         tls/1             0             1
Open |         tls/1             1     irc,scr/6             3             5             5
Close|             0         tlf/0             2             2             4             4
TO+  |             -             -             -             -         str/4         str/5
TO-  |             -             -             -             -         tlf/2         tlf/3
RCR+ |             -             -         sta/2 irc,scr,sca/8             4             5
RCR- |             -             -         sta/2 irc,scr,scn/6             4             5
RCA  |             -             -         sta/2         sta/3             4             5
RCN  |             -             -         sta/2         sta/3             4             5
RTR  |             -             -         sta/2         sta/3         sta/4         sta/5
RTA  |             -             -             2             3         tlf/2         tlf/3
RUC  |             -             -         scj/2         scj/3         scj/4         scj/5
RXJ+ |             -             -             2             3             4             5
RXJ- |             -             -         tlf/2         tlf/3         tlf/2         tlf/3
RXR  |             -             -             2             3             4             5

Up   |               -               -               -               -
Down |               1               1               1           tld/1
Open |               6               7               8               9
Close|       irc,str/4       irc,str/4       irc,str/4   tld,irc,str/4
TO+  |           scr/6           scr/6           scr/8               -
TO-  |           tlf/3           tlf/3           tlf/3               -
RCR+ |           sca/8       sca,tlu/9           sca/8   tld,scr,sca/8
RCR- |           scn/6           scn/7           scn/6   tld,scr,scn/6
RCA  |           irc/7           scr/6       irc,tlu/9       tld,scr/6
RCN  |       irc,scr/6           scr/6       irc,scr/8       tld,scr/6
RTR  |           sta/6           sta/6           sta/6   tld,zrc,sta/5
RTA  |               6               6               8       tld,scr/6
RUC  |           scj/6           scj/7           scj/8           scj/9
RXJ+ |               6               6               8               9
RXJ- |           tlf/3           tlf/3           tlf/3   tld,irc,str/5
RXR  |               6               7               8           ser/9

";

    #[test]
    fn the_table_is_that_of_the_rfc() {
        let rendered = render();
        for (ours, theirs) in rendered.lines().zip(RFC.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(rendered, RFC);
    }
}
