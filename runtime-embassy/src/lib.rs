//! The runtime for router boards, on embassy. Empty until its issue is worked on.
