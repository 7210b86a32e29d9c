//! The timeline while it is collected: consecutive records, and the gaps between them.
//!
//! Invariants: the number of buckets is bounded, whatever the history holds; a gap has a bucket of its own,
//! with the findings in it, and shares its neighbour's only if there are more records than buckets.

use std::collections::BTreeMap;

use fm_history::{PeerId, Severity};

/// The largest number of buckets of the timeline; before it is exceeded, buckets are joined in pairs.
const MOST_BUCKETS: usize = 400;

/// What certifies an epoch or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its own signatures were checked and hold.
    Signed,
    /// An earlier audit checked them, and nothing changed since.
    Trusted,
    /// An epoch without a signature of its own; a later one may cover it.
    Unsigned,
    /// It has signatures that nobody checked.
    Unchecked,
    /// Its signatures do not hold, or are too few.
    Bad,
    /// It does not decode.
    Damaged,
    /// There is no record.
    Missing,
}

impl State {
    pub(super) const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::Signed, "signed", "signed, every signature checked"),
        (Self::Trusted, "trusted", "checked by an earlier audit, unchanged since"),
        (Self::Unsigned, "unsigned", "no signature of its own"),
        (Self::Unchecked, "unchecked", "signatures not checked"),
        (Self::Bad, "bad", "signatures do not hold, or too few"),
        (Self::Damaged, "damaged", "record does not decode"),
        (Self::Missing, "missing", "not there"),
    ];
}

/// Some consecutive epochs or sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The number of records that exist.
    pub(super) records: u64,
    pub(super) items: u64,
    pub(super) states: [u64; State::ALL.len()],
    pub(super) errors: u64,
    pub(super) warnings: u64,
    /// For each guardian, the number of records with a signature of it, and the number with an item of it.
    pub(super) signers: BTreeMap<PeerId, u64>,
    pub(super) authors: BTreeMap<PeerId, u64>,
}

impl Bucket {
    /// Returns the number of epochs or sessions without a record.
    pub(super) fn missing(&self) -> u64 {
        self.states[State::Missing as usize]
    }

    /// Returns the number of records, plus one for a gap of any size.
    fn places(&self) -> u64 {
        self.records + u64::from(self.missing() > 0)
    }

    fn take(&mut self, found: Found) {
        self.errors += found.errors;
        self.warnings += found.warnings;
    }

    fn join(&mut self, next: Self) {
        self.last = next.last;
        self.records += next.records;
        self.items += next.items;
        let states = self.states.iter_mut().zip(next.states);
        states.for_each(|(sum, count)| *sum = sum.saturating_add(count));
        self.errors += next.errors;
        self.warnings += next.warnings;
        for (sums, counts) in [(&mut self.signers, next.signers), (&mut self.authors, next.authors)] {
            counts.into_iter().for_each(|(peer, count)| *sums.entry(peer).or_default() += count);
        }
    }
}

/// The number of findings at a place.
#[derive(Clone, Copy, Default)]
struct Found {
    errors: u64,
    warnings: u64,
}

/// All buckets so far.
#[derive(Default)]
pub(super) struct Buckets {
    pub(super) list: Vec<Bucket>,
    /// The number of records that a bucket takes.
    width: u64,
    /// The number of the next record, if none is missing.
    expected: u64,
    /// Findings at that number before its record came, or another one in its place.
    at_expected: Found,
    /// Findings beyond that number.
    beyond: Found,
}

impl Buckets {
    pub(super) fn starting_at(from: u64) -> Self {
        Self { width: 1, expected: from, ..Self::default() }
    }

    /// Counts a finding at an epoch or session, whose record may come later.
    pub(super) fn mark(&mut self, index: u64, severity: Severity) {
        let place = self.list.partition_point(|bucket| bucket.last < index);
        let (errors, warnings) = match self.list.get_mut(place) {
            Some(bucket) => (&mut bucket.errors, &mut bucket.warnings),
            None if index == self.expected => (&mut self.at_expected.errors, &mut self.at_expected.warnings),
            None => (&mut self.beyond.errors, &mut self.beyond.warnings),
        };
        severity.count(errors, warnings);
    }

