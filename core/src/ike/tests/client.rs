//! An initiator of its own: it shares primitives with the component, but no formats, no key
//! derivation and no state.

mod answer;
mod offer;
mod respond;

use core::net::{IpAddr, SocketAddr};
use std::vec;
use std::vec::Vec;

use crate::crypto::cbc;
use crate::crypto::dh::{DhJob, DhResult};
use crate::crypto::prf::{digest, hmac};
use crate::crypto::{Cipher, Group, Hash, Rng};

pub(crate) use offer::*;

pub(crate) const RFC_3947: &str = "4a131c81070358455c5728f20e95452f";
pub(crate) const DRAFT_02_N: &str = "90cb80913ebb696e086381b5ec427b1f";
pub(crate) const DPD: &str = "afcad71368a1f1c96b8696fc77570100";
pub(crate) const MICROSOFT: &str = "1e2b516905991c7d7c96fcbfb587e46100000009";

/// A client that dials.
pub(crate) struct Client {
    pub(crate) psk: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) vendor_ids: Vec<&'static str>,
    pub(crate) cipher: Cipher,
    pub(crate) hash: Hash,
    pub(crate) group: Group,
    /// Whether hashes of phase 2 are wrong, in messages that are sound otherwise.
    pub(crate) lies: bool,
    /// Octets of SA payload bodies to send instead of the usual ones.
    pub(crate) offer: Option<Vec<u8>>,
    pub(crate) quick: Quick,
    pub(crate) cookies: (Vec<u8>, Vec<u8>),
    pub(crate) nat_d: Vec<Vec<u8>>,
    /// The server's address and ours, if they are to be hashed as they are.
    pub(crate) outer: Option<[SocketAddr; 2]>,
    rng: Rng,
    offer_sent: Vec<u8>,
    job: Option<DhJob>,
    public: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    publics: (Vec<u8>, Vec<u8>),
    skeyid: Vec<u8>,
    pub(crate) skeyid_d: Vec<u8>,
    skeyid_a: Vec<u8>,
    key: Vec<u8>,
    iv: Vec<u8>,
    last: Vec<u8>,
}

/// How the client offers IPsec SAs.
#[derive(Clone)]
pub(crate) struct Quick {
    /// Octets of the SA payload body to send instead of what the fields below say.
    pub(crate) offer: Option<Vec<u8>>,
    pub(crate) spi: u32,
    pub(crate) transform: u8,
    pub(crate) attributes: Vec<u8>,
    pub(crate) group: Option<Group>,
    pub(crate) ids: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) nat_oa: Vec<Vec<u8>>,
    /// A public value to answer with instead of one that fits; an empty one is left out.
    pub(crate) public: Option<Vec<u8>>,
    /// Payloads at the end of message 1.
    pub(crate) extra: Vec<(u8, Vec<u8>)>,
}

/// What quick mode gave the client.
#[derive(Debug)]
pub(crate) struct Agreed {
    pub(crate) spi_server: u32,
    pub(crate) key_to_server: Vec<u8>,
    pub(crate) key_to_client: Vec<u8>,
    pub(crate) payloads: Vec<(u8, Vec<u8>)>,
    pub(crate) third: Vec<u8>,
}

impl Client {
    pub(crate) fn new(seed: u8) -> Self {
        let mut rng = Rng::from_seed([seed; 32]);
        let cookie = rng.array::<8>().to_vec();
        let address = [1, 0, 0, 0, 10, 0, 0, 2].to_vec();
        let ids = (vec![1, 17, 6, 165, 10, 0, 0, 2], vec![1, 17, 6, 165, 192, 0, 2, 1]);
        Self {
            psk: b"a shared secret".to_vec(),
            id: address,
            vendor_ids: vec![RFC_3947, DRAFT_02_N, DPD],
            cipher: Cipher::Aes256,
            hash: Hash::Sha1,
            group: Group::Modp1024,
            lies: false,
            offer: None,
            quick: Quick {
                offer: None,
                spi: 0xc000_0000 | u32::from(seed),
                transform: 12,
                attributes: attributes(&[(1, 1), (2, 3600), (4, 4), (5, 2), (6, 256)]),
                group: None,
                ids: Some(ids),
                nat_oa: Vec::new(),
                public: None,
                extra: Vec::new(),
            },
            cookies: (cookie, vec![0; 8]),
            nat_d: Vec::new(),
            outer: None,
            nonce: rng.array::<20>().to_vec(),
            rng,
            offer_sent: Vec::new(),
            job: None,
            public: Vec::new(),
            publics: Default::default(),
            skeyid: Vec::new(),
            skeyid_d: Vec::new(),
            skeyid_a: Vec::new(),
            key: Vec::new(),
            iv: Vec::new(),
            last: Vec::new(),
        }
    }

