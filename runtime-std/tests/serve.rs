//! The `kumihimo` program as its users see it: exit codes, messages, signals, a dial.

mod program;
mod raw_client;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
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

#[test]
fn a_server_that_stood_still_tells_for_how_long() {
    let place = Place::new(5);
    place.write("");
    let server = Server::start(&place, &["serve", "--log", "json", "--log-level", "debug"]);
    server.line("ready");
    let router = Ipv4Addr::new(192, 168, 30, 1);
    let mut client = RawClient::dial(SocketAddr::from((place.ip, 1701)), "jiro", "pass").unwrap();
    client.ping(router, 1, 56);
    assert_eq!(client.pong(), 1);
    let (quiet, noise) = (AtomicBool::new(false), place.ip);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // What tells the server that it is late: packets that come.
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            while !quiet.load(Ordering::Relaxed) {
                socket.send_to(&[0], (noise, 1701)).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        server.signal("STOP");
        std::thread::sleep(STOPPED);
        server.signal("CONT");
        quiet.store(true, Ordering::Relaxed);
    });
    client.ping(router, 2, 56);
    assert_eq!(client.pong(), 2);
    // A busy machine may stop it too, for less.
    let line = loop {
        let line = server.line("\"event\":\"pause\"");
        if number(&line, "length-ms") >= TOLD_MS {
            break line;
        }
    };
    assert!(number(&line, "in-phase-ms") > 0, "{line}");
    assert!(number(&line, "counted-over-ms") >= TOLD_MS, "{line}");
    assert!(line.contains("\"phase\":\"") && line.contains("\"likely-cause\":\""), "{line}");
    server.signal("TERM");
    let line = server.line("longest-pause");
    assert!(number(&line, "length-ms") >= TOLD_MS, "{line}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_packets_nor_the_end() {
    let place = Place::new(6);
    place.write("");
    let (unread, log) = std::io::pipe().unwrap();
    let mut fill = log.try_clone().unwrap();
    let filled = std::thread::spawn(move || {
        // It ends with the pipe.
        while std::io::Write::write(&mut fill, &[b'.'; 4_096]).is_ok() {}
    });
    let mut command = place.command(&["serve", "--log-level", "debug"]);
    let mut server = command.stderr(log).spawn().unwrap();
    drop(command);
    let address = SocketAddr::from((place.ip, 1701));
    let end = Instant::now() + Duration::from_secs(20);
    while std::net::UdpSocket::bind(address).is_ok() {
        assert!(Instant::now() < end, "it does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut client = RawClient::dial(address, "jiro", "pass").unwrap();
    for number in 0..100 {
        client.ping(Ipv4Addr::new(192, 168, 30, 1), number, 56);
        assert_eq!(client.pong(), number);
    }
    let pid = server.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let end = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = server.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > end {
            server.kill().unwrap();
            server.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    drop(unread);
    filled.join().unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

fn number(line: &str, field: &str) -> u64 {
    let rest = line.split_once(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{line}")).1;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

const STOPPED: Duration = Duration::from_millis(500);
/// The server cannot know that it was to wake earlier than 50 ms after the last packet, which
/// on a busy machine was a while ago.
const TOLD_MS: u64 = 300;
