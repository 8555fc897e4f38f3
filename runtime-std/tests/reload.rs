//! SIGHUP, more than once: what a reload opened and closed, and that new dials meet what it says.

mod program;
mod raw_client;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use program::{Place, Server};
use raw_client::RawClient;

/// Numbers of the tests' addresses, none of which is one of another test's.
const LISTEN: u8 = 11;
const SWITCH: u8 = 13;
const SETTINGS: u8 = 14;
const WILDCARD: u8 = 15;

const HUB: &str = "[[hub]]\nname = \"DEFAULT\"\n[hub.secure-nat]\ndhcp = true\n";
const USER: &str = "[[hub.user]]\nname = \"jiro\"\npassword = \"pass\"\n";

fn start(place: &Place) -> Server {
    let server = Server::start(place, &["serve", "--log", "json", "--log-level", "debug"]);
    server.line("ready");
    server
}

/// Reloads; the next line about it says that it worked.
fn reload(server: &Server) {
    server.signal("HUP");
    let line = server.line("\"reload");
    assert!(line.contains("\"reloaded\""), "{line}");
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

fn at(ip: Ipv4Addr) -> SocketAddr {
    (ip, 1701).into()
}

fn is_free(ip: Ipv4Addr) -> bool {
    UdpSocket::bind(at(ip)).is_ok()
}

fn pings(client: &mut RawClient, number: u16) -> bool {
    client.ping(Ipv4Addr::new(192, 168, 30, 1), number, 56);
    client.pong() == number
}

#[test]
fn addresses_come_and_go_with_every_reload() {
    let place = Place::new(LISTEN);
    let (one, [a, b, c, d]) = (place.ip, place.ip.octets());
    let two = Ipv4Addr::new(a, b, c, d + 1);
    let write = |listen: &[Ipv4Addr]| {
        let listen: Vec<_> = listen.iter().map(|ip| format!("\"{ip}\"")).collect();
        place.write_all(&format!(
            "[server]\nlisten = [{}]\nmax-sessions = 64\n\
             [ipsec]\nl2tp = false\nl2tp-raw = true\n{HUB}{USER}",
            listen.join(", ")
        ));
    };
    write(&[one]);
    let server = start(&place);
    let mut stays = RawClient::dial(at(one), "jiro", "pass").unwrap();
    assert!(is_free(two));

    for round in 0..2 {
        write(&[one, two]);
        reload(&server);
        assert!(!is_free(two));
        let mut client = RawClient::dial(at(two), "jiro", "pass").unwrap();
        assert!(pings(&mut client, 1));
        // Nothing is new now, and what the reload before opened is not opened again.
        reload(&server);
        reload(&server);
        assert!(pings(&mut client, 2) && pings(&mut stays, 10 + round));
        assert!(RawClient::dial(at(two), "jiro", "pass").is_some());
        write(&[one]);
        reload(&server);
        assert!(is_free(two), "what is not named is closed");
        assert!(pings(&mut stays, 20 + round));
    }
    // The first address goes too, and comes back.
    write(&[two]);
    reload(&server);
    assert!(is_free(one) && !is_free(two));
    write(&[two, one]);
    reload(&server);
    assert!(RawClient::dial(at(one), "jiro", "pass").is_some());
    stop(server);
}

#[test]
fn a_service_that_is_switched_on_and_off_is_there_and_gone() {
    let place = Place::new(SWITCH);
    let write = |raw: bool| {
        place.write_all(&format!(
            "[server]\nlisten = [\"{}\"]\nmax-sessions = 64\n\
             [ipsec]\nl2tp = false\nl2tp-raw = {raw}\n{HUB}{USER}",
            place.ip
        ));
    };
    write(false);
    let server = start(&place);
    for _ in 0..2 {
        assert!(is_free(place.ip));
        write(true);
        server.signal("HUP");
        server.line("ipsec.l2tp-raw: everyone on the way can read along");
        server.line("\"reloaded\"");
        reload(&server);
        let mut client = RawClient::dial(at(place.ip), "jiro", "pass").unwrap();
        assert!(pings(&mut client, 1));
        write(false);
        reload(&server);
        reload(&server);
    }
    assert!(is_free(place.ip));
    // A port that somebody took meanwhile: the old configuration stays, and the next try works.
    let holder = UdpSocket::bind(at(place.ip)).unwrap();
    write(true);
    server.signal("HUP");
    let line = server.line("\"reload");
    let pid = std::process::id();
    assert!(line.contains("reload-failed") && line.contains(&format!("(pid {pid})")), "{line}");
    drop(holder);
    reload(&server);
    assert!(RawClient::dial(at(place.ip), "jiro", "pass").is_some());
    stop(server);
}

#[test]
fn new_dials_meet_what_the_last_reload_said() {
    let place = Place::new(SETTINGS);
    let write = |ipsec: &str, hubs: &str| {
        place.write_all(&format!(
            "[server]\nlisten = [\"{}\"]\nmax-sessions = 64\n\
             [ipsec]\nl2tp = false\nl2tp-raw = true\n{ipsec}\n{hubs}",
            place.ip
        ));
    };
    let dial = |user, password| RawClient::dial(at(place.ip), user, password);
    write("", &format!("{HUB}{USER}"));
    let server = start(&place);
    let mut stays = dial("jiro", "pass").unwrap();
    assert!(dial("hanako", "word").is_none() && dial("jiro@lab", "pass").is_none());

    let hanako = "[[hub.user]]\nname = \"hanako\"\npassword = \"word\"\n";
    write("", &format!("{HUB}{USER}{hanako}"));
    reload(&server);
    assert!(dial("hanako", "word").is_some(), "a user more");
    write("", &format!("{HUB}{USER}{}", hanako.replace("word\"\n", "changed\"\n")));
    reload(&server);
    assert!(dial("hanako", "word").is_none() && dial("hanako", "changed").is_some());
    write("", &format!("{HUB}{USER}"));
    reload(&server);
    assert!(dial("hanako", "changed").is_none(), "a user less");
    assert!(pings(&mut stays, 1));

    let lab = "[[hub]]\nname = \"LAB\"\n[hub.secure-nat]\naddress = \"10.9.0.1/16\"\n\
               pool = \"10.9.1.1-10.9.1.20\"\n[[hub.user]]\nname = \"jiro\"\npassword = \"lab\"\n";
    write("", &format!("{HUB}{USER}{lab}"));
    reload(&server);
    let client = dial("jiro@lab", "lab").expect("a hub more");
    assert_eq!(client.address.octets()[..3], [10, 9, 1]);
    assert!(dial("jiro", "pass").unwrap().address.octets().starts_with(&[192, 168, 30]));
    write("default-hub = \"LAB\"", &format!("{HUB}{USER}{}", lab.replace(".1.", ".2.")));
    reload(&server);
    assert!(dial("jiro", "pass").is_none(), "a name without a hub is one of the other hub now");
    let mut client = dial("jiro", "lab").unwrap();
    assert_eq!(client.address.octets()[..3], [10, 9, 2], "another pool");
    client.ping(Ipv4Addr::new(10, 9, 0, 1), 5, 56);
    assert_eq!(client.pong(), 5);
    assert!(pings(&mut stays, 2), "and who was there is there");

    // Most sessions at once.
    let one = USER.replace("pass\"\n", "pass\"\nmax-sessions = 1\n");
    write("", &format!("{HUB}{one}"));
    reload(&server);
    assert!(dial("jiro", "pass").is_none(), "one is there already");
    assert!(dial("jiro@lab", "lab").is_none(), "a hub less");
    write("", &format!("{HUB}{USER}"));
    reload(&server);
    assert!(dial("jiro", "pass").is_some() && pings(&mut stays, 3));
    stop(server);
}

#[test]
fn from_one_address_to_all_takes_a_restart_and_the_log_says_so() {
    let place = Place::new(WILDCARD);
    place.write("");
    let server = start(&place);
    let mut stays = RawClient::dial(at(place.ip), "jiro", "pass").unwrap();
    let text = std::fs::read_to_string(place.folder.join("kumihimo.toml")).unwrap();
    place.write_all(&text.replacen(&place.ip.to_string(), "0.0.0.0", 1));
    server.signal("HUP");
    let line = server.line("\"reload");
    assert!(line.contains("shares its port with UDP"), "{line}");
    assert!(line.contains("restart the server"), "{line}");
    assert!(pings(&mut stays, 1));
    place.write_all(&text);
    reload(&server);
    assert!(pings(&mut stays, 2));
    stop(server);
}
