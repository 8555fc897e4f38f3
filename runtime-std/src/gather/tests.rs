//! Frames are gathered, cut again by a model of the kernel, and compared.

use super::*;

/// A frame of TCP (`flags`) or UDP (`None`) with numbers for both layers.
pub(crate) fn frame(flags: Option<u8>, id: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut l4 = vec![4, 210, 0, 80];
    match flags {
        Some(flags) => {
            l4.extend(sequence.to_be_bytes());
            l4.extend([0, 0, 0, 9, 0x80, flags, 1, 0, 0, 0, 0, 0]);
            l4.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        }
        None => l4.extend([&((8 + payload.len()) as u16).to_be_bytes()[..], &[0, 0]].concat()),
    }
    l4.extend(payload);
    let protocol = if flags.is_some() { TCP } else { UDP };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(((20 + l4.len()) as u16).to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend([0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(l4);
    sum(&mut frame);
    frame
}

fn sum(frame: &mut [u8]) {
    let at = L4_AT + if frame[IP_AT + 9] == TCP { 16 } else { 6 };
    set_half(frame, IP_AT + 10, 0);
    set_half(frame, at, 0);
    let ip = Sum::new().with(&frame[IP_AT..L4_AT]).finish();
    set_half(frame, IP_AT + 10, ip);
    let l4 = pseudo_of(&frame[IP_AT..L4_AT], frame.len() - L4_AT).with(&frame[L4_AT..]).finish();
    set_half(frame, at, l4);
}

/// What the kernel makes of a long frame.
fn cut(head: &[u8], payload: &[u8]) -> Vec<Vec<u8>> {
    let field = |at: usize| usize::from(u16::from_ne_bytes([head[at], head[at + 1]]));
    assert_eq!((head[0], field(6)), (NEEDS_CSUM, L4_AT));
    let (kind, head_len, segment) = (head[1], field(2), field(4));
    let head = &head[MARK_LEN..];
    assert_eq!(head.len(), head_len);
    assert_eq!(usize::from(half(head, IP_AT + 2)), head.len() - IP_AT + payload.len());
    assert_eq!(Sum::new().with(&head[IP_AT..L4_AT]).finish(), 0, "the long header is right");
    let long = [head, payload].concat();
    // A checksum begun with the pseudo header is completed over the whole.
    let mut whole = long.clone();
    let at = L4_AT + field_of(kind);
    let completed = Sum::new().with(&long[L4_AT..]).finish();
    set_half(&mut whole, at, completed);
    assert_eq!(
        pseudo_of(&whole[IP_AT..L4_AT], whole.len() - L4_AT).with(&whole[L4_AT..]).finish(),
        0
    );
    let count = payload.len().div_ceil(segment);
    let pieces = payload.chunks(segment).enumerate().map(|(number, piece)| {
        let mut frame = [head, piece].concat();
        let len = (frame.len() - IP_AT) as u16;
        set_half(&mut frame, IP_AT + 2, len);
        let id = half(head, IP_AT + 4).wrapping_add(number as u16);
        set_half(&mut frame, IP_AT + 4, id);
        if kind == GSO_TCPV4 {
            let first = u32::from_be_bytes(head[L4_AT + 4..L4_AT + 8].try_into().unwrap());
            let sequence = first.wrapping_add((number * segment) as u32);
            frame[L4_AT + 4..L4_AT + 8].copy_from_slice(&sequence.to_be_bytes());
            if number + 1 < count {
                frame[L4_AT + TCP_FLAGS] &= !PUSH;
            }
        } else {
            set_half(&mut frame, L4_AT + 4, len - 20);
        }
        sum(&mut frame);
        frame
    });
    pieces.collect()
}

fn field_of(kind: u8) -> usize {
    if kind == GSO_TCPV4 { 16 } else { 6 }
}

/// The frame without its identification, which means nothing where fragments are forbidden.
fn atomic(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if frame[IP_AT + 6] & 0x40 != 0 {
        set_half(&mut frame, IP_AT + 4, 0);
        sum(&mut frame);
    }
    frame
}

/// Gathers, cuts and compares; returns how many went together.
fn check(frames: &[Vec<u8>]) -> usize {
    let gathered = gather(frames.iter().map(Vec::as_slice), true);
    if gathered.count > 1 {
        let together = &frames[..gathered.count];
        let payload: Vec<u8> =
            together.iter().flat_map(|frame| frame[gathered.payload_at..].to_vec()).collect();
        let cut = cut(gathered.head(), &payload);
        assert!(cut.iter().map(|it| atomic(it)).eq(together.iter().map(|it| atomic(it))));
    }
    gathered.count
}

fn run_of(flags: Option<u8>, lens: &[usize]) -> Vec<Vec<u8>> {
    let mut sequence = u32::MAX - 1_500;
    let frames = lens.iter().zip(0_u16..).map(|(&len, number)| {
        let payload: Vec<u8> = (0..len).map(|octet| (octet + len) as u8).collect();
        let frame = frame(flags, number.wrapping_sub(3), sequence, &payload);
        sequence = sequence.wrapping_add(len as u32);
        frame
    });
    frames.collect()
}

#[test]
fn segments_of_a_flow_go_as_one_and_come_out_as_they_were() {
    for flags in [Some(ACK), None] {
        assert_eq!(check(&run_of(flags, &[1_000; 5])), 5);
        assert_eq!(check(&run_of(flags, &[1_000, 1_000, 7, 1_000])), 3);
        assert_eq!(check(&run_of(flags, &[1_000, 1_001, 1_000])), 1);
        assert_eq!(check(&run_of(flags, &[1_400; 64])), 46, "a length of IPv4 is the limit");
        assert_eq!(check(&run_of(flags, &[9; 3][..1])), 1);
    }
    let mut frames = run_of(Some(ACK), &[100; 4]);
    frames[2][L4_AT + TCP_FLAGS] |= PUSH;
    sum(&mut frames[2]);
    assert_eq!(check(&frames), 3, "a push ends a group");
    assert_eq!(gather(run_of(None, &[8, 8]).iter().map(Vec::as_slice), false).count, 1);
    assert_eq!(gather([].into_iter(), true).count, 0);
}

/// Every changed octet of the second frame keeps it apart, or is one that comes out again.
#[test]
fn whatever_differs_stays_apart() {
    for flags in [Some(ACK), None] {
        let frames = run_of(flags, &[64, 64]);
        for at in 0..frames[1].len() {
            let mut broken = frames.clone();
            broken[1][at] ^= 0x04;
            assert_eq!(check(&broken), 1, "octet {at} changed, checksums not");
            sum(&mut broken[1]);
            let count = check(&broken);
            let in_payload = at >= frames[1].len() - 64;
            let is_number = (IP_AT + 4..IP_AT + 6).contains(&at);
            let is_sum = [IP_AT + 10, IP_AT + 11].contains(&at)
                || (L4_AT + 6..L4_AT + 8).contains(&at) && flags.is_none()
                || (L4_AT + 16..L4_AT + 18).contains(&at) && flags.is_some();
            assert_eq!(count == 2, in_payload || is_sum || is_number, "octet {at}");
        }
    }
}

#[test]
fn where_fragments_are_allowed_numbers_must_follow() {
    for (flags, step, expected) in
        [(None, 1, 2), (None, 2, 1), (Some(ACK), 0, 1), (Some(ACK), 1, 2)]
    {
        let mut frames = run_of(flags, &[64, 64]);
        for (number, frame) in (0..).zip(&mut frames) {
            frame[IP_AT + 6] = 0;
            set_half(frame, IP_AT + 4, 7 + number * step);
            sum(frame);
        }
        assert_eq!(check(&frames), expected);
    }
}

#[test]
fn odd_frames_go_alone() {
    let whole = run_of(Some(ACK), &[64, 64]);
    for len in 0..whole[0].len() {
        assert_eq!(gather([&whole[0][..len], &whole[1]].into_iter(), true).count, 1);
    }
    let padded: Vec<_> = whole.iter().map(|frame| [frame, &[0, 0][..]].concat()).collect();
    assert_eq!(check(&padded), 1, "Ethernet padding");
    assert_eq!(check(&run_of(Some(ACK), &[0, 0])), 1, "acknowledgements");
    assert_eq!(check(&run_of(Some(ACK | 2), &[64, 64])), 1, "SYN");
    assert_eq!(check(&run_of(Some(0x40 | ACK), &[64, 64])), 1, "ECE");
}