    pub(crate) fn first(&mut self) -> Vec<u8> {
        let (cipher, bits) = match self.cipher {
            Cipher::TripleDes => (5, 0),
            Cipher::Aes128 => (7, 128),
            Cipher::Aes192 => (7, 192),
            Cipher::Aes256 => (7, 256),
        };
        let mut list = vec![(1, cipher), (2, hash_number(self.hash)), (3, 1)];
        list.extend([(4, group_number(self.group)), (11, 1), (12, 28_800)]);
        if bits > 0 {
            list.push((14, bits));
        }
        let offer = sa(1, &[], &[(1, attributes(&list))]);
        self.offer_sent = self.offer.clone().unwrap_or(offer);
        let mut payloads = vec![(1, self.offer_sent.clone())];
        payloads.extend(self.vendor_ids.iter().map(|id| (13, crate::crypto::testing::hex(id))));
        self.message(2, 0, 0, &payloads)
    }

    /// Message 3 upon message 2.
    pub(crate) fn third(&mut self, second: &[u8]) -> Vec<u8> {
        self.cookies.1 = second[8..16].to_vec();
        let chosen = payloads(second[16], &second[28..]);
        assert_eq!(chosen[0].0, 1);
        let job = DhJob::new(self.group, &mut self.rng, None).unwrap();
        let DhResult::Done { public, .. } = job.run() else { panic!("own value") };
        self.public = public.to_vec();
        self.job = Some(job);
        let mut list = vec![(4, self.public.clone()), (10, self.nonce.clone())];
        if let Some(outer) = self.outer {
            list.extend(outer.map(|address| (20, self.hash_of(address))));
        } else if self.vendor_ids.contains(&RFC_3947) {
            let any = digest(self.hash, &[b"behind a NAT"]).expose().to_vec();
            list.extend([(20, any.clone()), (20, any)]);
        } else if self.vendor_ids.contains(&DRAFT_02_N) {
            let any = digest(self.hash, &[b"behind a NAT"]).expose().to_vec();
            list.extend([(130, any.clone()), (130, any)]);
        }
        self.message(2, 0, 0, &list)
    }

    /// What stands for an address in NAT-D (RFC 3947 §3.2).
    pub(crate) fn hash_of(&self, address: SocketAddr) -> Vec<u8> {
        let octets = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let (ours, theirs, port) = (&self.cookies.0, &self.cookies.1, address.port().to_be_bytes());
        digest(self.hash, &[ours, theirs, &octets, &port]).expose().to_vec()
    }

