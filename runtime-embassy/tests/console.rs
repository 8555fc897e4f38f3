//! The console beside the real runner.

mod rig;

use std::panic::{AssertUnwindSafe, catch_unwind};

use kumihimo_embassy::{Console, Origin, Settings, Store};
use kumihimo_sim::peer::Input;
use kumihimo_sim::profile::CP_WIN;
use rig::dialer::Dialer;
use rig::host::Station;
use rig::serial::{Flash, Noting, Serial};
use rig::{Rig, settings};

/// A board with a console, as its firmware would start it.
struct Desk {
    rig: Rig,
    serial: Serial,
    board: &'static Noting,
}

impl Desk {
    fn new(settings: Settings, flash: &Flash, origin: Origin) -> Self {
        let mut rig = Rig::new(settings);
        let serial = Serial::default();
        let board: &'static Noting = Box::leak(Box::default());
        let store = Store::new(flash.clone(), 0..4 * 4_096).unwrap();
        let (handle, ports) = (rig.handle, (serial.clone(), serial.clone()));
        rig.keeps_log = false;
        rig.spawn(async move {
            let mut console = Console::new(handle, ports, store, board, origin);
            console.run().await;
        });
        rig.spawn(async move { kumihimo_embassy::watch(board, handle).await });
        rig.run_ms(10);
        Self { rig, serial, board }
    }

    /// Starts with what is in flash.
    fn restart(flash: &Flash) -> Self {
        let mut store = Store::new(flash.clone(), 0..4 * 4_096).unwrap();
        let (settings, origin) = rig::now_or_never(store.load(b""));
        Self::new(settings, flash, origin)
    }

    /// Types a line and gives what is said.
    fn ask(&mut self, line: &str) -> String {
        self.rig.run_ms(600);
        self.serial.take_said();
        self.serial.type_line(line);
        self.rig.run_ms(5);
        self.serial.take_said()
    }
}

#[test]
fn what_is_set_is_in_force_at_once_and_after_a_restart() {
    let flash = Flash::new();
    let mut desk = Desk::restart(&flash);
    let said = desk.serial.take_said();
    assert!(said.contains("started by: watchdog"), "{said}");
    assert!(said.contains("nobody can dial in"), "{said}");
    for line in [
        "set psk correct horse battery staple",
        "set address 192.0.2.1/24 192.0.2.254",
        "user add jiro pass",
        "user add hanako hana",
        "user del hanako",
    ] {
        let said = desk.ask(line);
        assert!(said.contains("ok\r\n"), "{line}: {said}");
    }
    assert!(desk.ask("user add JIRO x").contains("refused: there is a user of that name"));
    let said = desk.ask("show");
    assert!(said.contains("psk is set") && said.contains("user jiro"), "{said}");
    assert!(!said.contains("horse") && !said.contains("hanako"), "{said}");
    drop(desk);

    let mut desk = Desk::restart(&flash);
    assert!(desk.serial.take_said().contains("settings from flash"));
    let rig = &mut desk.rig;
    rig.add(Station::router());
    let client = rig.add(Dialer::near(50, &CP_WIN, "jiro", "pass"));
    rig.host::<Dialer>(client).tell(Input::Dial);
    let is_up = |rig: &mut Rig| rig.host::<Dialer>(client).address().is_some();
    assert!(rig.run_until(20_000, is_up));
    let said = desk.ask("status");
    assert!(said.contains("sessions 1") && said.contains("link up"), "{said}");
}

#[test]
fn a_user_who_is_deleted_is_thrown_out() {
    let flash = Flash::new();
    let mut desk = Desk::new(settings(), &flash, Origin::Image);
    let rig = &mut desk.rig;
    rig.add(Station::router());
    let client = rig.add(Dialer::near(50, &CP_WIN, "jiro", "pass"));
    rig.host::<Dialer>(client).tell(Input::Dial);
    let is_up = |rig: &mut Rig| rig.host::<Dialer>(client).address().is_some();
    assert!(rig.run_until(20_000, is_up));
    assert!(desk.ask("user del jiro").contains("ok"));
    let is_down = |rig: &mut Rig| rig.host::<Dialer>(client).address().is_none();
    assert!(desk.rig.run_until(2_000, is_down));
    assert!(desk.ask("status").contains("sessions 0"));
}

