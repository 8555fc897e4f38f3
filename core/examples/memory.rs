//! Prints what the tables of a server cost: `cargo run --example memory [CLIENTS]`.
//!
//! Sizes are those of the machine that it runs on.

use kumihimo_core::buf::Pool;
use kumihimo_core::limits::Limits;
use kumihimo_core::server::{AllLengths, Server};
use kumihimo_core::store::Table;

/// A buffer as a board has it: a place in a pool.
type Buf = &'static mut [u8];

kumihimo_core::static_tables! {
    /// As a board has them.
    struct Tables<Buf>, Limits::board(4);
}

/// Of zeros: no symbol of its size is in a section that would stand in flash.
static TABLES: std::sync::RwLock<Tables> = std::sync::RwLock::new(Tables::new());

/// Only for its type.
#[derive(Debug)]
struct Buffers;

impl Pool for Buffers {
    type Buf = Buf;

    fn take(&mut self) -> Option<Buf> {
        None
    }
}

fn main() {
    let clients = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(4);
    let lengths = AllLengths::of(&Limits::board(clients));
    print("ike", &lengths.ike.tables());
    print("esp", &lengths.esp.tables());
    print("lns", &lengths.lns.tables());
    print("users", &lengths.users.tables());
    print("hubs", &lengths.hubs.tables());
    print("leases", &lengths.leases.tables());
    print("server", &lengths.server.tables::<Buf>());
    let lent = TABLES.write().map(|mut tables| tables.lend().lengths());
    assert_eq!(
        lent.ok(),
        Some(AllLengths::of(&Tables::LIMITS)),
        "arrays are as long as limits say"
    );
    let all = lengths.octets::<Buf>();
    let next = AllLengths::of(&Limits::board(clients + 2)).octets::<Buf>();
    println!("{all:7} octets of tables for {clients} clients");
    println!("{:7} octets for each further client", (next - all) / 2);
    println!("{:7} octets of the server itself", size_of::<Server<'_, Buffers>>());
}

fn print(component: &str, tables: &[Table]) {
    println!("{:7} {component}", Table::octets_of(tables));
    for Table { name, entry, count } in tables {
        println!("        {:7} {name}: {count} x {entry}", entry * count);
    }
}
