//! Frames of one flow, gathered so that the kernel takes them as one.
//!
//! A write to a TAP device carries its frame through the whole network stack before it returns,
//! which costs more than decrypting it. Consecutive TCP segments, or UDP datagrams, of one flow
//! are therefore written as one long frame with a `virtio_net_hdr` in front that says where to
//! cut it (`VIRTIO_NET_HDR_GSO_*`, virtio 1.2 §5.1.6); the kernel cuts it when it leaves, or
//! never if it stays on this machine. What comes out are the same frames; only where fragments
//! are forbidden are they numbered anew, which means nothing there (RFC 6864 §4.1).
//!
//! The rules are those of the kernel's own GRO: IPv4 without options and fragments, headers that
//! differ in nothing but lengths and numbers, all payloads of one length but a shorter last one.
//! Checksums are verified first, since those of a long frame are computed anew: what came in
//! broken must go out broken.

use kumihimo_core::wire::checksum::{Sum, pseudo_header};

/// Octets of a `virtio_net_hdr`.
pub const MARK_LEN: usize = 10;
/// The header in front of a frame that is not to be cut.
pub const PLAIN: [u8; MARK_LEN] = [0; MARK_LEN];
/// Most frames of one.
pub const MOST: usize = 64;

/// The first frames of several that go as one.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// How many; 1 for a frame that goes alone.
    pub count: usize,
    /// Mark and headers of all; empty for a frame alone.
    head: Head,
    /// Where the payload begins in each.
    pub payload_at: usize,
}

/// Octets of a mark and headers.
#[derive(Clone, Debug)]
struct Head {
    octets: [u8; MARK_LEN + HEAD_MAX],
    len: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self { octets: [0; MARK_LEN + HEAD_MAX], len: 0 }
    }
}

impl Head {
    fn put(&mut self, octets: &[u8]) {
        self.octets[self.len..self.len + octets.len()].copy_from_slice(octets);
        self.len += octets.len();
    }

    fn frame_mut(&mut self) -> &mut [u8] {
        &mut self.octets[MARK_LEN..self.len]
    }
}

impl Gathered {
    /// What stands before the payloads: mark, then the headers of the first frame, edited.
    pub fn head(&self) -> &[u8] {
        &self.head.octets[..self.head.len]
    }
}

/// Looks how many of `frames`, from the first one on, can go as one; UDP only if `udp`.
pub fn gather<'f>(frames: impl Iterator<Item = &'f [u8]>, udp: bool) -> Gathered {
    let mut frames = frames.take(MOST);
    let alone = Gathered { count: 1, head: Head::default(), payload_at: 0 };
    let Some(bytes) = frames.next() else { return Gathered { count: 0, ..alone } };
    let Some(first) = Segment::parse(bytes, udp) else { return alone };
    let mut group = Group { first, last: first, count: 1, octets: first.payload().len() };
    for bytes in frames {
        match Segment::parse(bytes, udp) {
            Some(next) if group.takes(&next) => {
                group.count += 1;
                group.octets += next.payload().len();
                group.last = next;
            }
            _ => break,
        }
    }
    if group.count == 1 {
        return alone;
    }
    Gathered { count: group.count, head: group.head(), payload_at: first.payload_at }
}

/// A frame whose headers and checksums are as they must be.
#[derive(Clone, Copy)]
struct Segment<'f> {
    frame: &'f [u8],
    payload_at: usize,
}

impl<'f> Segment<'f> {
    fn parse(frame: &'f [u8], udp: bool) -> Option<Self> {
        let [b0, b1, ..] = *frame.get(12..)? else { return None };
        let ip = frame.get(IP_AT..L4_AT)?;
        let is_plain = [b0, b1, ip[0]] == [8, 0, 0x45] && half(ip, 6) & 0x3fff == 0;
        let is_whole = usize::from(half(ip, 2)) == frame.len() - IP_AT;
        let payload_at = match ip[9] {
            TCP if frame.get(L4_AT + TCP_FLAGS)? & !PUSH == ACK => {
                L4_AT + usize::from(frame.get(L4_AT + 12)? >> 4) * 4
            }
            UDP if udp && half(frame.get(L4_AT..)?, 6) != 0 => L4_AT + 8,
            _ => return None,
        };
        let segment = Self { frame, payload_at };
        let fits = payload_at < frame.len()
            && payload_at <= HEAD_MAX
            && (ip[9] == UDP || payload_at >= L4_AT + 20);
        (is_plain && is_whole && fits && segment.is_right()).then_some(segment)
    }

    /// Whether both checksums are right.
    fn is_right(&self) -> bool {
        let (ip, l4) = (&self.frame[IP_AT..L4_AT], &self.frame[L4_AT..]);
        let pseudo = pseudo_of(ip, l4.len());
        let udp_len = if ip[9] == UDP { usize::from(half(l4, 4)) } else { l4.len() };
        udp_len == l4.len() && Sum::new().with(ip).finish() == 0 && pseudo.with(l4).finish() == 0
    }

