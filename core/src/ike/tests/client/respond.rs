//! The other role in phase 1: the client answers a main mode that the server began.

use std::vec::Vec;

use super::{Client, payloads};
use crate::crypto::dh::{DhJob, DhResult};
use crate::crypto::prf::hmac;

impl Client {
    /// Message 2 upon message 1 of the server.
    pub(crate) fn main_second(&mut self, first: &[u8]) -> Vec<u8> {
        self.main_second_with(first, |_| {})
    }

    /// Message 2, with attributes of the transform that are what `edit` makes of them.
    pub(crate) fn main_second_with(
        &mut self,
        first: &[u8],
        edit: impl FnOnce(&mut [u8]),
    ) -> Vec<u8> {
        let list = payloads(first[16], &first[28..]);
        assert_eq!((first[18], list[0].0), (2, 1), "main mode begins with an offer");
        self.offer_sent = list[0].1.clone();
        let ours = match &self.cookies.1[..] {
            [0, ..] => self.rng.array::<8>().map(|octet| octet | 1).to_vec(),
            known => known.to_vec(),
        };
        self.cookies = (first[..8].to_vec(), ours);
        let mut answer = self.offer_sent.clone();
        edit(&mut answer[ATTRIBUTES_AT..]);
        self.message(2, 0, 0, &[(1, answer)])
    }

    /// Message 4 upon message 3 of the server.
    pub(crate) fn main_fourth(&mut self, third: &[u8]) -> Vec<u8> {
        let list = payloads(third[16], &third[28..]);
        let find = |kind| list.iter().find(|found| found.0 == kind).unwrap().1.clone();
        let (theirs, their_nonce) = (find(4), find(10));
        self.nat_d =
            list.iter().filter(|found| found.0 == 20).map(|found| found.1.clone()).collect();
        let job = DhJob::new(self.group, &mut self.rng, Some(&theirs)).expect("our group");
        let DhResult::Done { public, shared } = job.run() else { panic!("bad public value") };
        self.publics = (theirs, public.to_vec());
        let nonce = self.nonce.clone();
        self.derive((&their_nonce, &nonce), shared.expose());
        self.message(2, 0, 0, &[(4, public.to_vec()), (10, nonce)])
    }

    /// Message 6 upon message 5 of the server, whose hash is checked.
    pub(crate) fn main_sixth(&mut self, fifth: &[u8]) -> Vec<u8> {
        let (plain, iv) = self.decrypt(fifth, &self.iv.clone());
        let list = payloads(fifth[16], &plain);
        let (initiator, responder) = &self.cookies;
        let (public_i, public_r) = &self.publics;
        let hash = |parts: [&[u8]; 6]| hmac(self.hash, &self.skeyid, &parts).expose().to_vec();
        let expected =
            hash([public_i, public_r, initiator, responder, &self.offer_sent, &list[0].1]);
        assert_eq!((list[0].0, list[1].0), (5, 8));
        assert_eq!(expected, list[1].1, "HASH_I");
        let ours = hash([public_r, public_i, responder, initiator, &self.offer_sent, &self.id]);
        let message = self.message(2, 1, 0, &[(5, self.id.clone()), (8, ours)]);
        let (message, last) = self.encrypt(message, &iv);
        self.last = last;
        message
    }
}

/// Where the attributes of the first transform begin in an SA payload without SPI.
const ATTRIBUTES_AT: usize = 8 + 8 + 8;
