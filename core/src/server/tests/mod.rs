//! A whole server under independent clients, on a virtual clock.
//!
//! Every scenario goes through [`world::play`], which runs it twice and compares what the server
//! did octet for octet; [`world::World`] checks the drive contract at every step, and that no
//! buffer is lost.

mod board;
mod checks;
mod configure;
mod dial;
mod dialer;
mod down;
mod esp_abuse;
mod esp_dial;
mod esp_life;
mod esp_tables;
mod hostile;
mod ipsec;
mod no_trace;
mod noise;
mod packet;
mod pool;
mod refuse;
mod reload;
mod setup;
mod shutdown;
mod station;
mod swarm;
mod traffic;
mod waiting;
mod world;
