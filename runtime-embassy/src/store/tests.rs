use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use super::*;
use crate::settings::tests::full;

#[test]
fn settings_come_back_after_a_restart() {
    let flash = Flash::<4>::new();
    let (settings, origin) = load(&flash, b"");
    assert_eq!((settings.has_psk(), origin), (false, Origin::Nowhere));
    for psk in ["one", "two", "three", "four", "five", "six", "seven"] {
        let settings = named(psk);
        run(store(&flash).save(&settings)).unwrap();
        let (read, origin) = load(&flash, b"");
        assert!(read.is_same(&settings));
        assert_eq!(origin, Origin::Flash);
    }
    run(store(&flash).erase()).unwrap();
    assert_eq!(load(&flash, b"").1, Origin::Nowhere);
}

#[test]
fn the_image_stands_in_for_empty_and_for_damaged_flash() {
    let mut room = [0; RECORD_LEN];
    let image = full().to_record(&mut room).to_vec();
    let flash = Flash::<4>::new();
    let (settings, origin) = load(&flash, &image);
    assert!(settings.is_same(&full()));
    assert_eq!(origin, Origin::Image);
    run(store(&flash).save(&named("one"))).unwrap();
    flash.0.borrow_mut().octets.iter_mut().for_each(|octet| *octet ^= 0x5a);
    let (settings, origin) = load(&flash, &image);
    assert!(settings.is_same(&full()));
    assert_eq!(origin, Origin::Damaged);
    run(store(&flash).save(&named("two"))).unwrap();
    assert!(load(&flash, &image).0.is_same(&named("two")), "it is good again");
}

/// Cuts the power at every word that is written and every page that is erased, while settings
/// are replaced as often as it takes to use every page; then starts again.
fn cut_everywhere<const WORD: usize>() {
    let before: Vec<_> = (0..9).map(|round| named(&std::format!("old {round}"))).collect();
    let mut cuts = 0;
    for rounds in 1..before.len() {
        for budget in 0.. {
            let flash = Flash::<WORD>::new();
            for settings in &before[..rounds] {
                run(store(&flash).save(settings)).unwrap();
            }
            let old = &before[rounds - 1];
            let new = full();
            flash.0.borrow_mut().budget = Some(budget);
            let saved = run(store(&flash).save(&new));
            flash.0.borrow_mut().budget = None;
            let (read, origin) = load(&flash, b"");
            assert_eq!(origin, Origin::Flash, "round {rounds}, cut at {budget}");
            assert!(read.is_same(old) || read.is_same(&new), "round {rounds}, cut at {budget}");
            assert!(saved.is_err() || read.is_same(&new), "what was saved is there");
            // Life goes on.
            run(store(&flash).save(&named("later"))).unwrap();
            assert!(load(&flash, b"").0.is_same(&named("later")));
            if saved.is_ok() {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > 8 * RECORD_LEN / WORD / 2, "every word was cut once: {cuts}");
}

#[test]
fn a_torn_write_leaves_the_old_record_or_the_new_one() {
    cut_everywhere::<4>();
}

#[test]
fn a_torn_write_of_long_words_leaves_the_old_record_or_the_new_one() {
    cut_everywhere::<32>();
}

/// Settings that say whose they are.
fn named(psk: &str) -> Settings {
    let mut settings = Settings::default();
    settings.set_psk(psk.as_bytes()).unwrap();
    settings.add_user("jiro", psk).unwrap();
    settings
}

fn store<const WORD: usize>(flash: &Flash<WORD>) -> Store<Flash<WORD>> {
    Store::new(flash.clone(), 0..(PAGES * PAGE_LEN) as u32).unwrap()
}

fn load<const WORD: usize>(flash: &Flash<WORD>, image: &[u8]) -> (Settings, Origin) {
    run(store(flash).load(image))
}

/// NOR flash whose words can be written once between erasures, and whose power can be cut.
#[derive(Clone)]
struct Flash<const WORD: usize>(Rc<RefCell<State>>);

struct State {
    octets: Vec<u8>,
    written: Vec<bool>,
    /// Words and pages until the power goes.
    budget: Option<usize>,
}

#[derive(Debug)]
struct Dead;

impl NorFlashError for Dead {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const WORD: usize> Flash<WORD> {
    fn new() -> Self {
        let octets = std::vec![0xff; PAGES * PAGE_LEN];
        let written = std::vec![false; PAGES * PAGE_LEN / WORD];
        Self(Rc::new(RefCell::new(State { octets, written, budget: None })))
    }
}

impl State {
    fn spend(&mut self) -> Result<(), Dead> {
        match &mut self.budget {
            Some(0) => Err(Dead),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl<const WORD: usize> ErrorType for Flash<WORD> {
    type Error = Dead;
}

impl<const WORD: usize> ReadNorFlash for Flash<WORD> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Dead> {
        let at = offset as usize;
        bytes.copy_from_slice(&self.0.borrow().octets[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        PAGES * PAGE_LEN
    }
}

impl<const WORD: usize> NorFlash for Flash<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE_LEN;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Dead> {
        let state = &mut *self.0.borrow_mut();
        for page in (from as usize..to as usize).step_by(PAGE_LEN) {
            let cut = state.spend();
            // Where the power goes, half of the page is erased.
            let len = if cut.is_ok() { PAGE_LEN } else { PAGE_LEN / 2 };
            if cut.is_ok() || state.budget.take().is_some() {
                state.octets[page..page + len].fill(0xff);
                state.written[page / WORD..(page + len) / WORD].fill(false);
            }
            if cut.is_err() {
                state.budget = Some(0);
                return Err(Dead);
            }
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Dead> {
        let state = &mut *self.0.borrow_mut();
        for (at, word) in bytes.chunks(WORD).enumerate() {
            let place = offset as usize + at * WORD;
            state.spend()?;
            assert_eq!(word.len(), WORD, "whole words only");
            assert!(!state.written[place / WORD], "a word is written once");
            state.written[place / WORD] = true;
            state.octets[place..place + WORD].copy_from_slice(word);
        }
        Ok(())
    }
}

/// Nothing here waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

const PAGES: usize = 3;
const PAGE_LEN: usize = 4096;
