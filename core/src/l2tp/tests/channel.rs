//! The send window: slow start, congestion avoidance, and what a loss makes of both
//! (RFC 2661 Appendix A).

use std::vec;

use super::super::channel::Channel;
use super::super::reply::Reply;
use super::*;

/// A channel whose queue is always full.
struct Sender {
    channel: Channel,
    now: Instant,
    /// Ns of those that are under way.
    under_way: Vec<u16>,
}

impl Sender {
    fn new(peer_window: u16) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self { channel: Channel::new(peer_window, 0), now, under_way: Vec::new() }
    }

    /// Sends what may leave; how many are under way then.
    fn send(&mut self) -> usize {
        while self.channel.push(Reply::Hello) {}
        while let Some((ns, _)) = self.channel.take_to_send(self.now) {
            self.under_way.push(ns);
        }
        self.under_way.len()
    }

    fn ack_all(&mut self) {
        let last = self.under_way.last().expect("something is under way");
        assert_eq!(self.channel.on_nr(self.now, last.wrapping_add(1)), Ok(true));
        self.under_way.clear();
    }

    fn ack_first(&mut self) {
        let first = self.under_way.remove(0);
        assert_eq!(self.channel.on_nr(self.now, first.wrapping_add(1)), Ok(true));
    }

    /// How many are under way in each of `rounds` round trips.
    fn rounds(&mut self, rounds: usize) -> Vec<usize> {
        let round = |sender: &mut Self| {
            let count = sender.send();
            sender.ack_all();
            count
        };
        (0..rounds).map(|_| round(self)).collect()
    }

    /// What is under way is lost, and the first of it repeated.
    fn lose(&mut self) {
        self.now = self.channel.resend_at().expect("something is under way");
        let (ns, _) = self.channel.take_to_resend(self.now).expect("its time has come");
        assert_eq!(ns, self.under_way[0]);
        self.under_way = vec![ns];
    }
}

#[test]
fn a_window_doubles_up_to_what_the_client_takes() {
    assert_eq!(Sender::new(8).rounds(5), [1, 2, 4, 8, 8]);
    assert_eq!(Sender::new(4).rounds(4), [1, 2, 4, 4]);
    assert_eq!(Sender::new(1).rounds(3), [1, 1, 1]);
    // Nothing at all cannot be meant, and we have no more than eight.
    assert_eq!(Sender::new(0).rounds(2), [1, 1]);
    assert_eq!(Sender::new(u16::MAX).rounds(5), [1, 2, 4, 8, 8]);
}

#[test]
fn after_a_loss_the_window_doubles_to_half_of_what_it_was_and_then_grows_by_one() {
    let mut sender = Sender::new(8);
    assert_eq!(sender.rounds(3), [1, 2, 4]);
    assert_eq!(sender.send(), 8);
    sender.lose();
    sender.ack_all();
    assert_eq!(sender.rounds(6), [2, 4, 5, 6, 7, 8]);
    // The second loss counts like the first.
    assert_eq!(sender.send(), 8);
    sender.lose();
    sender.ack_all();
    assert_eq!(sender.rounds(2), [2, 4]);
    // At five, half is two.
    assert_eq!(sender.send(), 5);
    sender.lose();
    sender.ack_all();
    assert_eq!(sender.rounds(3), [2, 3, 4]);
}

#[test]
fn at_the_threshold_only_a_full_window_opens_one_more_place() {
    let mut sender = Sender::new(8);
    assert_eq!(sender.rounds(3), [1, 2, 4]);
    assert_eq!(sender.send(), 8);
    sender.lose();
    sender.ack_all();
    assert_eq!(sender.rounds(1), [2]);
    for under_way in [4, 4, 4, 4, 5, 5, 5, 5, 5, 6] {
        assert_eq!(sender.send(), under_way);
        sender.ack_first();
    }
}

#[test]
fn two_losses_in_a_row_leave_a_threshold_of_one() {
    let mut sender = Sender::new(8);
    assert_eq!(sender.rounds(3), [1, 2, 4]);
    assert_eq!(sender.send(), 8);
    sender.lose();
    sender.lose();
    sender.ack_all();
    assert_eq!(sender.rounds(4), [2, 3, 4, 5]);
}

/// What follows the messages that have been sent when the last one is pushed.
fn after_the_last(sender: &mut Sender) -> Vec<(u16, bool)> {
    sender.channel.push_last(Reply::StopCcn(ResultCode::CLEAR));
    sender.channel.open_windows();
    let mut rest = Vec::new();
    while let Some((ns, reply)) = sender.channel.take_to_send(sender.now) {
        rest.push((ns, matches!(reply, Reply::StopCcn(_))));
    }
    rest
}

#[test]
fn the_last_message_has_a_place_of_its_own_and_throws_away_what_was_not_sent() {
    let mut channel = Channel::new(8, 0);
    assert_eq!((0..20).take_while(|_| channel.push(Reply::Hello)).count(), 8);
    // All eight are under way, and there is a ninth place for the last.
    let mut full = Sender::new(8);
    assert_eq!(full.rounds(3), [1, 2, 4]);
    assert_eq!(full.send(), 8);
    assert!(!full.channel.push(Reply::Hello), "that place is not for others");
    assert_eq!(after_the_last(&mut full), [(15, true)]);
    // Two are under way, and six that wait are not sent any more.
    let mut slow = Sender::new(2);
    assert_eq!(slow.rounds(1), [1]);
    assert_eq!((slow.send(), slow.channel.room()), (2, 0));
    assert_eq!(after_the_last(&mut slow), [(3, true)]);
}

#[test]
fn after_an_acknowledgement_the_back_off_begins_anew() {
    let mut sender = Sender::new(8);
    sender.send();
    for _ in 0..3 {
        sender.lose();
    }
    sender.ack_all();
    sender.send();
    sender.lose();
    assert_eq!(sender.channel.resend_at(), Some(sender.now + Duration::from_secs(2)));
}

#[test]
fn what_is_still_under_way_after_an_acknowledgement_is_repeated_a_second_later() {
    let mut sender = Sender::new(8);
    sender.rounds(1);
    assert_eq!(sender.send(), 2);
    sender.now += Duration::from_millis(400);
    sender.ack_first();
    assert_eq!(sender.channel.resend_at(), Some(sender.now + Duration::from_secs(1)));
    sender.ack_all();
    assert_eq!(sender.channel.resend_at(), None);
}
