//! Frames that no peer would send, put onto the board's wire.

use std::fs;
use std::time::Duration;

use crate::boards::office::{BOARD_MAC, Office};
use crate::lab::{Lab, Outcome, run};
use crate::{expect, fail};

/// Puts frames of one length onto the wire of the board, as they stand in `frames`.
pub(crate) fn send(lab: &Lab<'_>, office: &Office, len: usize, frames: &[u8]) -> Outcome<()> {
    let file = lab.folder().join("frames");
    fs::write(&file, frames)?;
    let mut command = office.site.server.command("socat");
    // What socat reads at once is one frame.
    command.args(["-u", "-b", &len.to_string()]);
    command.arg(format!("OPEN:{}", file.display())).arg("INTERFACE:board");
    let (status, said) = run(&mut command, "", Duration::from_secs(20))?;
    expect!(status.success(), "socat: {said}");
    Ok(())
}

/// Octets without a meaning, always the same ones.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// Fills a frame.
    pub(crate) fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            // xorshift64.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *octet = (self.0 >> 24) as u8;
        }
    }
}

/// A frame to the board that holds a UDP datagram of a stranger.
pub(crate) fn udp(from: [u8; 4], to: [u8; 4], port: u16, payload: &[u8]) -> Outcome<Vec<u8>> {
    let mut frame = Vec::new();
    for part in BOARD_MAC.split(':') {
        let Ok(octet) = u8::from_str_radix(part, 16) else { fail!("no MAC: {BOARD_MAC}") };
        frame.push(octet);
    }
    frame.extend([0x02, 0, 0, 0, 0, 0x99, 0x08, 0x00]);
    let len = (28 + payload.len()) as u16;
    let mut header = vec![0x45, 0, (len >> 8) as u8, len as u8, 0, 1, 0, 0, 64, 17, 0, 0];
    header.extend(from);
    header.extend(to);
    let sum = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let check = !fold(sum);
    header[10..12].copy_from_slice(&check.to_be_bytes());
    frame.extend(header);
    let udp_len = len - 20;
    for word in [500, port, udp_len, 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(payload);
    Ok(frame)
}

/// The first message of a main mode with one sound proposal (RFC 2408 §5.1), by its initiator's
/// cookie.
pub(crate) fn main_mode(cookie: u64) -> Vec<u8> {
    let mut message = cookie.to_be_bytes().to_vec();
    message.extend([0; 8]);
    // Next payload SA, version 1.0, main mode, no flags, no message identifier.
    message.extend([1, 0x10, 2, 0, 0, 0, 0, 0]);
    let attributes: [u16; 12] = [
        // AES-CBC of 256 bits, SHA-1, pre-shared key, group 14, life type seconds, 8 hours.
        0x8001, 7, 0x800e, 256, 0x8002, 2, 0x8003, 1, 0x8004, 14, 0x800b, 1,
    ];
    let mut transform = vec![0, 0, 0, 36, 1, 1, 0, 0];
    attributes.iter().for_each(|word| transform.extend(word.to_be_bytes()));
    transform.extend([0x80, 0x0c, 0x70, 0x80]);
    let mut proposal = vec![0, 0, 0, 8 + transform.len() as u8, 1, 1, 0, 1];
    proposal.extend(transform);
    let mut sa = vec![0, 0, 0, 12 + proposal.len() as u8, 0, 0, 0, 1, 0, 0, 0, 1];
    sa.extend(proposal);
    let len = (28 + sa.len()) as u32;
    message.extend(len.to_be_bytes());
    message.extend(sa);
    message
}

fn fold(sum: u32) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
