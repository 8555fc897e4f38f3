//! Attribute-value pairs (RFC 2661 §4.1) and what they are.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-------+-------------------+-------------------------------+
//! |M|H|   0   | length of all this|           vendor id           |
//! +-+-+-------+-------------------+-------------------------------+
//! |           attribute           |           value ...
//! +-------------------------------+-------------------------------+
//! ```
//!
//! Hidden values (H) are told apart, not revealed.

use crate::buf::{Reader, Writer};
use crate::wire::Error;

/// One attribute-value pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avp<'a> {
    /// Whether one who does not know it must end what the message is about.
    pub mandatory: bool,
    /// Whether the value is hidden with the tunnel's secret.
    pub hidden: bool,
    /// Whether a reserved bit is set; then it counts as unknown.
    pub reserved: bool,
    /// SMI vendor code; 0 for the attributes of RFC 2661.
    pub vendor: u16,
    /// Attribute number, as that vendor counts.
    pub attribute: u16,
    /// Its value.
    pub value: &'a [u8],
}

impl Avp<'_> {
    /// Its row in [`ATTRIBUTES`], if it is an attribute that we know and can read.
    pub fn spec(&self) -> Option<&'static AttributeSpec> {
        if self.vendor != 0 || self.hidden || self.reserved {
            return None;
        }
        ATTRIBUTES.iter().find(|spec| spec.attribute as u16 == self.attribute)
    }
}

/// The AVPs of a message, first to last. It ends behind the first malformed one.
#[derive(Clone, Copy, Debug)]
pub struct Avps<'a>(Reader<'a>);

impl<'a> Avps<'a> {
    /// The AVPs in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// Whether there is none left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn read(&mut self) -> Result<Avp<'a>, Error> {
        let flags = self.0.u16()?;
        let length = usize::from(flags & LENGTH);
        let vendor = self.0.u16()?;
        let attribute = self.0.u16()?;
        let value = self.0.take(length.checked_sub(HEADER_LEN).ok_or(Error::Length)?)?;
        Ok(Avp {
            mandatory: flags & MANDATORY != 0,
            hidden: flags & HIDDEN != 0,
            reserved: flags & RESERVED != 0,
            vendor,
            attribute,
            value,
        })
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<Avp<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let avp = self.read();
        if avp.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(avp)
    }
}

/// Writes one AVP of RFC 2661 with the M bit that its specification names.
pub(super) fn put(writer: &mut Writer<'_>, attribute: Attribute, value: &[u8]) {
    let spec = ATTRIBUTES.iter().find(|spec| spec.attribute == attribute);
    let mandatory = if spec.is_some_and(|spec| spec.mandatory) { MANDATORY } else { 0 };
    let length = (HEADER_LEN + value.len()).min(usize::from(LENGTH)) as u16;
    writer.u16(mandatory | length);
    writer.u16(0);
    writer.u16(attribute as u16);
    writer.put(value);
}

/// What RFC 2661 says about an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeSpec {
    /// Which.
    pub attribute: Attribute,
    /// Whether its sender sets the M bit.
    pub mandatory: bool,
    /// Fewest and most octets of its value.
    pub len: (usize, usize),
    /// Where RFC 2661 specifies it.
    pub section: &'static str,
}

macro_rules! attributes {
    ($($name:ident = $number:literal $m:literal $min:literal..=$max:expr, $section:literal;)*) => {
        /// The attributes of RFC 2661 §4.4.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "the names are those of the RFC")]
        pub enum Attribute { $($name = $number,)* }

        /// All attributes, by number.
        pub const ATTRIBUTES: &[AttributeSpec] = &[$(AttributeSpec {
            attribute: Attribute::$name,
            mandatory: $m,
            len: ($min, $max),
            section: $section,
        },)*];
    };
}

const ANY: usize = LENGTH as usize - HEADER_LEN;

attributes! {
    MessageType = 0 true 2..=2, "4.4.1";
    ResultCode = 1 true 2..=ANY, "4.4.2";
    ProtocolVersion = 2 true 2..=2, "4.4.3";
    FramingCapabilities = 3 true 4..=4, "4.4.3";
    BearerCapabilities = 4 true 4..=4, "4.4.3";
    TieBreaker = 5 false 8..=8, "4.4.3";
    FirmwareRevision = 6 false 2..=2, "4.4.3";
    HostName = 7 true 0..=ANY, "4.4.3";
    VendorName = 8 false 0..=ANY, "4.4.3";
    AssignedTunnelId = 9 true 2..=2, "4.4.3";
    ReceiveWindowSize = 10 true 2..=2, "4.4.3";
    Challenge = 11 true 1..=ANY, "4.4.3";
    CauseCode = 12 true 3..=ANY, "4.4.2";
    ChallengeResponse = 13 true 16..=16, "4.4.3";
    AssignedSessionId = 14 true 2..=2, "4.4.4";
    CallSerialNumber = 15 true 4..=4, "4.4.4";
    MinimumBps = 16 true 4..=4, "4.4.4";
    MaximumBps = 17 true 4..=4, "4.4.4";
    BearerType = 18 true 4..=4, "4.4.4";
    FramingType = 19 true 4..=4, "4.4.4";
    CalledNumber = 21 true 0..=ANY, "4.4.4";
    CallingNumber = 22 true 0..=ANY, "4.4.4";
    SubAddress = 23 true 0..=ANY, "4.4.4";
    TxConnectSpeed = 24 true 4..=4, "4.4.4";
    PhysicalChannelId = 25 false 4..=4, "4.4.4";
    InitialReceivedConfreq = 26 false 0..=ANY, "4.4.5";
    LastSentConfreq = 27 false 0..=ANY, "4.4.5";
    LastReceivedConfreq = 28 false 0..=ANY, "4.4.5";
    ProxyAuthenType = 29 false 2..=2, "4.4.5";
    ProxyAuthenName = 30 false 0..=ANY, "4.4.5";
    ProxyAuthenChallenge = 31 false 0..=ANY, "4.4.5";
    ProxyAuthenId = 32 false 2..=2, "4.4.5";
    ProxyAuthenResponse = 33 false 0..=ANY, "4.4.5";
    CallErrors = 34 true 26..=26, "4.4.6";
    Accm = 35 true 10..=10, "4.4.6";
    RandomVector = 36 true 0..=ANY, "4.4.1";
    PrivateGroupId = 37 false 0..=ANY, "4.4.4";
    RxConnectSpeed = 38 false 4..=4, "4.4.4";
    SequencingRequired = 39 true 0..=0, "4.4.4";
}

const MANDATORY: u16 = 0x8000;
const HIDDEN: u16 = 0x4000;
const RESERVED: u16 = 0x3c00;
const LENGTH: u16 = 0x03ff;
/// Octets of an AVP without its value.
pub(super) const HEADER_LEN: usize = 6;
