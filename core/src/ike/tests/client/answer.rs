//! The other role: the client answers a quick mode that the server began.

use std::vec;
use std::vec::Vec;

use super::{Agreed, Client, chain, chain_len, payloads};
use crate::crypto::dh::{DhJob, DhResult};
use crate::crypto::prf::{digest, hmac};

impl Client {
    /// Message 2 upon message 1 of the server, and what both agree on then. The first transform
    /// is taken; `spi` is ours.
    pub(crate) fn quick_second(&mut self, first: &[u8], spi: u32) -> (Vec<u8>, Agreed) {
        self.quick_second_with(first, spi, |_| {})
    }

    /// Message 2, with a transform that is what `edit` makes of it.
    pub(crate) fn quick_second_with(
        &mut self,
        first: &[u8],
        spi: u32,
        edit: impl FnOnce(&mut Vec<u8>),
    ) -> (Vec<u8>, Agreed) {
        let id: [u8; 4] = first[20..24].try_into().unwrap();
        let fresh = digest(self.hash, &[&self.last, &id]).expose().to_vec();
        let (plain, iv) = self.decrypt(first, &fresh[..self.cipher.block_len()]);
        let list = payloads(first[16], &plain);
        let covered = &plain[4 + list[0].1.len()..chain_len(first[16], &plain)];
        let expected = hmac(self.hash, &self.skeyid_a, &[&id, covered]);
        assert_eq!(expected.expose(), list[0].1, "HASH(1)");
        let find = |kind| list.iter().find(|found| found.0 == kind).map(|found| found.1.clone());
        let (offer, theirs) = (find(1).expect("an SA"), find(10).expect("a nonce"));
        let ours = self.rng.array::<20>().to_vec();
        let (answer, spi_server) = accept(&offer, spi, edit);
        let mut reply = vec![(1, answer), (10, ours.clone())];
        let mut shared = Vec::new();
        if let Some(public) = find(4) {
            let job = DhJob::new(self.group, &mut self.rng, Some(&public)).expect("our group");
            let DhResult::Done { public, shared: secret } = job.run() else { panic!("bad value") };
            shared = secret.expose().to_vec();
            let public = self.quick.public.clone().unwrap_or(public.to_vec());
            reply.extend(Some((4, public)).filter(|(_, public)| !public.is_empty()));
        }
        reply.extend(list.iter().filter(|found| found.0 == 5).cloned());
        reply.insert(0, (8, self.phase2_hash(&[&id, &theirs, &chain(&reply)])));
        let message = self.message(32, 1, u32::from_be_bytes(id), &reply);
        let (message, _) = self.encrypt(message, &iv);
        let key = |spi| self.esp_key(spi, &shared, &theirs, &ours);
        let agreed = Agreed {
            spi_server,
            key_to_server: key(spi_server),
            key_to_client: key(spi),
            payloads: list,
            third: Vec::new(),
        };
        (message, agreed)
    }

    /// Keys of the SA with this SPI (RFC 2409 §5.5).
    pub(super) fn esp_key(
        &self,
        spi: u32,
        shared: &[u8],
        initiator: &[u8],
        responder: &[u8],
    ) -> Vec<u8> {
        let seed = [shared, &[3], &spi.to_be_bytes(), initiator, responder].concat();
        let mut block = hmac(self.hash, &self.skeyid_d, &[&seed]).expose().to_vec();
        let mut key = Vec::new();
        for _ in 0..6 {
            key.extend(&block);
            block = hmac(self.hash, &self.skeyid_d, &[&block, &seed]).expose().to_vec();
        }
        key
    }
}

/// The body of an SA payload that takes the first transform of `offer`, and the SPI in it.
fn accept(offer: &[u8], spi: u32, edit: impl FnOnce(&mut Vec<u8>)) -> (Vec<u8>, u32) {
    let proposal = &offer[8..];
    assert_eq!(proposal[6], 4, "an SPI of ESP");
    let theirs = u32::from_be_bytes(proposal[8..12].try_into().unwrap());
    let len = usize::from(u16::from_be_bytes([proposal[14], proposal[15]]));
    let mut transform = proposal[12..12 + len].to_vec();
    transform[0] = 0;
    edit(&mut transform);
    let len = transform.len() as u16;
    transform[2..4].copy_from_slice(&len.to_be_bytes());
    let mut answer = offer[..8].to_vec();
    answer.extend([0, 0]);
    answer.extend((12 + len).to_be_bytes());
    answer.extend([proposal[4], proposal[5], 4, 1]);
    answer.extend(spi.to_be_bytes());
    answer.extend(transform);
    (answer, theirs)
}
