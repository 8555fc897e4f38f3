//! Where buffers come from.

/// A fixed number of buffers of [`super::BUFFER_LEN`] octets.
///
/// A buffer returns to its pool when it is dropped.
pub trait Pool {
    /// The memory of one packet.
    type Buf: AsRef<[u8]> + AsMut<[u8]>;

    /// Takes a free buffer; `None` while all are in use. Its content is unspecified.
    fn take(&mut self) -> Option<Self::Buf>;
}
