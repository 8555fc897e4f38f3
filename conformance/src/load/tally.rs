//! What arrives at one end, and how old it is.

use super::figures::Histogram;
use super::traffic::clock;

/// Packets that arrive between an opening and a closing.
///
/// What rides in between tells when it left: that which left before the opening counts as
/// arrived, since it took its place on the way, but not for loss and age.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// When it was opened, in microseconds of the machine's clock.
    since: u64,
    is_closed: bool,
    /// Packets that arrived until it was closed.
    pub(super) got: u64,
    /// Their octets.
    pub(super) octets: u64,
    /// Packets that left after the opening and arrived, late ones too.
    pub(super) own: u64,
    /// Their ages.
    pub(super) ages: Histogram,
}

impl Tally {
    /// One that begins now.
    pub(super) fn opened() -> Self {
        Self { since: clock(), ..Self::default() }
    }

    /// From here on only latecomers are counted.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Counts a packet of `len` octets that left at `left`.
    pub(super) fn add(&mut self, left: u64, len: usize) {
        if !self.is_closed {
            self.got += 1;
            self.octets += len as u64;
        }
        if left >= self.since {
            self.own += 1;
            self.ages.add(clock().saturating_sub(left));
        }
    }

    /// As words, to be read by [`Self::parse`].
    pub(super) fn emit(&self) -> String {
        let Self { got, octets, own, ages, .. } = self;
        format!("got {got} octets {octets} own {own} ages {}", ages.emit())
    }

    pub(super) fn parse<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<Self> {
        let mut value = |name| (words.next() == Some(name)).then(|| words.next()).flatten();
        Some(Self {
            got: value("got")?.parse().ok()?,
            octets: value("octets")?.parse().ok()?,
            own: value("own")?.parse().ok()?,
            ages: Histogram::parse(value("ages")?),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_and_late_ones_count_for_what_they_are() {
        let early = clock() - 1_000;
        let mut tally = Tally::opened();
        tally.add(early, 100);
        tally.add(clock(), 200);
        tally.close();
        tally.add(clock(), 400);
        let read = Tally::parse(tally.emit().split(' ')).unwrap();
        assert_eq!((read.got, read.octets, read.own), (2, 300, 2));
        assert!(Tally::parse("got 1 octets".split(' ')).is_none());
    }
}