    fn payload(&self) -> &'f [u8] {
        &self.frame[self.payload_at..]
    }

    fn is_tcp(&self) -> bool {
        self.frame[IP_AT + 9] == TCP
    }

    fn sequence(&self) -> u32 {
        let at = L4_AT + 4;
        u32::from_be_bytes([0, 1, 2, 3].map(|octet| self.frame[at + octet]))
    }

    /// The octets of the headers that all frames of a group share: everything but lengths,
    /// identification, checksums, and of TCP the number and the flags.
    fn shared(&self) -> [&'f [u8]; 6] {
        let frame = self.frame;
        let (acknowledgement, window, options) = match self.is_tcp() {
            true => (8..13, 14..16, 18..self.payload_at - L4_AT),
            false => (0..0, 0..0, 0..0),
        };
        let [acknowledgement, window, options] =
            [acknowledgement, window, options].map(|part| &frame[L4_AT..][part]);
        let ends = &frame[IP_AT + 12..L4_AT + 4];
        let flags_to_protocol = &frame[IP_AT + 6..IP_AT + 10];
        [&frame[..IP_AT + 2], flags_to_protocol, ends, acknowledgement, window, options]
    }
}

/// Frames that go as one.
struct Group<'f> {
    first: Segment<'f>,
    last: Segment<'f>,
    count: usize,
    /// Of all payloads.
    octets: usize,
}

impl Group<'_> {
    fn takes(&self, next: &Segment<'_>) -> bool {
        let segment = self.first.payload().len();
        let len = next.payload().len();
        // The last one may be shorter, and a push ends a group.
        let is_open = self.last.payload().len() == segment
            && (!self.first.is_tcp() || self.last.frame[L4_AT + TCP_FLAGS] & PUSH == 0);
        let follows = !self.first.is_tcp()
            || next.sequence() == self.first.sequence().wrapping_add(self.octets as u32);
        let fits = len <= segment && self.first.payload_at + self.octets + len <= LONGEST;
        is_open
            && fits
            && follows
            && next.payload_at == self.first.payload_at
            && self.is_numbered(next)
            && next.shared() == self.first.shared()
    }

    /// Frames that were cut are numbered one by one, so these must be too.
    fn is_numbered(&self, next: &Segment<'_>) -> bool {
        let number = |segment: &Segment<'_>| half(segment.frame, IP_AT + 4);
        let dont_fragment = self.first.frame[IP_AT + 6] & 0x40 != 0;
        dont_fragment || number(next) == number(&self.first).wrapping_add(self.count as u16)
    }

    fn head(&self) -> Head {
        let Segment { frame, payload_at } = self.first;
        let is_tcp = self.first.is_tcp();
        let (kind, sum_at) = if is_tcp { (GSO_TCPV4, 16) } else { (GSO_UDP_L4, 6) };
        let mut head = Head::default();
        let fields = [payload_at, self.first.payload().len(), L4_AT, sum_at].map(|it| it as u16);
        head.put(&[NEEDS_CSUM, kind]);
        fields.iter().for_each(|field| head.put(&field.to_ne_bytes()));
        head.put(&frame[..payload_at]);
        let frame = head.frame_mut();
        let len = payload_at - IP_AT + self.octets;
        set_half(frame, IP_AT + 2, len as u16);
        set_half(frame, IP_AT + 10, 0);
        let sum = Sum::new().with(&frame[IP_AT..L4_AT]).finish();
        set_half(frame, IP_AT + 10, sum);
        let l4_len = len - (L4_AT - IP_AT);
        if is_tcp {
            frame[L4_AT + TCP_FLAGS] |= self.last.frame[L4_AT + TCP_FLAGS] & PUSH;
        } else {
            set_half(frame, L4_AT + 4, l4_len as u16);
        }
        // The kernel adds the rest.
        let pseudo = !pseudo_of(&frame[IP_AT..L4_AT], l4_len).finish();
        set_half(frame, L4_AT + sum_at, pseudo);
        head
    }
}

fn pseudo_of(ip: &[u8], len: usize) -> Sum {
    let address = |at: usize| [ip[at], ip[at + 1], ip[at + 2], ip[at + 3]].into();
    pseudo_header(address(12), address(16), ip[9], len)
}

fn half(octets: &[u8], at: usize) -> u16 {
    octets.get(at..at + 2).map_or(0, |half| u16::from_be_bytes([half[0], half[1]]))
}

fn set_half(octets: &mut [u8], at: usize, value: u16) {
    octets[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

const IP_AT: usize = 14;
const L4_AT: usize = IP_AT + 20;
/// Ethernet, IPv4, TCP with all options.
const HEAD_MAX: usize = L4_AT + 60;
/// Octets of the longest frame: what a length of IPv4 can say.
const LONGEST: usize = 65_000;
const TCP: u8 = 6;
const UDP: u8 = 17;
const TCP_FLAGS: usize = 13;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x08;
const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_UDP_L4: u8 = 5;

#[cfg(test)]
pub(crate) mod tests;
