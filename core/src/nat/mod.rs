//! The virtual router of a hub.
