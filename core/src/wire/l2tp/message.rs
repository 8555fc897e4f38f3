//! Control messages (RFC 2661 §3.2, §6): what we read of a client's, and those we send.

use super::avp::{self, Attribute, Avps};
use super::{CONTROL_LEN, ControlHeader};
use crate::buf::{Reader, Writer};
use crate::wire::Error;

macro_rules! messages {
    ($($name:ident = $number:literal $section:literal
        essential [$($essential:ident)*] usual [$($usual:ident)*];)*) => {
        /// The message types of RFC 2661 §3.2.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are those of the RFC")]
        pub enum MessageKind {
            $($name,)*
            /// A type that we do not know.
            Unknown {
                /// Whether the sender insists on it.
                mandatory: bool,
            },
        }

        /// All message types, by number.
        pub const MESSAGES: &[MessageSpec] = &[$(MessageSpec {
            kind: MessageKind::$name,
            number: $number,
            section: $section,
            essential: &[$(Attribute::$essential),*],
            usual: &[$(Attribute::$usual),*],
        },)*];
    };
}

/// What RFC 2661 says about a message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSpec {
    /// Which.
    pub kind: MessageKind,
    /// Its number in the Message Type AVP.
    pub number: u16,
    /// Where RFC 2661 specifies it.
    pub section: &'static str,
    /// Attributes without which the message cannot be worked on.
    pub essential: &'static [Attribute],
    /// Attributes that the RFC demands too; we do not need them and forgive their absence.
    pub usual: &'static [Attribute],
}

messages! {
    Sccrq = 1 "6.1" essential [AssignedTunnelId]
        usual [ProtocolVersion HostName FramingCapabilities];
    Sccrp = 2 "6.2" essential [AssignedTunnelId]
        usual [ProtocolVersion HostName FramingCapabilities];
    Scccn = 3 "6.3" essential [] usual [];
    StopCcn = 4 "6.4" essential [] usual [AssignedTunnelId ResultCode];
    Hello = 6 "6.5" essential [] usual [];
    Ocrq = 7 "6.9" essential [AssignedSessionId]
        usual [CallSerialNumber MinimumBps MaximumBps BearerType FramingType CalledNumber];
    Ocrp = 8 "6.10" essential [AssignedSessionId] usual [];
    Occn = 9 "6.11" essential [] usual [TxConnectSpeed FramingType];
    Icrq = 10 "6.6" essential [AssignedSessionId] usual [CallSerialNumber];
    Icrp = 11 "6.7" essential [AssignedSessionId] usual [];
    Iccn = 12 "6.8" essential [] usual [TxConnectSpeed FramingType];
    Cdn = 14 "6.12" essential [] usual [ResultCode AssignedSessionId];
    Wen = 15 "6.13" essential [] usual [CallErrors];
    Sli = 16 "6.14" essential [] usual [Accm];
}

/// What is wrong with a message whose AVPs can be told apart; the first such thing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A mandatory AVP that we do not know, or cannot read because it is hidden.
    UnknownAvp,
    /// A mandatory AVP whose value has the wrong length.
    WrongLength,
    /// An id that is 0.
    BadValue,
    /// An essential AVP is missing.
    Missing,
}

impl Fault {
    /// The general error to answer with (RFC 2661 §4.4.2).
    pub const fn result(self) -> ResultCode {
        ResultCode::general(match self {
            Self::UnknownAvp => 8,
            Self::WrongLength => 2,
            Self::BadValue | Self::Missing => 3,
        })
    }
}

