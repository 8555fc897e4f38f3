//! The drive contract, with a machine and a world made for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use kumihimo_core::addr::{Outer, Path};
use kumihimo_core::buf::Frame;
use kumihimo_core::crypto::dh::{DhJob, DhResult};
use kumihimo_core::crypto::{Group, Secret};
use kumihimo_core::event::{DownCause, Event, name_of};
use kumihimo_core::server::BridgeId;
use kumihimo_core::store::Key;

use super::*;
use crate::pool::{Buffer, BufferPool};

/// What happened, in order.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Waited(Option<u64>),
    Handled(&'static str),
    PolledDry,
    Sent(usize),
    Asked,
    Recorded,
    Adopted,
    Configured(bool),
}

type Steps = Rc<RefCell<Vec<Step>>>;

/// Echoes each datagram, and does what the test put into `outputs`.
struct Echo {
    steps: Steps,
    outputs: VecDeque<Output<Buffer>>,
    deadline: Option<Instant>,
    /// After what a timer wants to be called again.
    period: Option<Duration>,
    drops: DropCounters,
}

impl Machine<BufferPool> for Echo {
    type Settings = bool;

    fn handle(&mut self, now: Instant, _: &mut BufferPool, input: Input<Buffer>) {
        let name = match input {
            Input::Datagram { path, payload } => {
                self.outputs.push_back(Output::Transmit { path, payload });
                "datagram"
            }
            Input::Timer => {
                self.deadline = self.period.map(|period| now + period);
                "timer"
            }
            Input::Command(_) => "command",
            Input::Frame { .. } => "frame",
            Input::PathMtu { .. } => "path-mtu",
        };
        self.steps.borrow_mut().push(Step::Handled(name));
    }

    fn poll(&mut self, _: Instant, _: &mut BufferPool) -> Output<Buffer> {
        self.outputs.pop_front().unwrap_or_else(|| {
            self.steps.borrow_mut().push(Step::PolledDry);
            Output::Wait(self.deadline)
        })
    }

    fn take_request(&mut self, _: RequestId) -> Option<Request> {
        Some(Request::Dh(DhJob {
            group: Group::Modp1024,
            private: Secret::EMPTY,
            peer_public: None,
            wants_public: true,
        }))
    }

    fn handle_answer(&mut self, _: Instant, _: &mut BufferPool, _: RequestId, _: &Answer) {
        self.steps.borrow_mut().push(Step::Handled("answer"));
    }

    fn configure(&mut self, _: Instant, _: &mut BufferPool, good: bool) -> Result<(), ConfigError> {
        if good { Ok(()) } else { Err(ConfigError::BadName) }
    }

    fn drops(&self) -> &DropCounters {
        &self.drops
    }
}

/// Time that passes while waiting, and datagrams that are there from the start.
struct World {
    steps: Steps,
    now: u64,
    arriving: usize,
}

impl Io for World {
    type Pool = BufferPool;
    type Change = ();

    fn now(&mut self) -> Instant {
        Instant::from_micros(self.now)
    }

    fn recv_batch(&mut self, pool: &mut BufferPool, most: usize, inputs: &mut Vec<Input<Buffer>>) {
        for _ in 0..most.min(self.arriving) {
            let Ok(payload) = Frame::copy_of(pool, b"ping") else { break };
            self.arriving -= 1;
            inputs.push(Input::Datagram { path: path(), payload });
        }
    }

    fn send_batch(&mut self, outgoing: &mut Vec<Outgoing<Buffer>>) {
        if !outgoing.is_empty() {
            self.steps.borrow_mut().push(Step::Sent(outgoing.len()));
        }
        outgoing.clear();
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        self.steps.borrow_mut().push(Step::Waited(deadline.map(Instant::as_micros)));
        match deadline {
            Some(at) if self.arriving == 0 => self.now = self.now.max(at.as_micros()),
            _ => self.now += 1,
        }
    }

    fn adopt(&mut self, (): ()) {
        self.steps.borrow_mut().push(Step::Adopted);
    }

    fn unsent(&self) -> u64 {
        0
    }
}

struct Office {
    steps: Steps,
    mail: VecDeque<Mail<bool, ()>>,
}

impl Desk for Office {
    type Settings = bool;
    type Change = ();

    fn next_mail(&mut self) -> Option<Mail<bool, ()>> {
        self.mail.pop_front()
    }

    fn ask(&mut self, _: RequestId, _: Request) {
        self.steps.borrow_mut().push(Step::Asked);
    }

    fn record(&mut self, _: Event) {
        self.steps.borrow_mut().push(Step::Recorded);
    }

    fn record_drops(&mut self, _: &DropCounters, _: u64) {}

    fn configured(&mut self, result: Result<(), ConfigError>) {
        self.steps.borrow_mut().push(Step::Configured(result.is_ok()));
    }
}

fn path() -> Path {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Path { local: address("192.0.2.1:500"), remote: address("192.0.2.2:500"), outer: Outer::Udp }
}

fn engine(batch: usize) -> (Engine<World, Echo, Office>, Steps) {
    let steps = Steps::default();
    let drops = DropCounters::default();
    let outputs = VecDeque::new();
    let machine = Echo { steps: Rc::clone(&steps), outputs, deadline: None, period: None, drops };
    let io = World { steps: Rc::clone(&steps), now: 1_000, arriving: 0 };
    let office = Office { steps: Rc::clone(&steps), mail: VecDeque::new() };
    let mut engine = Engine::new(machine, BufferPool::new(1_000), io, office, batch);
    // The first turn only learns the core's deadline.
    assert!(engine.turn());
    steps.borrow_mut().clear();
    (engine, steps)
}

