//! Numbers of the Link Control Protocol (RFC 1661 §5, §6; RFC 1570, RFC 1990).

/// Codes beyond those of every control protocol.
pub mod code {
    /// Protocol-Reject: a protocol number and the information it came with.
    pub const PROTOCOL_REJECT: u8 = 8;
    /// Echo-Request: a magic number and data.
    pub const ECHO_REQUEST: u8 = 9;
    /// Echo-Reply.
    pub const ECHO_REPLY: u8 = 10;
    /// Discard-Request.
    pub const DISCARD_REQUEST: u8 = 11;
    /// Identification (RFC 1570 §2.1).
    pub const IDENTIFICATION: u8 = 12;
    /// Time-Remaining (RFC 1570 §2.2).
    pub const TIME_REMAINING: u8 = 13;
}

/// Types of options.
pub mod option {
    /// Maximum-Receive-Unit, 16 bits.
    pub const MRU: u8 = 1;
    /// Async-Control-Character-Map, 32 bits (RFC 1662 §7.1).
    pub const ACCM: u8 = 2;
    /// Authentication-Protocol: a protocol number, for CHAP an algorithm.
    pub const AUTHENTICATION: u8 = 3;
    /// Quality-Protocol.
    pub const QUALITY: u8 = 4;
    /// Magic-Number, 32 bits.
    pub const MAGIC: u8 = 5;
    /// Protocol-Field-Compression, empty.
    pub const PROTOCOL_COMPRESSION: u8 = 7;
    /// Address-and-Control-Field-Compression, empty.
    pub const ADDRESS_COMPRESSION: u8 = 8;
    /// Callback (RFC 1570 §2.3).
    pub const CALLBACK: u8 = 13;
    /// Maximum received reconstructed unit of a multilink bundle (RFC 1990 §5.1.1).
    pub const MRRU: u8 = 17;
    /// Short sequence numbers of a multilink bundle (RFC 1990 §5.1.2).
    pub const SHORT_SEQUENCE: u8 = 18;
    /// Endpoint discriminator of a multilink bundle (RFC 1990 §5.1.3).
    pub const ENDPOINT: u8 = 19;
}

/// What the other side receives if it does not say (RFC 1661 §6.1).
pub const DEFAULT_MRU: u16 = 1500;
