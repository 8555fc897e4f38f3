//! Our control messages, as small as they wait for their acknowledgement.

use super::channel::RECEIVE_WINDOW;
use crate::buf::Writer;
use crate::wire::l2tp::{
    ControlHeader, ResultCode, emit_cdn, emit_hello, emit_icrp, emit_sccrp, emit_stop_ccn,
};

/// A control message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// With so many octets of our host name.
    Sccrp {
        name_len: u8,
    },
    StopCcn(ResultCode),
    Hello,
    /// Answers ICRQ of the client's call `remote` with our `local`.
    Icrp {
        local: u16,
        remote: u16,
    },
    Cdn {
        local: u16,
        remote: u16,
        result: ResultCode,
    },
}

/// What every message of a tunnel needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends<'a> {
    /// Our tunnel id.
    pub(super) local: u16,
    /// The client's tunnel id.
    pub(super) remote: u16,
    /// Our host name.
    pub(super) host_name: &'a str,
}

impl Reply {
    /// Writes the message with these numbers.
    pub(super) fn emit(self, writer: &mut Writer<'_>, ends: Ends<'_>, ns: u16, nr: u16) {
        let header = ControlHeader { tunnel: ends.remote, session: 0, ns, nr };
        match self {
            Self::Sccrp { name_len } => {
                let name = ends.host_name.as_bytes();
                let name = name.get(..usize::from(name_len)).unwrap_or(name);
                emit_sccrp(writer, &header, ends.local, name, RECEIVE_WINDOW);
            }
            Self::StopCcn(result) => emit_stop_ccn(writer, &header, ends.local, result),
            Self::Hello => emit_hello(writer, &header),
            Self::Icrp { local, remote } => {
                emit_icrp(writer, &ControlHeader { session: remote, ..header }, local);
            }
            Self::Cdn { local, remote, result } => {
                emit_cdn(writer, &ControlHeader { session: remote, ..header }, local, result);
            }
        }
    }
}