#[test]
fn the_board_moves_to_another_address_at_once() {
    let mut desk = Desk::new(settings(), &Flash::new(), Origin::Image);
    let router = desk.rig.add(Station::router());
    let pings = |desk: &mut Desk, to: [u8; 4], sequence| {
        let to = to.into();
        desk.rig.host::<Station>(router).ping(to, sequence);
        desk.rig.run_until(100, |rig| rig.host::<Station>(router).has_pong(to, sequence))
    };
    assert!(pings(&mut desk, [192, 0, 2, 1], 1));
    assert!(desk.ask("set address 192.0.2.9/24").contains("ok"));
    assert!(pings(&mut desk, [192, 0, 2, 9], 2));
    assert!(!pings(&mut desk, [192, 0, 2, 1], 3));
    assert!(desk.ask("set mac 02:00:00:00:00:77").contains("ok"));
    desk.rig.host::<Station>(router).neighbours.clear();
    assert!(pings(&mut desk, [192, 0, 2, 9], 4));
    let neighbours = &desk.rig.host::<Station>(router).neighbours;
    assert_eq!(neighbours.last().unwrap().1, [2, 0, 0, 0, 0, 0x77]);
    assert!(desk.ask("set address dhcp").contains("ok"));
    desk.rig.run_ms(20_000);
    let said = desk.ask("status");
    assert!(said.contains("address 192.0.2.100/24") && said.contains("link up"), "{said}");
    assert!(desk.ask("show").contains("mac 02:00:00:00:00:77"));
}

#[test]
fn a_damaged_record_is_told_and_overwritten() {
    let flash = Flash::new();
    let mut desk = Desk::restart(&flash);
    desk.ask("set psk one");
    drop(desk);
    flash.spoil();
    let mut desk = Desk::restart(&flash);
    assert!(desk.serial.take_said().contains("damaged"));
    assert!(desk.ask("set psk two").contains("ok"));
    drop(desk);
    assert!(Desk::restart(&flash).serial.take_said().contains("from flash"));
}

#[test]
fn a_factory_reset_forgets_and_reboots() {
    let flash = Flash::new();
    let mut desk = Desk::restart(&flash);
    desk.ask("set psk one");
    assert!(desk.ask("factory-reset").contains("factory-reset yes"));
    desk.serial.type_line("factory-reset yes");
    assert!(catch_unwind(AssertUnwindSafe(|| desk.rig.run_ms(1_000))).is_err(), "it reboots");
    assert!(desk.board.rebooted.get());
    drop(desk);
    assert!(Desk::restart(&flash).serial.take_said().contains("of a new board"));
}

#[test]
fn nonsense_is_answered_and_the_board_has_commands_of_its_own() {
    let mut desk = Desk::new(settings(), &Flash::new(), Origin::Image);
    assert!(desk.ask("nonsense").contains("try help"));
    assert!(desk.ask("help").contains("user add NAME PASSWORD"));
    assert!(desk.ask("figures").contains("stack 7"));
    assert!(desk.ask("set address 192.0.2.255/24").contains("refused: not an address"));
}

#[test]
fn the_watchdog_is_fed_while_packets_are_looked_at_and_no_longer() {
    let mut desk = Desk::new(settings(), &Flash::new(), Origin::Image);
    desk.rig.run_ms(5_000);
    assert!(desk.board.fed.get() >= 4, "{}", desk.board.fed.get());
    desk.rig.runs = false;
    desk.rig.run_ms(2_000);
    let fed = desk.board.fed.get();
    desk.rig.run_ms(5_000);
    assert_eq!(desk.board.fed.get(), fed, "nobody feeds for a packet task that hangs");
}
