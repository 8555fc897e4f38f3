//! Kumihimo, `SoftEther` VPN and the floor side by side, under the same load.
//!
//! Peers take turns, A B C A B C, each in namespaces of its own, so that a machine that gets
//! slower or faster meanwhile does so for all. The program `load` makes the traffic and reads
//! what the server's process used. A peer that cannot do something, or dies, has no figure for
//! it; the others go on.

mod chart;
mod figures;
mod load;
mod measure;
mod peer;
mod table;

pub use chart::draw;
pub use figures::{Figures, METRICS, Metric, Share, Summary};
pub use load::{Line, Said};
pub use measure::{Plan, measure};
pub use peer::Peer;
pub use table::{replace_table, table, where_and_how};

use kumihimo_core::crypto::{Cipher, EspSuite, Mac};

/// How the floor protects packets.
pub const FLOOR_SUITE: EspSuite = EspSuite::Cbc { cipher: Cipher::Aes256, mac: Mac::Sha1_96 };
/// With what: it protects nothing but the comparison.
pub const FLOOR_KEY: [u8; 52] = {
    let mut key = [0x11; 52];
    let mut at = 32;
    while at < 52 {
        key[at] = 0x22;
        at += 1;
    }
    key
};
/// The SPI of the floor's client 0.
pub const FLOOR_SPI: u32 = 0x100;
/// The inner address of the floor's client 0: 172.20.1.1.
pub const FLOOR_BASE: u32 = 0xac14_0101;
