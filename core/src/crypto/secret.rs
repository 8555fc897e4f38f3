//! Octets that must not leak.

use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

/// Up to `N` secret octets: wiped when dropped, never printed, compared in constant time.
#[derive(Clone, ZeroizeOnDrop)]
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

impl<const N: usize> core::fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret({} octets)", self.len)
    }
}

/// Whether a type is wiped when dropped is written nowhere in what it does, and safe Rust cannot
/// look at memory that is gone. So the compiler is asked: of our own type, and of those of other
/// crates that hold keys, which wipe themselves only with a feature.
#[cfg(test)]
mod tests {
    use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
    use aes_gcm::AesGcm;
    use aes_gcm::aead::consts::U12;
    use chacha20::ChaCha20Rng;
    use des::TdesEde3;
    use sha1::Sha1;
    use sha2::{Sha256, Sha384, Sha512};

    use super::*;
    use crate::crypto::prf::Digest;
    use crate::ipsec::EspKey;

    type Core<H> = <H as hmac::EagerHash>::Core;

    const fn wipes<T: ZeroizeOnDrop>() {}

    #[test]
    fn what_holds_a_key_is_wiped_when_dropped() {
        wipes::<Secret<1>>();
        wipes::<Digest>();
        wipes::<EspKey>();
        wipes::<Aes128Enc>();
        wipes::<Aes192Enc>();
        wipes::<Aes256Enc>();
        wipes::<Aes128Dec>();
        wipes::<Aes192Dec>();
        wipes::<Aes256Dec>();
        wipes::<AesGcm<Aes256Enc, U12>>();
        wipes::<TdesEde3>();
        wipes::<ChaCha20Rng>();
        // HMAC keeps two of their states.
        wipes::<Core<Sha1>>();
        wipes::<Core<Sha256>>();
        wipes::<Core<Sha384>>();
        wipes::<Core<Sha512>>();
    }
}
