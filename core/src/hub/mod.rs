//! Virtual Ethernet hubs.
