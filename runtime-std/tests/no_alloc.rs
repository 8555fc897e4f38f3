//! The packet thread allocates nothing while packets pass: counted over 10 000 of them, through
//! real sockets, a real dial and the real core.

mod raw_client;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kumihimo::config_file;
use kumihimo::desk::{Mailbox, RealDesk};
use kumihimo::engine::Engine;
use kumihimo::io::Mail;
use kumihimo::linux::LinuxIo;
use kumihimo::log::{Format, Level, LogThread};
use kumihimo::machine::Core;
use kumihimo::outside::{self, Open};
use kumihimo::pool::BufferPool;
use kumihimo::sys::allocations::{Counting, of_this_thread};
use kumihimo_core::limits::Limits;
use raw_client::RawClient;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONFIG: &str = r#"
[server]
listen = ["127.0.0.77"]
max-sessions = 8
[ipsec]
l2tp = false
l2tp-raw = true
psk = "not used in this test"
[[hub]]
name = "DEFAULT"
[hub.secure-nat]
dhcp = true
[[hub.user]]
name = "jiro"
password = "pass"
"#;

#[test]
fn ten_thousand_packets_allocate_nothing() {
    // Every test process has an address of its own.
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let ip = Ipv4Addr::new(127, high, low, 77);
    let config = CONFIG.replace("127.0.0.77", &ip.to_string());
    let settings = config_file::parse("test.toml", &config, Path::new("")).unwrap();
    let log = LogThread::start(Format::Text, Level::Info).unwrap();
    let opened = outside::open(&settings, &Open::default()).unwrap();
    let mailbox = Mailbox::new().unwrap();
    let desk = RealDesk::new(mailbox.clone(), 1, log.logger()).unwrap();
    let (allocations, running) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let (published, alive) = (Arc::clone(&allocations), Arc::clone(&running));
    let waker = mailbox.waker();
    let (hang_up, hung_up) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let _hang_up = hang_up;
        let limits = Limits::server(settings.server.max_sessions);
        let core = Core::new(&limits, &settings, [7; 32]).unwrap();
        let io = LinuxIo::new(opened.change, waker);
        let mut engine = Engine::new(core, BufferPool::new(512), io, desk, limits.batch);
        while engine.turn() {
            published.store(of_this_thread(), Ordering::SeqCst);
        }
        alive.store(false, Ordering::SeqCst);
    });

    let server = SocketAddr::from((ip, 1701));
    let mut client = RawClient::dial(server, "jiro", "pass").unwrap();
    assert_eq!(client.address, Ipv4Addr::new(192, 168, 30, 10));
    let router = Ipv4Addr::new(192, 168, 30, 1);
    let mut exchange = |count: u16| {
        for number in 0..count {
            client.ping(router, number, usize::from(number) % 1_200);
            assert_eq!(client.pong(), number);
        }
    };
    exchange(100);
    let before = allocations.load(Ordering::SeqCst);
    assert!(before > 0, "the counter counts: the dial itself may allocate");
    exchange(10_000);
    let after = allocations.load(Ordering::SeqCst);
    println!("packet-thread allocations over 10000 packets each way: {}", after - before);
    assert_eq!(after - before, 0);

    assert!(mailbox.post(Mail::Stop));
    hung_up.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut octet = [0];
    assert_eq!(std::io::Read::read(&mut &hung_up, &mut octet).unwrap(), 0, "it stops in time");
    thread.join().unwrap();
    assert!(!running.load(Ordering::SeqCst));
}
