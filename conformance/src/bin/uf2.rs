//! `uf2 ELF UF2`: turns the firmware of an RP2350 board into a file for its boot loader's drive.

use std::process::ExitCode;
use std::{env, fs};

use kumihimo_conformance::uf2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [elf, out] = &words[..] else {
        eprintln!("usage: uf2 ELF UF2");
        return ExitCode::from(2);
    };
    let done = fs::read(elf)
        .map_err(|error| format!("{elf}: {error}"))
        .and_then(|file| {
            uf2::from_elf(&file, uf2::RP2350_ARM_SECURE).map_err(|why| format!("{elf}: {why}"))
        })
        .and_then(|file| {
            fs::write(out, &file).map_err(|error| format!("{out}: {error}"))?;
            Ok(file.len())
        });
    match done {
        Ok(octets) => {
            println!("{out}: {} KiB of code", octets / uf2::BLOCK_LEN * uf2::PAGE_LEN / 1024);
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("uf2: {why}");
            ExitCode::FAILURE
        }
    }
}
