//! The virtual DHCP server of a hub.
