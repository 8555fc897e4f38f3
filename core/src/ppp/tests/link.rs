//! Single rules of the link.
