//! A window over owned packet memory.

use super::{HEADROOM, Pool};

/// A packet: an owned buffer and the window of it that is in use.
///
/// Invariant: `start <= end <= buf.len()`.
#[derive(Debug)]
pub struct Frame<B> {
    buf: B,
    start: u16,
    end: u16,
}

/// The buffer has no room for what was to be added, or less in it than was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Frame<B> {
    /// Wraps `buf`, in which a packet of `len` octets stands at [`HEADROOM`].
    ///
    /// # Errors
    /// [`NoRoom`] if the buffer is shorter than that.
    pub fn received(buf: B, len: usize) -> Result<Self, NoRoom> {
        let end = HEADROOM.checked_add(len).filter(|&end| end <= buf.as_ref().len());
        let end = end.and_then(|end| u16::try_from(end).ok()).ok_or(NoRoom)?;
        Ok(Self { buf, start: HEADROOM as u16, end })
    }

    /// A new packet with a copy of `bytes`, with [`HEADROOM`] in front.
    ///
    /// # Errors
    /// [`NoRoom`] if the pool is empty or `bytes` does not fit.
    pub fn copy_of<P: Pool<Buf = B>>(pool: &mut P, bytes: &[u8]) -> Result<Self, NoRoom> {
        let mut frame = Self::received(pool.take().ok_or(NoRoom)?, bytes.len())?;
        frame.bytes_mut().copy_from_slice(bytes);
        Ok(frame)
    }

    /// The octets in use.
    pub fn bytes(&self) -> &[u8] {
        self.buf.as_ref().get(self.window()).unwrap_or_default()
    }

    /// The octets in use, to be edited.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let window = self.window();
        self.buf.as_mut().get_mut(window).unwrap_or_default()
    }

    /// Number of octets in use.
    pub const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether no octet is in use.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Octets that can still be pushed in front.
    pub const fn headroom(&self) -> usize {
        self.start as usize
    }

    /// Octets that can still be appended.
    pub fn tailroom(&self) -> usize {
        self.buf.as_ref().len().saturating_sub(usize::from(self.end))
    }

    /// Removes `count` octets from the front.
    ///
    /// # Errors
    /// [`NoRoom`] if there are fewer.
    pub fn strip(&mut self, count: usize) -> Result<(), NoRoom> {
        if count > self.len() {
            return Err(NoRoom);
        }
        self.start += count as u16;
        Ok(())
    }

    /// Shortens the packet to `len` octets; does nothing if it is shorter.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + len as u16;
        }
    }

    /// Adds `count` octets in front and lends them to be written.
    ///
    /// # Errors
    /// [`NoRoom`] if the headroom is smaller.
    pub fn push(&mut self, count: usize) -> Result<&mut [u8], NoRoom> {
        if count > self.headroom() {
            return Err(NoRoom);
        }
        self.start -= count as u16;
        self.bytes_mut().get_mut(..count).ok_or(NoRoom)
    }

    /// Adds `count` octets at the end and lends them to be written.
    ///
    /// # Errors
    /// [`NoRoom`] if the tailroom is smaller.
    pub fn append(&mut self, count: usize) -> Result<&mut [u8], NoRoom> {
        if count > self.tailroom() {
            return Err(NoRoom);
        }
        let old = self.len();
        self.end += count as u16;
        self.bytes_mut().get_mut(old..).ok_or(NoRoom)
    }

    /// Gives the memory away.
    pub fn into_buf(self) -> B {
        self.buf
    }

    fn window(&self) -> core::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Frame<[u8; 256]> {
        Frame::received([7; 256], len).unwrap()
    }

    #[test]
    fn a_packet_that_does_not_fit_its_buffer_is_refused() {
        assert!(Frame::received([0_u8; 256], 128).is_ok());
        assert_eq!(Frame::received([0_u8; 256], 129).unwrap_err(), NoRoom);
        assert_eq!(Frame::received([0_u8; 256], usize::MAX).unwrap_err(), NoRoom);
    }

    #[test]
    fn headers_come_and_go_in_place() {
        let mut frame = frame(10);
        frame.strip(4).unwrap();
        assert_eq!((frame.len(), frame.headroom()), (6, 132));
        frame.push(8).unwrap().copy_from_slice(b"12345678");
        frame.append(2).unwrap().copy_from_slice(b"ab");
        assert_eq!(frame.bytes(), b"12345678\x07\x07\x07\x07\x07\x07ab");
        frame.truncate(3);
        assert_eq!(frame.bytes(), b"123");
        assert_eq!(frame.strip(4), Err(NoRoom));
        assert_eq!(frame.push(129).unwrap_err(), NoRoom);
        assert_eq!(frame.append(300).unwrap_err(), NoRoom);
        assert_eq!(frame.bytes(), b"123");
    }
}
