//! A PPP client as a host on a hub.
