//! The bridge between the hub, the wire and the board's own IP stack.
//!
//! ```text
//!            wire (device)
//!              |   ^
//!     classify |   | from_hub
//!              v   |
//!     +--------[ Lan ]--------+
//!     | to_hub        to_stack|
//!     v                       v
//!  core's hub            embassy-net
//! ```
//! | from | to | goes to |
//! |---|---|---|
//! | wire | the board's MAC address | the stack |
//! | wire | a group | the stack and the hub |
//! | wire | anyone else | the hub |
//! | hub | the board | the stack |
//! | hub | a group | the stack and the wire |
//! | hub | anyone else | the wire |
//! | stack | a group, or a client of the hub | the wire and the hub |
//! | stack | anyone else | the wire |
//!
//! Clients have MAC addresses of their own, so the device must hand in every frame. One that
//! cannot would need another table here: only the board's frames to and from the wire, with
//! proxy ARP for clients. Nothing but [`Route`] and its three makers would change; it is not
//! built.

mod device;
mod lan;

pub(crate) use device::Bridge;
pub(crate) use lan::{Lan, Sent};

use kumihimo_core::addr::MacAddr;

/// Who gets a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Route {
    wire: bool,
    hub: bool,
    stack: bool,
}

/// The addresses at the start of an Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Addresses {
    to: MacAddr,
    from: MacAddr,
}

impl Addresses {
    fn of(frame: &[u8]) -> Option<Self> {
        let (to, rest) = frame.split_first_chunk()?;
        let (from, rest) = rest.split_first_chunk()?;
        (rest.len() >= 2).then_some(Self { to: MacAddr(*to), from: MacAddr(*from) })
    }
}

/// Where a frame from the wire goes; `None` for one that nobody else can have sent.
fn from_wire(own: MacAddr, frame: Addresses) -> Option<Route> {
    if frame.from == own || frame.from.is_group() {
        return None;
    }
    let is_own = frame.to == own;
    Some(Route { wire: false, hub: !is_own, stack: is_own || frame.to.is_group() })
}

/// Where a frame from the hub goes.
fn from_hub(own: MacAddr, frame: Addresses) -> Route {
    let is_own = frame.to == own;
    Route { wire: !is_own, hub: false, stack: is_own || frame.to.is_group() }
}

#[cfg(test)]
mod tests;
