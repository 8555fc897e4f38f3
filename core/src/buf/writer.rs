//! A cursor that writes into a slice and reports an overflow once, at the end.

/// What was written did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// Writes big-endian fields to the front of a slice.
///
/// A write that does not fit is left out and remembered; [`Writer::finish`] reports it.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// A cursor at the first octet of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0, overflow: false }
    }

    /// Number of octets written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What has been written.
    pub fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// What has been written, to be edited: lengths and checksums come last.
    pub fn written_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }

    /// Writes `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        let Some(end) = self.len.checked_add(bytes.len()) else {
            self.overflow = true;
            return;
        };
        match self.bytes.get_mut(self.len..end) {
            Some(room) if !self.overflow => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.overflow = true,
        }
    }

    /// Writes one octet.
    pub fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Writes 16 bits.
    pub fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// Writes 32 bits.
    pub fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Writes 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// Writes `count` octets of zero.
    pub fn zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.u8(0);
        }
    }

    /// Overwrites 16 bits at `at`, an offset that has been written.
    pub fn set_u16(&mut self, at: usize, value: u16) {
        let room = self.written_mut().get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>);
        match room {
            Some(room) => *room = value.to_be_bytes(),
            None => self.overflow = true,
        }
    }

    /// Overwrites 32 bits at `at`, an offset that has been written.
    pub fn set_u32(&mut self, at: usize, value: u32) {
        let room = self.written_mut().get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>);
        match room {
            Some(room) => *room = value.to_be_bytes(),
            None => self.overflow = true,
        }
    }

    /// Ends the writing and tells its length in octets.
    ///
    /// # Errors
    /// [`Overflow`] if any write did not fit.
    pub const fn finish(self) -> Result<usize, Overflow> {
        if self.overflow { Err(Overflow) } else { Ok(self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_is_reported_and_nothing_is_half_written() {
        let mut room = [0; 5];
        let mut writer = Writer::new(&mut room);
        writer.u32(0x0102_0304);
        writer.u16(0x0506);
        writer.u8(7);
        assert_eq!(writer.len(), 4);
        assert_eq!(writer.finish(), Err(Overflow));
        assert_eq!(room, [1, 2, 3, 4, 0]);
    }

    #[test]
    fn lengths_can_be_filled_in_later() {
        let mut room = [0; 8];
        let mut writer = Writer::new(&mut room);
        writer.u16(0);
        writer.put(b"abc");
        writer.set_u16(0, 3);
        assert_eq!(writer.written(), b"\0\x03abc");
        writer.set_u16(4, 3);
        assert_eq!(writer.finish(), Err(Overflow));
    }
}
