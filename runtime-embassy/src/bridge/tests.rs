use super::*;
use crate::pool::Buffers;
use kumihimo_core::buf::{Frame, Pool as _};
use std::boxed::Box;
use std::vec::Vec;

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT: [u8; 6] = [0x4a, 1, 2, 3, 4, 5];
const HOST: [u8; 6] = [0x52, 0x54, 0, 0, 0, 9];
const ALL: [u8; 6] = [0xff; 6];
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 1];

fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    [&to[..], &from, &[0x88, 0xb5], &[7; 46]].concat()
}

fn lan(buffers: usize) -> Lan<crate::BufferPool> {
    let mut pool = Box::leak(Box::new(Buffers::<24>::new())).pool();
    // Whoever keeps the others never gives them back.
    core::iter::from_fn(|| pool.take()).take(24 - buffers).for_each(core::mem::forget);
    Lan::new(pool, OWN)
}

/// Who gets a frame: hub, stack, wire.
type Reached = (bool, bool, bool);

fn wire(to: [u8; 6], from: [u8; 6]) -> Reached {
    let mut lan = lan(8);
    let stack = lan.handle_wire(&frame(to, from));
    (lan.next_for_hub().is_some(), stack, !lan.to_wire.is_empty())
}

fn hub(to: [u8; 6], from: [u8; 6]) -> Reached {
    let mut lan = lan(8);
    let frame = Frame::copy_of(&mut lan.pool, &frame(to, from)).unwrap();
    lan.handle_hub(frame);
    (lan.next_for_hub().is_some(), !lan.to_stack.is_empty(), !lan.to_wire.is_empty())
}

#[test]
fn frames_from_the_wire_are_told_apart() {
    assert_eq!(wire(OWN, HOST), (false, true, false));
    assert_eq!(wire(ALL, HOST), (true, true, false));
    assert_eq!(wire(GROUP, HOST), (true, true, false));
    assert_eq!(wire(CLIENT, HOST), (true, false, false));
    assert_eq!(wire(ALL, OWN), (false, false, false), "our own, come back");
    assert_eq!(wire(OWN, GROUP), (false, false, false), "nobody is a group");
}

#[test]
fn frames_from_the_hub_are_told_apart() {
    assert_eq!(hub(OWN, CLIENT), (false, true, false));
    assert_eq!(hub(ALL, CLIENT), (false, true, true));
    assert_eq!(hub(HOST, CLIENT), (false, false, true));
}

#[test]
fn the_stack_reaches_clients_that_were_heard_and_groups() {
    let mut lan = lan(8);
    let mut reaches = |to| {
        lan.handle_stack(&frame(to, OWN));
        lan.next_for_hub().is_some()
    };
    assert!(!reaches(CLIENT), "not heard of yet");
    assert!(reaches(ALL));
    let mut lan = self::lan(8);
    let heard = Frame::copy_of(&mut lan.pool, &frame(ALL, CLIENT)).unwrap();
    lan.handle_hub(heard);
    lan.handle_stack(&frame(CLIENT, OWN));
    assert!(lan.next_for_hub().is_some());
    lan.handle_stack(&frame(HOST, OWN));
    assert!(lan.next_for_hub().is_none());
}

#[test]
fn what_is_no_frame_is_counted() {
    let mut lan = lan(8);
    for len in [0, 6, 12, 13] {
        assert!(!lan.handle_wire(&frame(OWN, HOST)[..len]));
    }
    assert!(!lan.handle_wire(&[frame(OWN, HOST), std::vec![0; 1_500]].concat()));
    assert_eq!(lan.traffic.bad_frames, 5);
}

#[test]
fn a_full_bridge_drops_counts_and_lets_the_device_wait() {
    let mut lan = lan(20);
    for _ in 0..12 {
        lan.handle_wire(&frame(CLIENT, HOST));
    }
    assert_eq!(lan.traffic.queue_full, 4);
    assert!(!lan.admits());
    assert!(!lan.end_turn(true), "no room yet");
    lan.next_for_hub().unwrap();
    assert!(lan.end_turn(true), "what waits in the device may come");
    assert!(!lan.end_turn(true), "said once");
    assert!(lan.admits());
}

#[test]
fn without_packet_buffers_frames_are_lost_and_counted() {
    let mut lan = lan(1);
    assert!(lan.handle_wire(&frame(ALL, HOST)), "the stack needs none");
    assert!(lan.handle_wire(&frame(ALL, HOST)));
    assert_eq!(lan.traffic.no_buffer, 1);
    assert!(lan.next_for_hub().is_some() && lan.next_for_hub().is_none());
}
