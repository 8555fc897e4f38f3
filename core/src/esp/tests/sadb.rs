//! SPIs, lists and lives.
