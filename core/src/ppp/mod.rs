//! A PPP link.
