//! A datagram on its way in: IKE, or ESP with L2TP in it, or L2TP alone.

use core::ops::Range;

use crate::addr::{Carrier, Path};
use crate::buf::{Frame, Pool};
use crate::discard::DropReason;
use crate::esp::Opened;
use crate::ids::CallId;
use crate::l2tp::Received;

use super::demux::{self, Kind};
use super::{Cx, Server, inner_udp};

impl<P: Pool> Server<'_, P> {
    pub(super) fn handle_datagram(
        &mut self,
        cx: &mut Cx<'_, P>,
        path: Path,
        mut payload: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        if self.is_closing() {
            return Err(DropReason::NotServed);
        }
        match demux::classify(&path, payload.bytes())? {
            Kind::Ike { .. } | Kind::Esp { .. } if !self.settings.l2tp => {
                Err(DropReason::NotServed)
            }
            Kind::Ike { marker } => {
                payload.strip(marker)?;
                self.handle_ike(cx, path, payload)
            }
            Kind::Esp { marker } => {
                payload.strip(marker)?;
                self.handle_esp(cx, path, payload)
            }
            Kind::L2tp if self.settings.l2tp_raw => {
                self.handle_l2tp(cx, Carrier::Udp(path), payload)
            }
            Kind::L2tp => Err(DropReason::NotServed),
        }
    }

    fn handle_ike(
        &mut self,
        cx: &mut Cx<'_, P>,
        path: Path,
        mut message: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        self.with_ike(cx, |ike, cx, out| ike.handle_datagram(cx, path, message.bytes_mut(), out))
    }

    fn handle_esp(
        &mut self,
        cx: &mut Cx<'_, P>,
        path: Path,
        mut packet: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let opened = self.esp.open(cx.now, &path, &mut packet)?;
        self.on_opened(cx, &opened);
        if opened.next_header != UDP {
            return Err(DropReason::BadSelector);
        }
        let port = inner_udp::strip(&mut packet)?;
        let carrier = Carrier::Esp { peer: opened.peer, port };
        self.handle_l2tp(cx, carrier, packet)
    }

    /// Tells IKE what an authenticated packet proves.
    fn on_opened(&mut self, cx: &mut Cx<'_, P>, opened: &Opened) {
        self.ike.handle_heard(cx.now, opened.peer);
        if opened.first {
            self.with_ike(cx, |ike, cx, out| ike.handle_sa_proven(cx, opened.spi, out));
        }
        if let Some(path) = opened.moved {
            self.with_ike(cx, |ike, cx, out| ike.handle_moved(cx.now, opened.peer, path, out));
        }
        if opened.rekey {
            self.with_ike(cx, |ike, cx, out| ike.handle_rekey_wanted(cx, opened.spi, out));
        }
    }

    fn handle_l2tp(
        &mut self,
        cx: &mut Cx<'_, P>,
        carrier: Carrier,
        message: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let received = self.with_lns(cx, |lns, now, rng, out| {
            lns.handle_datagram(now, rng, carrier, message.bytes(), out)
        })?;
        match received {
            Received::Control => Ok(()),
            Received::Data { call, ppp } => self.handle_call_data(cx, call, message, ppp),
        }
    }

    fn handle_call_data(
        &mut self,
        cx: &mut Cx<'_, P>,
        call: CallId,
        mut frame: Frame<P::Buf>,
        ppp: Range<usize>,
    ) -> Result<(), DropReason> {
        frame.truncate(ppp.end);
        frame.strip(ppp.start)?;
        let id = self.session_of(call).ok_or(DropReason::UnknownCall)?;
        self.handle_ppp(cx, id, frame)
    }
}

/// IP protocol number of UDP.
const UDP: u8 = 17;