    /// Message 5 upon message 4.
    pub(crate) fn fifth(&mut self, fourth: &[u8], initial_contact: bool) -> Vec<u8> {
        let list = payloads(fourth[16], &fourth[28..]);
        let find = |kind| list.iter().find(|found| found.0 == kind).unwrap().1.clone();
        let (public, nonce) = (find(4), find(10));
        self.nat_d =
            list.iter().filter(|found| found.0 == 20).map(|found| found.1.clone()).collect();
        let private = self.job.take().unwrap().private;
        let job = DhJob::agree(self.group, private, &public).unwrap();
        let DhResult::Done { shared, .. } = job.run() else { panic!("bad public value") };
        let shared = shared.expose().to_vec();
        self.publics = (self.public.clone(), public);
        let ours = self.nonce.clone();
        self.derive((&ours, &nonce), &shared);
        let (cookie_i, cookie_r) = (&self.cookies.0, &self.cookies.1);
        let parts: [&[u8]; 6] =
            [&self.publics.0, &self.publics.1, cookie_i, cookie_r, &self.offer_sent, &self.id];
        let hash_i = hmac(self.hash, &self.skeyid, &parts).expose().to_vec();
        let mut list = vec![(5, self.id.clone()), (8, hash_i)];
        if initial_contact {
            list.push((
                11,
                notify(24578, 1, &[&self.cookies.0[..], &self.cookies.1].concat(), &[]),
            ));
        }
        let message = self.message(2, 1, 0, &list);
        let (message, iv) = self.encrypt(message, &self.iv.clone());
        self.iv = iv;
        message
    }

    /// Keys and the first IV of phase 1 (RFC 2409 §5, Appendix B); `nonces` are those of
    /// initiator and responder.
    fn derive(&mut self, nonces: (&[u8], &[u8]), shared: &[u8]) {
        let hash = self.hash;
        let prf =
            |key: &[u8], parts: &[&[u8]]| hmac(hash, key, &[&parts.concat()]).expose().to_vec();
        let (cookie_i, cookie_r) = (&self.cookies.0, &self.cookies.1);
        self.skeyid = prf(&self.psk, &[nonces.0, nonces.1]);
        self.skeyid_d = prf(&self.skeyid, &[shared, cookie_i, cookie_r, &[0]]);
        self.skeyid_a = prf(&self.skeyid, &[&self.skeyid_d, shared, cookie_i, cookie_r, &[1]]);
        let skeyid_e = prf(&self.skeyid, &[&self.skeyid_a, shared, cookie_i, cookie_r, &[2]]);
        self.key = skeyid_e.clone();
        if self.key.len() < self.cipher.key_len() {
            let first = prf(&skeyid_e, &[&[0]]);
            let second = prf(&skeyid_e, &[&first]);
            let third = prf(&skeyid_e, &[&second]);
            self.key = [first, second, third].concat();
        }
        self.key.truncate(self.cipher.key_len());
        let iv = digest(hash, &[&self.publics.0, &self.publics.1]).expose().to_vec();
        self.iv = iv[..self.cipher.block_len()].to_vec();
    }

    /// Checks message 6.
    pub(crate) fn done(&mut self, sixth: &[u8]) {
        let (plain, iv) = self.decrypt(sixth, &self.iv.clone());
        self.last = iv;
        let list = payloads(sixth[16], &plain);
        let expected = hmac(
            self.hash,
            &self.skeyid,
            &[
                &self.publics.1,
                &self.publics.0,
                &self.cookies.1,
                &self.cookies.0,
                &self.offer_sent,
                &list[0].1,
            ],
        );
        assert_eq!((list[0].0, list[1].0), (5, 8));
        assert_eq!(expected.expose(), list[1].1, "HASH_R");
    }

    /// Message 1 of quick mode; keep the state for [`Client::quick_third`].
    pub(crate) fn quick_first(&mut self, message_id: u32) -> (Vec<u8>, QuickState) {
        let nonce = self.rng.array::<24>().to_vec();
        let mut attributes_sent = self.quick.attributes.clone();
        if let Some(group) = self.quick.group {
            attributes_sent.extend(attributes(&[(3, group_number(group))]));
        }
        let usual =
            sa(3, &self.quick.spi.to_be_bytes(), &[(self.quick.transform, attributes_sent)]);
        let offer = self.quick.offer.clone().unwrap_or(usual);
        let mut list = vec![(1, offer), (10, nonce.clone())];
        let job = self.quick.group.map(|group| DhJob::new(group, &mut self.rng, None).unwrap());
        if let Some(job) = &job {
            let DhResult::Done { public, .. } = job.run() else { panic!("own value") };
            list.push((4, public.to_vec()));
        }
        if let Some((ours, theirs)) = &self.quick.ids {
            list.extend([(5, ours.clone()), (5, theirs.clone())]);
        }
        list.extend(self.quick.nat_oa.iter().map(|body| (21, body.clone())));
        list.extend(self.quick.extra.iter().cloned());
        let (message, iv) = self.hashed(32, message_id, None, &[&message_id.to_be_bytes()], &list);
        (message, QuickState { message_id, iv, nonce, job })
    }

