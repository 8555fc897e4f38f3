//! Conformance: real clients in guests, source-tree rules, requirement tables.
