//! The `kumihimo` program as its users see it: exit codes, messages, signals, a dial.

mod program;
mod raw_client;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Output;
use std::time::{Duration, Instant};

use program::{Place, Server};
use raw_client::RawClient;

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn exit_codes_tell_usage_from_refusal() {
    let place = Place::new(1);
    assert_eq!(place.run(&["--version"]).status.code(), Some(0));
    for help in [&["--help"][..], &["serve", "--help"], &["check", "--help"]] {
        let output = place.run(help);
        assert!(output.status.success() && !output.stdout.is_empty() && output.stderr.is_empty());
    }
    assert_eq!(place.run(&["serve", "--nonsense"]).status.code(), Some(2));
    assert_eq!(place.run(&[]).status.code(), Some(2));
    for later in ["vpncmd", "import"] {
        let output = place.run(&[later]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("not supported yet"));
    }
    let output = place.run(&["serve", "--config", "absent.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("kumihimo: absent.toml: cannot be read"));
    assert!(!place.folder.join("absent.toml").exists(), "only the default file is written");
}

#[test]
fn a_broken_file_gives_one_line() {
    let place = Place::new(2);
    place.write("polcy = \"modern\"");
    let output = place.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "kumihimo: kumihimo.toml:7: ipsec.polcy: unknown key; did you mean \"policy\"?\n"
    );
    let output = place.run(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("kumihimo.toml:7: ipsec.polcy"));
}

#[test]
fn a_taken_port_names_its_holder() {
    let place = Place::new(3);
    place.write("");
    let _holder = std::net::UdpSocket::bind((place.ip, 1701)).unwrap();
    let output = place.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let (line, pid) = (stderr(&output), std::process::id());
    assert!(line.contains(&format!("UDP {}:1701 is taken by", place.ip)), "{line}");
    assert!(line.contains(&format!("(pid {pid}); ")), "{line}");
    assert_eq!(line.lines().count(), 1);
    let output = place.run(&["check"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("(pid {pid})")));
}

#[test]
fn it_serves_reloads_says_why_a_dial_failed_and_ends() {
    let place = Place::new(4);
    place.write("");
    let mut server = Server::start(&place, &["serve", "--log", "json", "--log-level", "debug"]);
    server.line("ready");
    let address = SocketAddr::from((place.ip, 1701));
    let router = Ipv4Addr::new(192, 168, 30, 1);

    assert!(RawClient::dial(address, "jiro", "wrong").is_none());
    let line = server.line("dial-failed");
    assert!(line.contains("\"cause\":\"wrong-password\""), "{line}");
    assert!(
        line.contains("\"user\":\"jiro\",") && line.contains("\"windows-error\":691"),
        "{line}"
    );

    let mut client = RawClient::dial(address, "JIRO@default", "pass").unwrap();
    server.line("session-up");
    client.ping(router, 1, 56);
    assert_eq!(client.pong(), 1);

    place.write("policy = 7");
    server.signal("HUP");
    let line = server.line("reload-failed");
    assert!(line.contains("kumihimo.toml:7: ipsec.policy: is an integer"), "{line}");
    place.write("policy = \"modern\"");
    server.signal("HUP");
    server.line("reloaded");
    client.ping(router, 2, 56);
    assert_eq!(client.pong(), 2, "a session that the change does not touch stays up");

    let start = Instant::now();
    server.signal("TERM");
    server.line("session-down");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(3));
}
