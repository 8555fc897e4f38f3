//! The algorithms that can be negotiated.

/// A block cipher in CBC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cipher {
    /// 3DES with three keys (RFC 2451).
    TripleDes,
    /// AES with 128-bit keys (RFC 3602).
    Aes128,
    /// AES with 192-bit keys.
    Aes192,
    /// AES with 256-bit keys.
    Aes256,
}

impl Cipher {
    /// Octets of a key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Octets of a block, and so of an IV.
    pub const fn block_len(self) -> usize {
        match self {
            Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }
}

/// A hash function; HMAC with it is the IKE PRF (RFC 2409 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// MD5: policy `legacy` only.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA2-256.
    Sha256,
    /// SHA2-384.
    Sha384,
    /// SHA2-512.
    Sha512,
}

impl Hash {
    /// Octets of a digest.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A Diffie-Hellman group (RFC 2409 §6, RFC 3526, RFC 5903).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Group 2.
    Modp1024,
    /// Group 5.
    Modp1536,
    /// Group 14.
    Modp2048,
    /// Group 15.
    Modp3072,
    /// Group 16.
    Modp4096,
    /// Group 19.
    Ecp256,
    /// Group 20.
    Ecp384,
    /// Group 21.
    Ecp521,
}

impl Group {
    /// Whether it is a group of points on a curve (RFC 5903), not of powers modulo a prime.
    pub const fn is_ecp(self) -> bool {
        matches!(self, Self::Ecp256 | Self::Ecp384 | Self::Ecp521)
    }

    /// Whether this build of the core can compute in it; others are neither offered nor accepted.
    pub const fn is_built_in(self) -> bool {
        match self {
            Self::Modp1024 | Self::Modp1536 | Self::Modp2048 => true,
            Self::Modp3072 | Self::Modp4096 => cfg!(feature = "modp-wide"),
            Self::Ecp256 | Self::Ecp384 | Self::Ecp521 => cfg!(feature = "ecp"),
        }
    }

    /// Octets of a public value: g^x, or x and y of a point (RFC 5903 §7).
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
            Self::Ecp521 => 132,
        }
    }
}

/// What protects an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IkeSuite {
    /// Encrypts messages.
    pub cipher: Cipher,
    /// Hash and PRF.
    pub hash: Hash,
    /// Key exchange.
    pub group: Group,
}

/// A MAC of ESP, with the length of its ICV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mac {
    /// HMAC-SHA1-96 (RFC 2404).
    Sha1_96,
    /// HMAC-SHA2-256-128 (RFC 4868).
    Sha256_128,
    /// HMAC-SHA2-256 cut to 96 bits, as Linux kernels before RFC 4868 did (quirk
    /// `android-sha256-96`); never negotiated, only recognised.
    Sha256_96,
    /// HMAC-SHA2-384-192 (RFC 4868).
    Sha384_192,
    /// HMAC-SHA2-512-256 (RFC 4868).
    Sha512_256,
}

impl Mac {
    /// Octets of the ICV.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::Sha1_96 | Self::Sha256_96 => 12,
            Self::Sha256_128 => 16,
            Self::Sha384_192 => 24,
            Self::Sha512_256 => 32,
        }
    }

    /// The hash function behind it; its digest length is the key length.
    pub const fn hash(self) -> Hash {
        match self {
            Self::Sha1_96 => Hash::Sha1,
            Self::Sha256_128 | Self::Sha256_96 => Hash::Sha256,
            Self::Sha384_192 => Hash::Sha384,
            Self::Sha512_256 => Hash::Sha512,
        }
    }
}

/// What protects a pair of IPsec SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EspSuite {
    /// A CBC cipher, then a MAC over its output.
    Cbc {
        /// Encrypts.
        cipher: Cipher,
        /// Authenticates.
        mac: Mac,
    },
    /// AES-GCM with a 16-octet ICV and an 8-octet IV (RFC 4106).
    AesGcm16 {
        /// Which AES; not 3DES.
        cipher: Cipher,
    },
}

impl EspSuite {
    /// Octets of key material for one direction: cipher key and MAC key, or key and salt.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Cbc { cipher, mac } => cipher.key_len() + mac.hash().digest_len(),
            Self::AesGcm16 { cipher } => cipher.key_len() + 4,
        }
    }

    /// Octets of the IV on the wire.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Cbc { cipher, .. } => cipher.block_len(),
            Self::AesGcm16 { .. } => 8,
        }
    }

    /// Octets of the ICV.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::Cbc { mac, .. } => mac.icv_len(),
            Self::AesGcm16 { .. } => 16,
        }
    }

    /// What payload, padding and trailer together must be a multiple of, in octets.
    pub const fn align_len(self) -> usize {
        match self {
            Self::Cbc { cipher, .. } => cipher.block_len(),
            Self::AesGcm16 { .. } => 4,
        }
    }
}
