//! The L2TPv2 LNS.
