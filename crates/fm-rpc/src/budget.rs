//! Bounds the bytes that remote parties make this node hold: by address, and in total.
//!
//! Invariants: the held bytes never exceed a budget or any budget that it is part of. Dropping a [`Charge`]
//! returns its bytes, however that happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::sleep;

/// The interval at which a wait checks for room.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A bound on held bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    held: AtomicUsize,
    whole: Option<Arc<Self>>,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: AtomicUsize::new(0), whole: None })
    }

    /// Returns a separate budget within another one.
    pub(crate) fn part_of(whole: &Arc<Self>, most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: AtomicUsize::new(0), whole: Some(whole.clone()) })
    }

    /// Takes bytes; returns `None` if there is no room for them, here or in the whole.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        self.add(bytes).then(|| Charge { budget: self.clone(), bytes })
    }

    /// Waits for room. A request above the size of a budget takes all of it.
    pub(crate) async fn wait(self: &Arc<Self>, bytes: usize) -> Charge {
        let bytes = bytes.min(self.largest());
        loop {
            if let Some(charge) = self.take(bytes) {
                return charge;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    fn largest(&self) -> usize {
        self.whole.as_ref().map_or(self.most, |whole| whole.largest().min(self.most))
    }

    fn add(&self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.most);
        if self.held.fetch_update(Relaxed, Relaxed, more).is_err() {
            return false;
        }
        let fits = self.whole.as_ref().is_none_or(|whole| whole.add(bytes));
        if !fits {
            self.held.fetch_sub(bytes, Relaxed);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
    }
}

/// Held bytes.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Holds more bytes; returns false if there is no room for them.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.budget.add(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all bytes above this number to the budget.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.budget.give_back(self.bytes.saturating_sub(bytes));
        self.bytes = self.bytes.min(bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_bounded_by_itself_and_by_the_whole() {
        let whole = Budget::new(100);
        let (one, other) = (Budget::part_of(&whole, 70), Budget::part_of(&whole, 70));
        let mut first = one.take(60).unwrap();
        assert!(one.take(11).is_none() && !first.grow(11) && first.grow(10));
        assert!(other.take(31).is_none() && other.take(30).is_some());
        first.shrink_to(20);
        first.shrink_to(50);
        let second = other.take(70).unwrap();
        assert!(one.take(11).is_none());
        drop((first, second));
        // A request above the size takes everything.
        let all = one.wait(usize::MAX).await;
        assert!(one.take(1).is_none() && other.take(31).is_none());
        drop(all);
        let waiting = Duration::from_millis(50);
        let held = other.take(70).unwrap();
        assert!(tokio::time::timeout(waiting, one.wait(31)).await.is_err());
        drop(held);
        assert_eq!(one.wait(31).await.bytes, 31);
        assert_eq!(whole.held.load(Relaxed), 0);
    }
}
