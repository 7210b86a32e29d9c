//! A sample of a history: randomly chosen records, and what it means if nothing was found in them.
//!
//! Invariant: for a history of the same length, the same seed always chooses the same records, on every
//! machine.

use std::collections::BTreeSet;

use fm_history::sha256;

/// Randomly chosen records, by their place among the records that are examined.
#[derive(Clone, Debug)]
pub struct Sample {
    places: BTreeSet<u64>,
    seed: u64,
    of: u64,
}

impl Sample {
    /// Chooses `count` of `of` places, or all places if there are not more.
    ///
    /// It uses Floyd's algorithm: every set of this many places is equally likely.
    pub fn choose(count: u64, of: u64, seed: u64) -> Self {
        let mut places = BTreeSet::new();
        for top in of.saturating_sub(count)..of {
            let place = below(top + 1, seed);
            if !places.insert(place) {
                places.insert(top);
            }
        }
        Self { places, seed, of }
    }

    pub(crate) fn has(&self, place: u64) -> bool {
        self.places.contains(&place)
    }

    /// Returns the number of chosen places.
    pub fn count(&self) -> u64 {
        self.places.len() as u64
    }

    /// Returns the number of places that the sample was chosen from.
    pub fn of(&self) -> u64 {
        self.of
    }

    /// Returns the seed of the choice.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the probability that none of `bad` records is in the sample.
    #[allow(clippy::cast_precision_loss, reason = "a chance is shown with a few digits")]
    pub fn missed(&self, bad: u64) -> f64 {
        if bad > self.of.saturating_sub(self.count()) {
            return 0.0;
        }
        let (of, count) = (self.of as f64, self.count() as f64);
        (0..bad).map(|before| (of - count - before as f64) / (of - before as f64)).product()
    }
}

/// Returns a pseudorandom number below `bound`, which is not 0. Numbers for different bounds are independent.
fn below(bound: u64, seed: u64) -> u64 {
    let mut attempt: u64 = 0;
    loop {
        let parts = [seed.to_be_bytes(), bound.to_be_bytes(), attempt.to_be_bytes()];
        let hash = sha256(&[b"fm-verify sample", parts.as_flattened()]);
        let mut word = [0; 8];
        word.copy_from_slice(&hash.0[..8]);
        let word = u64::from_be_bytes(word);
        // The last words before 2^64 would make the small numbers more likely.
        if word < u64::MAX - u64::MAX % bound {
            return word % bound;
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_asked_for_and_no_more_than_there_are() {
        for (count, of, chosen) in [(0, 10, 0), (3, 10, 3), (10, 10, 10), (99, 10, 10), (5, 0, 0)] {
            let sample = Sample::choose(count, of, 7);
            assert_eq!((sample.count(), sample.of()), (chosen, of));
            assert!(sample.places.iter().all(|place| *place < of));
        }
    }

    #[test]
    fn every_place_is_as_likely_as_any_other() {
        let mut times = [0u64; 20];
        for seed in 0..4000 {
            Sample::choose(5, 20, seed)
                .places
                .iter()
                .for_each(|place| times[usize::try_from(*place).unwrap_or(0)] += 1);
        }
        // 1,000 each, with a standard deviation of 27.
        assert!(times.iter().all(|times| (850..1150).contains(times)), "{times:?}");
    }

    #[test]
    fn the_seed_decides() {
        let places = |seed| Sample::choose(4, 1000, seed).places;
        assert_eq!(places(1), places(1));
        assert_ne!(places(1), places(2));
    }

    #[test]
    fn the_chance_of_missing_is_that_of_an_urn() {
        let sample = Sample::choose(10, 100, 1);
        assert!((sample.missed(1) - 0.9).abs() < 1e-12);
        assert!((sample.missed(2) - 0.9 * 89.0 / 99.0).abs() < 1e-12);
        assert!(sample.missed(91).abs() < 1e-12);
        assert!(Sample::choose(100, 100, 1).missed(1).abs() < 1e-12);
    }
}
