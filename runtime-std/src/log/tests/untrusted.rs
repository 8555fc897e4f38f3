//! Names that come from outside: no line shows one that could be taken for something else.

use super::*;

/// A name with blanks, quotes and what turns a line around; the core takes what a terminal obeys
/// out of it.
const BAD: &str = "a \"b\" \\ \x1b[2J\n192.0.2.1: \u{202e}user root up";
const SHOWN: &str = "\"a \\\"b\\\" \\\\ [2J192.0.2.1: \\u{202e}user root up\"";
const JSON: &str = "\"a \\\"b\\\" \\\\ [2J192.0.2.1: \\u202euser root up\"";

/// Every event that carries a name, with this one in all its places, and how many there are.
fn events(name: &str) -> Vec<(Event, usize)> {
    let remote = "192.0.2.7:4500".parse().unwrap();
    let key = Key { index: 1, generation: 1 };
    let name = || name_of(name.as_bytes());
    let up = Event::SessionUp {
        session: key.into(),
        remote,
        user: name(),
        hub: name(),
        address: "192.168.30.10".parse().unwrap(),
        took: kumihimo_core::time::Duration::from_millis(812),
    };
    let cause = kumihimo_core::event::DownCause::PeerClosed;
    let down = Event::SessionDown { session: key.into(), remote, user: name(), cause };
    let tunnel = Event::TunnelUp { tunnel: key.into(), remote, host_name: name() };
    let refused = FailureCause::Refused(Refusal::WrongPassword);
    let failed = DialFailure { user: name(), ..failure(Stage::Authentication, refused) };
    vec![(up, 2), (down, 1), (tunnel, 1), (Event::DialFailed(failed), 1)]
}

#[test]
fn a_strange_name_is_quoted_and_escaped_in_every_line() {
    for (event, count) in events(BAD) {
        let text = event::line(&event, Policy::Compat).text;
        assert_eq!(text.matches(SHOWN).count(), count, "{text}");
        let mut out = writer(Format::Text);
        out.entry(Entry::Event(SystemTime::UNIX_EPOCH, event));
        let line = written(out);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains('\x1b'));
    }
}

#[test]
fn a_strange_name_is_a_string_of_json_in_every_line() {
    for (event, count) in events(BAD) {
        let mut out = writer(Format::Json);
        out.entry(Entry::Event(SystemTime::UNIX_EPOCH, event));
        let line = written(out);
        assert_eq!(line.lines().count(), 1, "{line}");
        // In a field of its own, as it is, and in the message as people see it.
        assert_eq!(line.matches(&format!(":{JSON}")).count(), count, "{line}");
        assert!(!line.contains('\x1b'));
    }
}

#[test]
fn a_plain_name_stands_as_it_is() {
    for name in ["jiro", "Jiro.2-x_y", "jiro@lab", "lab\\jiro"] {
        for (event, _) in events(name) {
            let text = event::line(&event, Policy::Compat).text;
            assert!(text.contains(&format!(" {name}")), "{text}");
            assert!(!text.contains('"'), "{text}");
        }
    }
    // One that is empty, or only looks like a word of the line, does not.
    for (name, shown) in
        [("two words", "\"two words\""), ("jiro,", "\"jiro,\""), ("花子", "\"花子\"")]
    {
        for (event, count) in events(name) {
            let text = event::line(&event, Policy::Compat).text;
            assert_eq!(text.matches(shown).count(), count, "{text}");
        }
    }
}
