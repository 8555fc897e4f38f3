//! The deterministic simulator. Empty until its issue is worked on.