#[test]
fn a_new_engine_asks_the_core_for_its_deadline_at_once() {
    let (mut engine, steps) = engine(4);
    engine.turn();
    assert_eq!(*steps.borrow(), [Step::Waited(None), Step::PolledDry]);
}

#[test]
fn no_more_inputs_than_a_batch_are_handled_before_the_core_is_polled() {
    let (mut engine, steps) = engine(4);
    engine.io.arriving = 10;
    engine.desk.mail.push_back(Mail::Command(Command::Rekey));
    while engine.io.arriving > 0 {
        engine.turn();
    }
    let steps = steps.borrow();
    let turns = steps.split(|step| *step == Step::PolledDry);
    let handled = turns.map(|turn| turn.iter().filter(|s| matches!(s, Step::Handled(_))).count());
    assert_eq!(handled.collect::<Vec<_>>(), [4, 4, 3, 0]);
    let sent = steps.iter().map(|step| if let Step::Sent(count) = step { *count } else { 0 });
    assert_eq!(sent.sum::<usize>(), 10);
}

#[test]
fn mail_cannot_starve_packets() {
    let (mut engine, steps) = engine(4);
    engine.io.arriving = 1;
    engine.desk.mail.extend((0..100).map(|_| Mail::Command(Command::Rekey)));
    engine.turn();
    assert!(steps.borrow().contains(&Step::Handled("datagram")));
}

#[test]
fn the_timer_is_delivered_at_its_deadline_and_once() {
    let (mut engine, steps) = engine(4);
    engine.machine.deadline = Some(Instant::from_micros(5_000));
    engine.turn();
    engine.turn();
    engine.turn();
    assert_eq!(
        *steps.borrow(),
        [
            Step::Waited(None),
            Step::PolledDry,
            Step::Waited(Some(5_000)),
            Step::Handled("timer"),
            Step::PolledDry,
            Step::Waited(None),
            Step::PolledDry,
        ]
    );
}

#[test]
fn outputs_leave_in_their_order_and_no_queue_grows() {
    let (mut engine, steps) = engine(64);
    let capacity = engine.outgoing.capacity();
    let bridge = BridgeId { hub: 0, bridge: 0 };
    for index in 0..300 {
        let payload = Frame::copy_of(&mut engine.pool, b"x").unwrap();
        engine.machine.outputs.push_back(if index % 2 == 0 {
            Output::Transmit { path: path(), payload }
        } else {
            Output::Frame { bridge, frame: payload }
        });
    }
    engine.turn();
    let sent: Vec<_> =
        steps.borrow().iter().filter(|s| matches!(s, Step::Sent(_))).cloned().collect();
    assert_eq!(sent, [Step::Sent(128), Step::Sent(128), Step::Sent(44)]);
    assert_eq!(engine.outgoing.capacity(), capacity);
    assert_eq!(engine.pool.free(), engine.pool.total());
}

#[test]
fn questions_and_facts_reach_the_desk_and_answers_come_back() {
    let (mut engine, steps) = engine(4);
    let key = Key { index: 0, generation: 1 };
    engine.machine.outputs.push_back(Output::Request(key.into()));
    let remote = path().remote;
    let down = Event::SessionDown {
        session: key.into(),
        remote,
        user: name_of(b"jiro"),
        cause: DownCause::Silence,
    };
    engine.machine.outputs.push_back(Output::Event(down));
    engine.desk.mail.push_back(Mail::Answer(key.into(), Answer::Dh(DhResult::BadPublic)));
    engine.desk.mail.push_back(Mail::PathMtu(path(), 1_400));
    engine.turn();
    assert_eq!(
        steps.borrow()[1..],
        [
            Step::Handled("answer"),
            Step::Handled("path-mtu"),
            Step::Asked,
            Step::Recorded,
            Step::PolledDry,
        ]
    );
}

#[test]
fn a_refused_configuration_changes_nothing_outside() {
    let (mut engine, steps) = engine(4);
    engine.desk.mail.push_back(Mail::Configure(false, ()));
    engine.desk.mail.push_back(Mail::Configure(true, ()));
    engine.turn();
    assert_eq!(
        steps.borrow()[1..],
        [Step::Configured(false), Step::Adopted, Step::Configured(true), Step::PolledDry]
    );
}

#[test]
fn a_stop_ends_when_everyone_is_gone() {
    let (mut engine, steps) = engine(4);
    engine.desk.mail.push_back(Mail::Stop);
    assert!(!engine.turn());
    assert!(steps.borrow().contains(&Step::Handled("command")));
}

#[test]
fn a_stop_ends_after_a_second_although_peers_do_not_answer() {
    let (mut engine, _) = engine(4);
    engine.desk.mail.push_back(Mail::Stop);
    let start = engine.io.now;
    engine.machine.period = Some(Duration::from_millis(100));
    engine.machine.deadline = Some(Instant::from_micros(start));
    for _ in 0..100 {
        if !engine.turn() {
            let took = engine.io.now - start;
            assert!((1_000_000..1_200_000).contains(&took), "{took}");
            return;
        }
    }
    panic!("it still runs");
}