/// A client's control message: what an LNS reads of it.
///
/// Where an attribute occurs twice, the first one counts. Proxy authentication, speeds, numbers
/// and vendors' attributes are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type.
    pub kind: MessageKind,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// Protocol version: 0x0100 is version 1, revision 0.
    pub protocol_version: Option<u16>,
    /// The name that the client calls itself; not trusted.
    pub host_name: &'a [u8],
    /// The client's tunnel id; never 0.
    pub assigned_tunnel: Option<u16>,
    /// The client's session id; never 0.
    pub assigned_session: Option<u16>,
    /// How many messages we may have under way.
    pub receive_window: Option<u16>,
    /// Whether the client demands that we prove to know a secret.
    pub challenged: bool,
    /// Whether data must carry sequence numbers.
    pub sequencing_required: bool,
    /// Why it says goodbye.
    pub result: Option<ResultCode>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the Message Type AVP does not come first or cannot be read,
    /// [`Error::Length`] and [`Error::Truncated`] if an AVP does not fit the message.
    pub fn parse(mut avps: Avps<'a>) -> Result<Self, Error> {
        let first = avps.next().ok_or(Error::Truncated)??;
        let spec = first.spec().ok_or(Error::Unsupported)?;
        if spec.attribute != Attribute::MessageType {
            return Err(Error::Unsupported);
        }
        let number = Reader::new(first.value).u16()?;
        let spec = MESSAGES.iter().find(|spec| spec.number == number);
        let mut message = Self {
            kind: spec
                .map_or(MessageKind::Unknown { mandatory: first.mandatory }, |spec| spec.kind),
            fault: None,
            protocol_version: None,
            host_name: &[],
            assigned_tunnel: None,
            assigned_session: None,
            receive_window: None,
            challenged: false,
            sequencing_required: false,
            result: None,
        };
        let mut seen = 0_u64;
        for avp in avps {
            message.read(&avp?, &mut seen);
        }
        let essential = spec.map_or(&[][..], |spec| spec.essential);
        if essential.iter().any(|&attribute| seen & bit(attribute) == 0) {
            message.fault = message.fault.or(Some(Fault::Missing));
        }
        Ok(message)
    }

    fn read(&mut self, avp: &avp::Avp<'a>, seen: &mut u64) {
        let fault = match avp.spec() {
            None => Some(Fault::UnknownAvp),
            Some(spec) if avp.value.len() < spec.len.0 || avp.value.len() > spec.len.1 => {
                Some(Fault::WrongLength)
            }
            Some(spec) if *seen & bit(spec.attribute) == 0 => {
                *seen |= bit(spec.attribute);
                self.take(spec.attribute, avp.value)
            }
            Some(_) => None,
        };
        // A flaw in an AVP that the sender does not insist on is no flaw of the message.
        if avp.mandatory || matches!(fault, Some(Fault::BadValue)) {
            self.fault = self.fault.or(fault);
        }
    }

    fn take(&mut self, attribute: Attribute, value: &'a [u8]) -> Option<Fault> {
        let mut reader = Reader::new(value);
        match attribute {
            Attribute::ProtocolVersion => self.protocol_version = reader.u16().ok(),
            Attribute::HostName => self.host_name = value,
            Attribute::ReceiveWindowSize => self.receive_window = reader.u16().ok(),
            Attribute::Challenge => self.challenged = true,
            Attribute::SequencingRequired => self.sequencing_required = true,
            Attribute::ResultCode => {
                let code = reader.u16().ok()?;
                self.result = Some(ResultCode { code, error: reader.u16().unwrap_or(0) });
            }
            Attribute::AssignedTunnelId => {
                self.assigned_tunnel = reader.u16().ok().filter(|&id| id != 0);
                return self.assigned_tunnel.is_none().then_some(Fault::BadValue);
            }
            Attribute::AssignedSessionId => {
                self.assigned_session = reader.u16().ok().filter(|&id| id != 0);
                return self.assigned_session.is_none().then_some(Fault::BadValue);
            }
            _ => {}
        }
        None
    }
}

/// Why a tunnel or a call is ended (RFC 2661 §4.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultCode {
    /// Result code; it means one thing in StopCCN and another in CDN.
    pub code: u16,
    /// Error code; counts only with the result "general error".
    pub error: u16,
}

