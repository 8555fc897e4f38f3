//! A loop that stands still, in each phase of its turn, and what it tells of that.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::buf::Frame;

use super::*;
use crate::io::{Cause, Loss};
use crate::pause::Pause;
use crate::pool::{Buffer, BufferPool};

/// A clock that moves only where something stands still, machine, world and desk in one.
#[derive(Clone, Default)]
struct Still(Rc<Shared>);

#[derive(Default)]
struct Shared {
    now: Cell<u64>,
    /// Where it stands still the next time it gets there, and for how many milliseconds.
    stands: RefCell<Vec<(Phase, u64)>>,
    overslept: Cell<u64>,
    mail: Cell<bool>,
    outputs: Cell<u32>,
    lost: Cell<u64>,
    asked: Cell<u32>,
    told: RefCell<Vec<Told>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Told {
    Pause(Pause, Cause),
    Longest(Pause),
    Loss(Loss),
}

impl Still {
    fn stand(&self, phase: Phase) {
        self.0.stands.borrow_mut().retain(|&(at, millis)| {
            if at == phase {
                self.0.now.set(self.0.now.get() + millis * 1_000);
            }
            at != phase
        });
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.0.now.get())
    }

    fn told(&self) -> Vec<Told> {
        self.0.told.take()
    }
}

impl Io for Still {
    type Pool = BufferPool;
    type Change = ();

    fn now(&mut self) -> Instant {
        Self::now(self)
    }

    fn recv_batch(&mut self, pool: &mut BufferPool, _: usize, inputs: &mut Vec<Input<Buffer>>) {
        self.stand(Phase::Receiving);
        let payload = Frame::copy_of(pool, b"ping").unwrap();
        inputs.push(Input::Datagram { path: path(), payload });
    }

    fn send_batch(&mut self, outgoing: &mut Vec<Outgoing<Buffer>>) {
        self.stand(Phase::Sending);
        outgoing.clear();
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        let due = deadline.unwrap_or_default().max(Self::now(self));
        self.0.now.set(self.0.now.get().max(due.as_micros()));
        self.stand(Phase::Waiting);
        self.0.overslept.set(Self::now(self).since(due).as_micros());
    }

    fn overslept(&self) -> Duration {
        Duration::from_micros(self.0.overslept.get())
    }

    fn adopt(&mut self, (): ()) {}

    fn unsent(&self) -> u64 {
        0
    }

    fn losses(&mut self, tell: &mut dyn FnMut(Loss)) {
        tell(lost(self.0.lost.get()));
    }

    fn cause(&mut self) -> Cause {
        self.0.asked.set(self.0.asked.get() + 1);
        Cause { major_faults: 7, ..Cause::default() }
    }
}

impl Machine<BufferPool> for Still {
    type Settings = ();

    fn handle(&mut self, _: Instant, _: &mut BufferPool, input: Input<Buffer>) {
        self.stand(match input {
            Input::Timer => Phase::Timer,
            Input::Command(_) => Phase::Mail,
            _ => Phase::Handling,
        });
    }

    fn poll(&mut self, now: Instant, pool: &mut BufferPool) -> Output<Buffer> {
        self.stand(Phase::Polling);
        if self.0.outputs.get() == 0 {
            return Output::Wait(Some(now + Duration::from_millis(1)));
        }
        self.0.outputs.set(self.0.outputs.get() - 1);
        Output::Transmit { path: path(), payload: Frame::copy_of(pool, b"pong").unwrap() }
    }

    fn take_request(&mut self, _: RequestId) -> Option<Request> {
        None
    }

    fn handle_answer(&mut self, _: Instant, _: &mut BufferPool, _: RequestId, _: &Answer) {}

    fn configure(&mut self, _: Instant, _: &mut BufferPool, (): ()) -> Result<(), ConfigError> {
        Ok(())
    }

    fn drops(&self) -> &DropCounters {
        const { &DropCounters::new() }
    }
}

impl Desk for Still {
    type Settings = ();
    type Change = ();

    fn next_mail(&mut self) -> Option<Mail<(), ()>> {
        self.0.mail.take().then_some(Mail::Command(Command::Rekey))
    }

    fn ask(&mut self, _: RequestId, _: Request) {}

    fn record(&mut self, _: kumihimo_core::event::Event) {}

    fn record_drops(&mut self, _: &DropCounters, _: u64) {
        self.stand(Phase::Reporting);
    }

    fn record_loss(&mut self, loss: Loss) {
        self.0.told.borrow_mut().push(Told::Loss(loss));
    }

    fn record_pause(&mut self, pause: Pause, cause: Cause) {
        self.0.told.borrow_mut().push(Told::Pause(pause, cause));
    }

