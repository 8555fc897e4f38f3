//! Octets that must not leak.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Up to `N` secret octets: wiped when dropped, never printed, compared in constant time.
#[derive(Clone)]
pub struct Secret<const N: usize> {
    bytes: [u8; N],
    len: u16,
}

impl<const N: usize> Secret<N> {
    /// No octets at all.
    pub const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    /// A copy of `bytes`; `None` if there are more than `N`.
    pub fn copy_of(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self::EMPTY;
        secret.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        secret.len = bytes.len() as u16;
        Some(secret)
    }

    /// `len` octets that `fill` writes; `len` is cut to `N`.
    pub fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut secret = Self::EMPTY;
        secret.len = len.min(N) as u16;
        fill(secret.bytes.get_mut(..len.min(N)).unwrap_or_default());
        secret
    }

    /// The octets.
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Number of octets.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `other` holds the same octets; takes the same time wherever they differ.
    pub fn equals(&self, other: &[u8]) -> bool {
        self.expose().ct_eq(other).into()
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl<const N: usize> core::fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret({} octets)", self.len)
    }
}