    /// A message in plain text with whatever payloads.
    pub(crate) fn plain(&self, exchange: u8, list: &[(u8, Vec<u8>)]) -> Vec<u8> {
        self.message(exchange, 0, 0, list)
    }

    /// Message 1 of quick mode whose hash is cut to `len` octets.
    pub(crate) fn quick_first_with_hash_of(&mut self, id: u32, len: usize) -> (Vec<u8>, Vec<u8>) {
        let offer = sa(3, &self.quick.spi.to_be_bytes(), &[(12, self.quick.attributes.clone())]);
        let rest = [(1, offer), (10, [5; 20].to_vec())];
        let id_octets = id.to_be_bytes();
        let hash = hmac(self.hash, &self.skeyid_a, &[&id_octets, &chain(&rest)]);
        let mut list = vec![(8, hash.expose()[..len].to_vec())];
        list.extend(rest);
        let iv = digest(self.hash, &[&self.last, &id_octets]).expose().to_vec();
        let message = self.message(32, 1, id, &list);
        self.encrypt(message, &iv[..self.cipher.block_len()])
    }

    /// Message 3 of quick mode upon message 2.
    pub(crate) fn quick_third(&mut self, state: QuickState, second: &[u8]) -> Agreed {
        let QuickState { message_id, iv, nonce, job } = state;
        let (plain, iv) = self.decrypt(second, &iv);
        let list = payloads(second[16], &plain);
        let id = message_id.to_be_bytes();
        let covered = &plain[4 + list[0].1.len()..chain_len(second[16], &plain)];
        let expected = hmac(self.hash, &self.skeyid_a, &[&id, &nonce, covered]);
        assert_eq!(expected.expose(), list[0].1, "HASH(2)");
        let find = |kind| list.iter().find(|found| found.0 == kind).unwrap().1.clone();
        let (answer, their_nonce) = (find(1), find(10));
        let spi_server = u32::from_be_bytes(answer[16..20].try_into().unwrap());
        let shared = job.map_or(Vec::new(), |job| {
            let job = DhJob::agree(job.group, job.private, &find(4)).unwrap();
            let DhResult::Done { shared, .. } = job.run() else { panic!("bad public value") };
            shared.expose().to_vec()
        });
        let key = |spi| self.esp_key(spi, &shared, &nonce, &their_nonce);
        let hash = self.phase2_hash(&[&[0], &id, &nonce, &their_nonce]);
        let third = self.message(32, 1, message_id, &[(8, hash)]);
        let (third, _) = self.encrypt(third, &iv);
        let (key_to_server, key_to_client) = (key(spi_server), key(self.quick.spi));
        Agreed { spi_server, key_to_server, key_to_client, payloads: list, third }
    }

    pub(crate) fn informational(&mut self, message_id: u32, list: &[(u8, Vec<u8>)]) -> Vec<u8> {
        self.hashed(5, message_id, None, &[&message_id.to_be_bytes()], list).0
    }

    /// The payloads of an informational message, after its hash.
    pub(crate) fn read(&self, message: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let id: [u8; 4] = message[20..24].try_into().unwrap();
        let iv = digest(self.hash, &[&self.last, &id]).expose().to_vec();
        let (plain, _) = self.decrypt(message, &iv[..self.cipher.block_len()]);
        let list = payloads(message[16], &plain);
        let covered = &plain[4 + list[0].1.len()..chain_len(message[16], &plain)];
        let expected = hmac(self.hash, &self.skeyid_a, &[&id, covered]);
        assert_eq!(expected.expose(), list[0].1, "HASH(1)");
        list[1..].to_vec()
    }

