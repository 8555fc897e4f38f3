//! Local users and names.