impl ResultCode {
    /// StopCCN: a plain goodbye.
    pub const CLEAR: Self = Self { code: 1, error: 0 };
    /// StopCCN: the requester is not authorized, here because we have no secret to prove.
    pub const NOT_AUTHORIZED: Self = Self { code: 4, error: 0 };
    /// StopCCN: we speak version 1 of the protocol; the error code says so.
    pub const BAD_VERSION: Self = Self { code: 5, error: 0x0100 };
    /// StopCCN: we are shutting down.
    pub const SHUTDOWN: Self = Self { code: 6, error: 0 };
    /// StopCCN: a message that the state does not allow.
    pub const STATE_ERROR: Self = Self { code: 7, error: 0 };
    /// CDN: the connection below or above was lost.
    pub const CARRIER_LOST: Self = Self { code: 1, error: 0 };
    /// CDN: ended by an administrator.
    pub const ADMINISTRATIVE: Self = Self { code: 3, error: 0 };
    /// CDN: no room for a call now.
    pub const NO_FACILITIES_NOW: Self = Self { code: 4, error: 0 };
    /// CDN: a kind of call that we never take.
    pub const NO_FACILITIES: Self = Self { code: 5, error: 0 };
    /// CDN: the call was not set up in time.
    pub const SETUP_TIMEOUT: Self = Self { code: 10, error: 0 };
    /// StopCCN and CDN: out of resources.
    pub const NO_RESOURCES: Self = Self::general(4);

    /// StopCCN and CDN: a general error.
    pub const fn general(error: u16) -> Self {
        Self { code: 2, error }
    }

    fn octets(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.code.to_be_bytes(), self.error.to_be_bytes());
        [a, b, c, d]
    }
}

/// Writes an acknowledgement: a control message without AVPs (ZLB).
pub fn emit_ack(writer: &mut Writer<'_>, header: &ControlHeader) {
    header.emit(writer, |_| {});
}

/// Writes SCCRP; it is [`SCCRP_LEN_MIN`] octets and the name long.
pub fn emit_sccrp(
    writer: &mut Writer<'_>,
    header: &ControlHeader,
    tunnel: u16,
    host_name: &[u8],
    receive_window: u16,
) {
    header.emit(writer, |writer| {
        put_type(writer, 2);
        avp::put(writer, Attribute::ProtocolVersion, &[1, 0]);
        avp::put(writer, Attribute::FramingCapabilities, &[0, 0, 0, 3]);
        avp::put(writer, Attribute::HostName, host_name);
        avp::put(writer, Attribute::AssignedTunnelId, &tunnel.to_be_bytes());
        avp::put(writer, Attribute::ReceiveWindowSize, &receive_window.to_be_bytes());
    });
}

/// Writes StopCCN for our tunnel `tunnel`; it is [`STOP_CCN_LEN`] octets long.
pub fn emit_stop_ccn(
    writer: &mut Writer<'_>,
    header: &ControlHeader,
    tunnel: u16,
    result: ResultCode,
) {
    header.emit(writer, |writer| {
        put_type(writer, 4);
        avp::put(writer, Attribute::AssignedTunnelId, &tunnel.to_be_bytes());
        avp::put(writer, Attribute::ResultCode, &result.octets());
    });
}

/// Writes HELLO.
pub fn emit_hello(writer: &mut Writer<'_>, header: &ControlHeader) {
    header.emit(writer, |writer| put_type(writer, 6));
}

/// Writes ICRP for our call `session`.
pub fn emit_icrp(writer: &mut Writer<'_>, header: &ControlHeader, session: u16) {
    header.emit(writer, |writer| {
        put_type(writer, 11);
        avp::put(writer, Attribute::AssignedSessionId, &session.to_be_bytes());
    });
}

/// Writes CDN for our call `session`.
pub fn emit_cdn(writer: &mut Writer<'_>, header: &ControlHeader, session: u16, result: ResultCode) {
    header.emit(writer, |writer| {
        put_type(writer, 14);
        avp::put(writer, Attribute::ResultCode, &result.octets());
        avp::put(writer, Attribute::AssignedSessionId, &session.to_be_bytes());
    });
}

fn put_type(writer: &mut Writer<'_>, number: u16) {
    avp::put(writer, Attribute::MessageType, &number.to_be_bytes());
}

const fn bit(attribute: Attribute) -> u64 {
    1 << attribute as u16
}

/// Octets of SCCRP without the host name.
pub const SCCRP_LEN_MIN: usize = CONTROL_LEN + 6 * avp::HEADER_LEN + 2 + 2 + 4 + 2 + 2;
/// Octets of StopCCN.
pub const STOP_CCN_LEN: usize = CONTROL_LEN + 3 * avp::HEADER_LEN + 2 + 2 + 4;
