//! The settings in flash: one record, replaced as a whole.
//!
//! `sequential-storage` appends the new record behind the old one and only erases a page whose
//! records are all outdated, so the old record stays until the new one is complete: after a cut
//! at any write the board starts with one or the other (ADR 26). Flash that is written once
//! between erasures will do.

use core::fmt;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};

use crate::settings::{RECORD_LEN, RecordError, Settings};

/// A place for settings.
pub struct Store<F: NorFlash> {
    map: MapStorage<u8, F, NoCache>,
}

/// One record is read once.
type NoCache = Cache<Uncached, Uncached, Uncached, u8>;

/// Where the settings of this start come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From flash.
    Flash,
    /// From the image: there are none in flash yet.
    Image,
    /// There are none at all.
    Nowhere,
    /// There are some in flash, but they are damaged; those of the image stand in, if any.
    Damaged,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flash => "from flash",
            Self::Image => "that came with the image",
            Self::Nowhere => "are those of a new board",
            Self::Damaged => "in flash are damaged: those of the image stand in, if any",
        })
    }
}

/// The flash does not do what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreError;

impl<F: NorFlash> Store<F> {
    /// Uses `range` of the flash, at least two pages of at least 4 KiB.
    ///
    /// # Errors
    /// [`StoreError`] for a range that does not fit the flash's pages.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, StoreError> {
        let page_fits = F::ERASE_SIZE >= 2 * ROOM_LEN;
        let config = MapConfig::try_new(range).ok().filter(|_| page_fits).ok_or(StoreError)?;
        Ok(Self { map: MapStorage::new(flash, config, Cache::new_uncached()) })
    }

    /// The settings to start with: those in flash, else those of `image`, which is a record that
    /// came with the firmware or nothing, else the default.
    pub async fn load(&mut self, image: &[u8]) -> (Settings, Origin) {
        let origin = match self.read().await {
            Ok(Some(settings)) => return (settings, Origin::Flash),
            Ok(None) => Origin::Nowhere,
            Err(_) => Origin::Damaged,
        };
        match Settings::from_record(image) {
            Ok(settings) if origin == Origin::Nowhere => (settings, Origin::Image),
            Ok(settings) => (settings, origin),
            Err(_) => (Settings::default(), origin),
        }
    }

    /// Replaces the settings in flash.
    ///
    /// # Errors
    /// [`StoreError`]: the old ones stay.
    pub async fn save(&mut self, settings: &Settings) -> Result<(), StoreError> {
        let mut record = [0; RECORD_LEN];
        let record = settings.to_record(&mut record);
        let mut room = Room::new();
        match self.map.store_item(&mut room.0, &KEY, &record).await {
            Ok(()) => return Ok(()),
            Err(Error::Corrupted { .. } | Error::FullStorage) => {}
            Err(_) => return Err(StoreError),
        }
        // Nothing in there can be read any more: there is no old record to be kept.
        self.erase().await?;
        self.map.store_item(&mut room.0, &KEY, &record).await.map_err(|_| StoreError)
    }

    /// Forgets everything, secrets too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erase(&mut self) -> Result<(), StoreError> {
        self.map.erase_all().await.map_err(|_| StoreError)
    }

    /// The flash.
    pub fn flash(&mut self) -> &mut F {
        self.map.flash()
    }

    async fn read(&mut self) -> Result<Option<Settings>, RecordError> {
        let mut room = Room::new();
        match self.map.fetch_item::<&[u8]>(&mut room.0, &KEY).await {
            Ok(Some(record)) => Settings::from_record(record).map(Some),
            Ok(None) => Ok(None),
            Err(_) => Err(RecordError::Damaged),
        }
    }
}

/// Room for a record and its key, on a boundary that every flash controller takes.
#[repr(align(32))]
struct Room([u8; ROOM_LEN]);

impl Room {
    const fn new() -> Self {
        Self([0; ROOM_LEN])
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

const ROOM_LEN: usize = (RECORD_LEN + 1).next_multiple_of(32);
/// The record's place in the map.
const KEY: u8 = 1;

#[cfg(test)]
mod tests;
