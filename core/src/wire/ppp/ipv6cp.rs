//! Numbers of the IPv6 Control Protocol (RFC 5072 §4, RFC 5172).

/// Types of options.
pub mod option {
    /// Interface-Identifier of the sender, eight octets.
    pub const INTERFACE_ID: u8 = 1;
    /// IPv6-Compression-Protocol (RFC 5172 §2).
    pub const COMPRESSION: u8 = 2;
}
