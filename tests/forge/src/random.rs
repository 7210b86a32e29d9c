//! Random numbers from a seed.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The only source of randomness of a forge.
pub(crate) struct Random(pub(crate) ChaCha12Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Returns a number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        usize::try_from(self.0.next_u64() % end).expect("the remainder is below a usize")
    }

    /// Decides whether an event with this probability in percent happens.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.0.next_u32() % 100 < percent
    }

    /// Returns an entry of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Returns `count` different numbers below `end`, ascending.
    pub(crate) fn subset(&mut self, end: u16, count: usize) -> Vec<u16> {
        let mut all: Vec<u16> = (0..end).collect();
        for place in 0..all.len() {
            let other = place + self.below(all.len() - place);
            all.swap(place, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}