    fn record_longest(&mut self, pause: Pause) {
        self.0.told.borrow_mut().push(Told::Longest(pause));
    }

    fn configured(&mut self, _: Result<(), ConfigError>) {}
}

fn path() -> Path {
    let address = "192.0.2.1:500".parse().unwrap();
    Path { local: address, remote: address, outer: Outer::Udp }
}

fn lost(count: u64) -> Loss {
    Loss::Socket { outer: Outer::Udp, address: path().local, count }
}

fn pause(millis: u64, phase: Phase, in_phase: u64) -> Pause {
    let (length, in_phase) = (Duration::from_millis(millis), Duration::from_millis(in_phase));
    Pause { length, phase, in_phase }
}

fn engine() -> (Engine<Still, Still, Still>, Still) {
    let still = Still::default();
    let (machine, io, desk) = (still.clone(), still.clone(), still.clone());
    (Engine::new(machine, BufferPool::new(500), io, desk, 4), still)
}

/// One turn in which it stands still so.
fn turn(stands: &[(Phase, u64)]) -> (Vec<Told>, Still) {
    let (mut engine, still) = engine();
    engine.turn();
    assert_eq!(still.told(), []);
    still.0.mail.set(true);
    still.0.lost.set(3);
    still.0.stands.borrow_mut().extend(stands);
    engine.turn();
    (still.told(), still)
}

#[test]
fn a_pause_is_told_with_its_length_and_phase_whatever_the_loop_did() {
    use Phase::*;
    for phase in [Waiting, Timer, Mail, Receiving, Handling, Polling, Sending] {
        let (told, still) = turn(&[(phase, 300)]);
        let cause = Cause { major_faults: 7, ..Cause::default() };
        let expected = [Told::Pause(pause(300, phase, 300), cause), Told::Loss(lost(3))];
        assert_eq!(told, expected);
        assert_eq!(still.0.asked.get(), 1);
    }
}

#[test]
fn short_times_make_a_pause_together_and_the_longest_of_them_names_it() {
    let (told, _) = turn(&[(Phase::Waiting, 30), (Phase::Handling, 45), (Phase::Sending, 44)]);
    let [Told::Pause(one, _), _] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*one, pause(119, Phase::Handling, 45));
}

#[test]
fn what_is_shorter_than_a_tenth_of_a_second_is_not_told_and_asks_nobody() {
    let (told, still) = turn(&[(Phase::Handling, 99)]);
    assert_eq!((told, still.0.asked.get()), (vec![], 0));
    let (told, _) = turn(&[(Phase::Handling, 100)]);
    assert_eq!(told.len(), 2);
}

#[test]
fn sending_what_a_full_queue_holds_is_no_polling() {
    let (mut engine, still) = engine();
    still.0.outputs.set(OUTGOING as u32 + 1);
    still.0.stands.borrow_mut().push((Phase::Sending, 300));
    engine.turn();
    let told = still.told();
    assert!(matches!(told[0], Told::Pause(Pause { phase: Phase::Sending, .. }, _)), "{told:?}");
}

#[test]
fn every_long_pause_is_told_and_the_longest_each_minute_and_at_the_end() {
    let (mut engine, still) = engine();
    let mut longest = Vec::new();
    let mut pauses = Vec::new();
    for millis in [150, 400, 200, 20] {
        still.0.stands.borrow_mut().push((Phase::Polling, millis));
        engine.turn();
        pauses.extend(still.told().into_iter().filter_map(|told| match told {
            Told::Pause(pause, _) => Some(pause.length.as_millis()),
            _ => None,
        }));
    }
    assert_eq!(pauses, [150, 400, 200]);
    still.0.now.set(still.0.now.get() + 60_000_000);
    engine.turn();
    longest.extend(still.told());
    engine.stop_at = Some(still.now());
    assert!(!engine.turn());
    longest.extend(still.told());
    longest.retain(|told| matches!(told, Told::Longest(_)));
    // What the clock jumped here was a wait that nobody knows to have been too long.
    let expected = Told::Longest(pause(400, Phase::Polling, 400));
    assert_eq!(longest, [expected.clone(), expected]);
}

#[test]
fn a_report_that_takes_long_is_told_too() {
    let (mut engine, still) = engine();
    engine.report_at = still.now();
    still.0.stands.borrow_mut().push((Phase::Reporting, 250));
    engine.turn();
    let told = still.told();
    let pauses = told.iter().filter(|told| matches!(told, Told::Pause(..))).collect::<Vec<_>>();
    assert_eq!(pauses.len(), 1, "{told:?}");
    let Told::Pause(one, _) = pauses[0] else { unreachable!() };
    assert_eq!(*one, pause(250, Phase::Reporting, 250));
}