    /// Returns the bucket of the next record; records missing before it get a bucket of their own.
    pub(super) fn next(&mut self, index: u64) -> &mut Bucket {
        let at_expected = std::mem::take(&mut self.at_expected);
        let beyond = std::mem::take(&mut self.beyond);
        if let Some(missing) = index.checked_sub(self.expected).filter(|missing| *missing > 0) {
            let hole = self.open(self.expected, index - 1);
            let states = &mut hole.states[State::Missing as usize];
            *states = states.saturating_add(missing);
            hole.take(at_expected);
        }
        let is_hole = index > self.expected;
        self.expected = index.saturating_add(1);
        let bucket = self.open(index, index);
        if !is_hole {
            bucket.take(at_expected);
        }
        bucket.take(beyond);
        bucket
    }

    /// Returns the bucket that takes the given range of numbers, and extends it to the end of that range.
    fn open(&mut self, first: u64, last: u64) -> &mut Bucket {
        let width = self.width.max(1);
        let is_full = |list: &[Bucket], width| list.last().is_none_or(|bucket| bucket.places() >= width);
        if is_full(&self.list, width) && self.list.len() >= MOST_BUCKETS {
            self.halve();
        }
        // Halving leaves the last bucket half full.
        if is_full(&self.list, self.width.max(1)) {
            self.list.push(Bucket { first, ..Bucket::default() });
        }
        let place = self.list.len() - 1;
        let bucket = &mut self.list[place];
        bucket.last = last;
        bucket
    }

    /// Joins the buckets in pairs.
    fn halve(&mut self) {
        self.width = self.width.max(1) * 2;
        let mut joined: Vec<Bucket> = Vec::with_capacity(MOST_BUCKETS);
        for (place, bucket) in std::mem::take(&mut self.list).into_iter().enumerate() {
            match joined.last_mut().filter(|_| place % 2 == 1) {
                Some(before) => before.join(bucket),
                None => joined.push(bucket),
            }
        }
        self.list = joined;
    }

    /// Ends the history: findings without a later record are counted at the end.
    pub(super) fn finish(&mut self) {
        let found = [std::mem::take(&mut self.at_expected), std::mem::take(&mut self.beyond)];
        if let Some(bucket) = self.list.last_mut() {
            found.into_iter().for_each(|found| bucket.take(found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(buckets: &mut Buckets, index: u64) {
        let bucket = buckets.next(index);
        bucket.records += 1;
        bucket.items += 2;
        bucket.states[State::Signed as usize] += 1;
    }

    #[test]
    fn buckets_stay_few_and_lose_nothing() {
        for count in [0, 1, 399, 400, 401, 100_000] {
            for step in [1, 2, 1_000] {
                let mut buckets = Buckets::starting_at(0);
                (0..count).for_each(|number| add(&mut buckets, number * step));
                let list = &buckets.list;
                assert!(list.len() <= MOST_BUCKETS);
                assert_eq!(list.iter().map(|bucket| bucket.items).sum::<u64>(), 2 * count);
                assert_eq!(list.iter().map(|bucket| bucket.states[0]).sum::<u64>(), count);
                let missing = count.saturating_sub(1) * (step - 1);
                assert_eq!(list.iter().map(Bucket::missing).sum::<u64>(), missing);
                assert!(list.windows(2).all(|pair| pair[0].last + 1 == pair[1].first));
            }
        }
    }

    #[test]
    fn numbers_far_apart_take_no_more_room() {
        let mut buckets = Buckets::starting_at(0);
        [0, 5, u64::MAX - 1, u64::MAX].into_iter().for_each(|index| add(&mut buckets, index));
        let spans: Vec<_> = buckets.list.iter().map(|bucket| (bucket.first, bucket.missing())).collect();
        let hole = u64::MAX - 1 - 6;
        assert_eq!(spans, [(0, 0), (1, 4), (5, 0), (6, hole), (u64::MAX - 1, 0), (u64::MAX, 0)]);
    }

    #[test]
    fn what_is_found_of_a_hole_is_at_the_hole() {
        let mut buckets = Buckets::starting_at(3);
        buckets.mark(3, Severity::Error);
        add(&mut buckets, 5);
        buckets.mark(6, Severity::Warning);
        add(&mut buckets, 6);
        buckets.mark(7, Severity::Error);
        buckets.mark(9, Severity::Warning);
        add(&mut buckets, 9);
        buckets.mark(5, Severity::Error);
        buckets.mark(12, Severity::Error);
        buckets.finish();
        let found: Vec<_> =
            buckets.list.iter().map(|b| (b.first, b.missing(), b.errors, b.warnings)).collect();
        let expected = [(3, 2, 1, 0), (5, 0, 1, 0), (6, 0, 0, 1), (7, 2, 1, 0), (9, 0, 1, 1)];
        assert_eq!(found, expected);
    }
}
