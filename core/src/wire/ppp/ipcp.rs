//! Numbers of the Internet Protocol Control Protocol (RFC 1332 §3, RFC 1877 §1).

/// Types of options.
pub mod option {
    /// IP-Addresses, obsolete.
    pub const ADDRESSES: u8 = 1;
    /// IP-Compression-Protocol.
    pub const COMPRESSION: u8 = 2;
    /// IP-Address of the sender, four octets.
    pub const ADDRESS: u8 = 3;
    /// Primary DNS server of the sender (RFC 1877 §1.1).
    pub const DNS_FIRST: u8 = 129;
    /// Primary NetBIOS name server of the sender (RFC 1877 §1.2).
    pub const NBNS_FIRST: u8 = 130;
    /// Secondary DNS server of the sender (RFC 1877 §1.3).
    pub const DNS_SECOND: u8 = 131;
    /// Secondary NetBIOS name server of the sender (RFC 1877 §1.4).
    pub const NBNS_SECOND: u8 = 132;
}
