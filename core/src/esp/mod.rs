//! ESP and its SA database.
