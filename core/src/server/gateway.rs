//! A hub's virtual router and DHCP server, behind a port of the hub.

use crate::buf::{Frame, Pool};
use crate::discard::DropReason;
use crate::ids::{HubId, PortId};
use crate::nat::Delivery;
use crate::{dhcp, nat};

use super::{Cx, Server};

impl<P: Pool> Server<'_, P> {
    /// Takes a frame that the hub has for its virtual router.
    pub(super) fn handle_gateway_frame(
        &mut self,
        cx: &mut Cx<'_, P>,
        hub: HubId,
        port: PortId,
        frame: &Frame<P::Buf>,
    ) -> Result<(), DropReason> {
        let mut states = self.hub_states.iter().flatten();
        let state = states.find(|state| state.id == hub).ok_or(DropReason::UnknownPort)?;
        let gateway = state.gateway.as_ref().ok_or(DropReason::UnknownPort)?;
        let out = &mut self.outboxes.gateway;
        out.clear();
        match gateway.router.handle_frame(frame.bytes(), out) {
            Delivery::Consumed => {
                while let Some(nat::Action::Frame(span)) = self.outboxes.gateway.pop() {
                    let reply = Frame::copy_of(cx.pool, self.outboxes.gateway.bytes(span));
                    self.enter(port, reply.map_err(|_| DropReason::NoBuffer)?);
                }
                Ok(())
            }
            Delivery::Dhcp { from, message } => {
                let out = &mut self.outboxes.dhcp;
                out.clear();
                let handled = self.dhcp.handle_message(cx.now, hub, from, message, out);
                while let Some(dhcp::Action::Frame(span)) = self.outboxes.dhcp.pop() {
                    let reply = Frame::copy_of(cx.pool, self.outboxes.dhcp.bytes(span));
                    self.enter(port, reply.map_err(|_| DropReason::NoBuffer)?);
                }
                handled
            }
            Delivery::Drop(reason) => Err(reason),
        }
    }
}