    fn hashed(
        &self,
        exchange: u8,
        message_id: u32,
        iv: Option<&[u8]>,
        prefix: &[&[u8]],
        list: &[(u8, Vec<u8>)],
    ) -> (Vec<u8>, Vec<u8>) {
        let first = list.first().map_or(0, |found| found.0);
        let rest = chain(list);
        let mut full = vec![(8, self.phase2_hash(&[&prefix.concat(), &rest]))];
        full.extend_from_slice(list);
        let message = self.message(exchange, 1, message_id, &full);
        assert_eq!(message[28], first);
        let id = message_id.to_be_bytes();
        let fresh =
            digest(self.hash, &[&self.last, &id]).expose()[..self.cipher.block_len()].to_vec();
        self.encrypt(message, iv.unwrap_or(&fresh))
    }

    /// A hash of phase 2 for a message of the client.
    fn phase2_hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut hash = hmac(self.hash, &self.skeyid_a, parts).expose().to_vec();
        hash[0] ^= u8::from(self.lies);
        hash
    }

    fn message(&self, exchange: u8, flags: u8, id: u32, list: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let body = chain(list);
        let mut message = [&self.cookies.0[..], &self.cookies.1].concat();
        message.extend([list[0].0, 0x10, exchange, flags]);
        message.extend(id.to_be_bytes());
        message.extend((28 + body.len() as u32).to_be_bytes());
        message.extend(body);
        message
    }

    fn encrypt(&self, mut message: Vec<u8>, iv: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let block = self.cipher.block_len();
        while !(message.len() - 28).is_multiple_of(block) {
            message.push(0);
        }
        let len = message.len() as u32;
        message[24..28].copy_from_slice(&len.to_be_bytes());
        cbc::encrypt(self.cipher, &self.key, iv, &mut message[28..]).unwrap();
        let next = message[message.len() - block..].to_vec();
        (message, next)
    }

    fn decrypt(&self, message: &[u8], iv: &[u8]) -> (Vec<u8>, Vec<u8>) {
        assert_eq!(message[19] & 1, 1, "encrypted");
        let mut body = message[28..].to_vec();
        let next = body[body.len() - self.cipher.block_len()..].to_vec();
        cbc::decrypt(self.cipher, &self.key, iv, &mut body).unwrap();
        (body, next)
    }
}

/// A quick mode between its messages.
#[derive(Clone)]
pub(crate) struct QuickState {
    message_id: u32,
    iv: Vec<u8>,
    nonce: Vec<u8>,
    job: Option<DhJob>,
}

fn chain(list: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, (_, body)) in list.iter().enumerate() {
        bytes.extend([list.get(at + 1).map_or(0, |next| next.0), 0]);
        bytes.extend((body.len() as u16 + 4).to_be_bytes());
        bytes.extend(body);
    }
    bytes
}

pub(crate) fn payloads(first: u8, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut list, mut kind, mut at) = (Vec::new(), first, 0);
    while kind != 0 {
        let len = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        list.push((kind, bytes[at + 4..at + len].to_vec()));
        kind = bytes[at];
        at += len;
    }
    list
}

fn chain_len(first: u8, bytes: &[u8]) -> usize {
    payloads(first, bytes).iter().map(|found| found.1.len() + 4).sum()
}

const fn hash_number(hash: Hash) -> u16 {
    match hash {
        Hash::Md5 => 1,
        Hash::Sha1 => 2,
        Hash::Sha256 => 4,
        Hash::Sha384 => 5,
        Hash::Sha512 => 6,
    }
}

const fn group_number(group: Group) -> u16 {
    match group {
        Group::Modp1024 => 2,
        Group::Modp1536 => 5,
        Group::Modp2048 => 14,
        Group::Modp3072 => 15,
        Group::Modp4096 => 16,
        Group::Ecp256 => 19,
        Group::Ecp384 => 20,
        Group::Ecp521 => 21,
    }
}
