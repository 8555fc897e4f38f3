//! Carrying out what the LNS asks for, and L2TP on its way out.

use crate::addr::{Carrier, Path};
use crate::buf::{Frame, Pool, Writer};
use crate::crypto::Rng;
use crate::discard::DropReason;
use crate::event::{DialFailure, Event, Name, Offered, Stage};
use crate::ids::CallId;
use crate::l2tp::{self, Action, DataHeader, Lns};
use crate::time::Instant;

use super::outputs::Entry;
use super::{Cx, Server, inner_udp};

impl<P: Pool> Server<'_, P> {
    /// Calls the LNS and carries out what it asks for.
    pub(super) fn with_lns<R>(
        &mut self,
        cx: &mut Cx<'_, P>,
        call: impl FnOnce(&mut Lns<'_>, Instant, &mut Rng, &mut l2tp::Out) -> R,
    ) -> R {
        if self.outboxes.lns.is_empty() {
            self.outboxes.lns.clear();
        }
        let result = call(&mut self.lns, cx.now, &mut self.rng, &mut self.outboxes.lns);
        while let Some(action) = self.outboxes.lns.pop() {
            self.carry_out_lns(cx, action);
        }
        result
    }

    fn carry_out_lns(&mut self, cx: &mut Cx<'_, P>, action: Action) {
        match action {
            Action::Send { carrier, message } => {
                let message = Frame::copy_of(cx.pool, self.outboxes.lns.bytes(message));
                let sent = message
                    .map_err(|_| DropReason::NoBuffer)
                    .and_then(|message| self.send_l2tp(cx, carrier, message));
                self.count(sent);
            }
            Action::TunnelUp { tunnel, carrier } => {
                let host_name = self.lns.host_name(tunnel).cloned().unwrap_or_default();
                if let Some(path) = self.path_of(carrier) {
                    self.tell(Event::TunnelUp { tunnel, remote: path.remote, host_name });
                }
            }
            Action::TunnelDown { .. } => {}
            Action::CallUp { call, carrier, .. } => self.on_call_up(cx, call, carrier),
            Action::CallDown { call, cause } => self.on_call_down(cx, call, cause),
            Action::DialFailed { carrier, cause } => {
                if let Some(path) = self.path_of(carrier) {
                    self.tell(Event::DialFailed(DialFailure {
                        remote: path.remote,
                        stage: Stage::L2tp,
                        cause,
                        user: Name::new(),
                        offered: Offered::new(),
                    }));
                }
            }
            Action::Refused { carrier, reason } => {
                let remote = self.path_of(carrier).map(|path| path.remote);
                self.tell(Event::Refused { remote, reason });
            }
        }
    }

    /// Sends a PPP frame to a client.
    pub(super) fn send_ppp(
        &mut self,
        cx: &mut Cx<'_, P>,
        call: CallId,
        mut frame: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let (carrier, header) = self.lns.data_header(call).ok_or(DropReason::UnknownCall)?;
        push_header(&mut frame, &header)?;
        self.send_l2tp(cx, carrier, frame)
    }

    /// Sends an L2TP message on its carrier.
    fn send_l2tp(
        &mut self,
        cx: &mut Cx<'_, P>,
        carrier: Carrier,
        mut message: Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let entry = match carrier {
            Carrier::Udp(path) => Entry::Datagram { path, payload: message },
            Carrier::Esp { peer, port } => {
                let sa = self.esp.outbound_for(peer, port).ok_or(DropReason::NoSa)?;
                let path = self.esp.path(sa).ok_or(DropReason::NoSa)?;
                inner_udp::push(&mut message, port, &path)?;
                let prepared = self.esp.prepare(cx.now, &mut self.rng, sa, &mut message)?;
                if prepared.rekey
                    && let Some(spi) = self.esp.spi(sa)
                {
                    self.with_ike(cx, |ike, cx, out| ike.handle_rekey_wanted(cx, spi, out));
                }
                Entry::Unsealed { path, sa, payload: message }
            }
        };
        self.outputs.push(entry, &mut self.drops);
        Ok(())
    }

    /// Where the packets of a carrier go.
    pub(super) fn path_of(&self, carrier: Carrier) -> Option<Path> {
        match carrier {
            Carrier::Udp(path) => Some(path),
            Carrier::Esp { peer, port } => self.esp.path(self.esp.outbound_for(peer, port)?),
        }
    }

    /// Takes down one tunnel of a peer that is gone; tells whether there was work.
    pub(super) fn step_leaving(&mut self, cx: &mut Cx<'_, P>) -> bool {
        let Some(&mut peer) = self.leaving.peek_mut(0) else { return false };
        if !self.with_lns(cx, |lns, _, _, out| lns.close_carrier(peer, out)) {
            self.leaving.pop();
        }
        true
    }
}

fn push_header<B: AsRef<[u8]> + AsMut<[u8]>>(
    frame: &mut Frame<B>,
    header: &DataHeader,
) -> Result<(), DropReason> {
    let ppp_len = frame.len();
    let mut writer = Writer::new(frame.push(header.len())?);
    header.emit(&mut writer, ppp_len);
    Ok(())
}
