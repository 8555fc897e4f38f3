//! What the packet path costs, in instructions: noise of a busy machine cannot hide a slowdown.
//!
//! `instructions CASE` prepares one case, lets [`counted`] do the work and prints how many
//! operations that were. Run alone it measures nothing: `conformance/run unit` runs it below
//! callgrind, which counts inside [`counted`] only, and compares with `core/benches/ceilings`.

mod cases;
mod client;
mod ike;
// The buffers of the Linux server.
#[path = "../../../runtime-std/src/pool.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the runtime uses more of it")]
mod pool;
mod world;

/// The primitives under the name by which the initiator of the core's tests calls them.
mod crypto {
    pub(crate) use kumihimo_core::crypto::*;

    pub(crate) mod testing {
        /// The octets of a text of hexadecimal digits.
        pub(crate) fn hex(text: &str) -> Vec<u8> {
            let octet = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            (0..text.len()).step_by(2).map(octet).collect()
        }
    }
}

// The initiator of the core's tests, which shares no formats and no state with the core.
#[path = "../../src/ike/tests"]
mod tests {
    #[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
    pub(crate) mod client;
}

/// Does `work`; callgrind counts what runs in here and nothing else.
#[inline(never)]
fn counted<R>(work: impl FnOnce() -> R) -> R {
    std::hint::black_box(work())
}

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let Some(wanted) = wanted else {
        cases::ALL.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    match cases::ALL.iter().find(|(name, _)| *name == wanted) {
        Some((_, case)) => println!("{}", case()),
        None => {
            eprintln!("instructions: no case {wanted}");
            std::process::exit(2);
        }
    }
}
