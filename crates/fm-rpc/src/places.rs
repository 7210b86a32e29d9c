//! The connections that are allowed: places by address, and separate places for guardians.
//!
//! Invariants: many connections from one address shut out no other address. No remote party takes a
//! guardian's place, and no guardian takes another guardian's.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::task::AbortHandle;

use crate::budget::Budget;
use crate::server::Limits;

/// Connections of one guardian at a time: two are enough, but old ones may still be ending.
const OF_A_GUARDIAN: usize = 8;

/// The party that a connection belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Holder {
    /// The clients from that address.
    Address(IpAddr),
    /// A guardian, which presented its pass.
    Guardian(u16),
}

/// The budgets that all connections of a holder share.
#[derive(Debug, Clone)]
pub(crate) struct Budgets {
    pub(crate) requests: Arc<Budget>,
    pub(crate) answers: Arc<Budget>,
}

impl Budgets {
    fn new(limits: &Limits) -> Self {
        Self { requests: Budget::new(limits.requests_in_all), answers: Budget::new(limits.answers_in_all) }
    }

    fn part(&self, limits: &Limits) -> Self {
        Self {
            requests: Budget::part_of(&self.requests, limits.requests_of_one),
            answers: Budget::part_of(&self.answers, limits.answers_of_one),
        }
    }
}

struct Place {
    holder: Holder,
    /// The time of its last message.
    active: Instant,
    connection: Option<AbortHandle>,
}

#[derive(Default)]
struct Table {
    next: u64,
    places: BTreeMap<u64, Place>,
    /// The budgets of every holder of a place.
    budgets: HashMap<Holder, (Budgets, usize)>,
}

/// All places.
pub(crate) struct Places {
    limits: Limits,
    others: Budgets,
    guardians: Budgets,
    table: Mutex<Table>,
}

/// A place; it is free again when this value is dropped.
pub(crate) struct Ticket {
    places: Arc<Places>,
    number: u64,
    pub(crate) budgets: Budgets,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let (others, guardians) = (Budgets::new(&limits), Budgets::new(&limits));
        Arc::new(Self { limits, others, guardians, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; if no place is left, ends another connection and takes its place.
    pub(crate) fn enter(self: &Arc<Self>, holder: Holder) -> Ticket {
        let mut table = self.table();
        self.make_room(&mut table, holder);
        let number = table.next;
        table.next += 1;
        table.places.insert(number, Place { holder, active: Instant::now(), connection: None });
        let budgets = self.budgets(&mut table, holder);
        Ticket { places: self.clone(), number, budgets }
    }

    fn budgets(&self, table: &mut Table, holder: Holder) -> Budgets {
        let whole = match holder {
            Holder::Address(_) => &self.others,
            Holder::Guardian(_) => &self.guardians,
        };
        let new = || (whole.part(&self.limits), 0);
        let (budgets, places) = table.budgets.entry(holder).or_insert_with(new);
        *places += 1;
        budgets.clone()
    }

    /// Sets the task that is ended when the place is needed for another connection.
    pub(crate) fn held_by(&self, number: u64, connection: AbortHandle) {
        match self.table().places.get_mut(&number) {
            Some(place) => place.connection = Some(connection),
            // It ended by itself, or its place was already needed.
            None => connection.abort(),
        }
    }

    /// Ends a connection if `holder` can have no other place: the one that has been silent longest, of those
    /// from the address with the most connections, or of the guardian itself.
    fn make_room(&self, table: &mut Table, holder: Holder) {
        let mut counts: BTreeMap<Holder, usize> = BTreeMap::new();
        let is_guardian = |holder: Holder| matches!(holder, Holder::Guardian(_));
        for place in table.places.values().filter(|place| is_guardian(place.holder) == is_guardian(holder)) {
            *counts.entry(place.holder).or_default() += 1;
        }
        let loser = match holder {
            Holder::Guardian(_) => (counts.get(&holder) >= Some(&OF_A_GUARDIAN)).then_some(holder),
            Holder::Address(_) if counts.values().sum::<usize>() < self.limits.connections => None,
            Holder::Address(_) => counts.iter().max_by_key(|(_, count)| **count).map(|(holder, _)| *holder),
        };
        let Some(loser) = loser else { return };
        let of_loser = table.places.iter().filter(|(_, place)| place.holder == loser);
        let oldest = of_loser.min_by_key(|(_, place)| place.active).map(|(number, _)| *number);
        if let Some(place) = oldest.and_then(|number| table.leave(number)) {
            place.connection.iter().for_each(AbortHandle::abort);
        }
    }
}

impl Table {
    fn leave(&mut self, number: u64) -> Option<Place> {
        let place = self.places.remove(&number)?;
        if let Some((_, places)) = self.budgets.get_mut(&place.holder) {
            *places -= 1;
            if *places == 0 {
                self.budgets.remove(&place.holder);
            }
        }
        Some(place)
    }
}

impl Ticket {
    /// Returns its number among all places.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Records that the connection sent a message.
    pub(crate) fn active(&self) {
        if let Some(place) = self.places.table().places.get_mut(&self.number) {
            place.active = Instant::now();
        }
    }

    /// Moves the connection to one of this guardian's places.
    pub(crate) fn is_guardian(&mut self, guardian: u16) {
        let holder = Holder::Guardian(guardian);
        let mut table = self.places.table();
        let Some(Place { connection, .. }) = table.leave(self.number) else { return };
        self.places.make_room(&mut table, holder);
        table.places.insert(self.number, Place { holder, active: Instant::now(), connection });
        self.budgets = self.places.budgets(&mut table, holder);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.places.table().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> AbortHandle {
        tokio::spawn(std::future::pending::<()>()).abort_handle()
    }

    fn enter(places: &Arc<Places>, last: u8) -> (Ticket, AbortHandle) {
        let (ticket, task) = (places.enter(Holder::Address(IpAddr::from([10, 0, 0, last]))), waiting());
        places.held_by(ticket.number(), task.clone());
        (ticket, task)
    }

    async fn ended(task: &AbortHandle) -> bool {
        tokio::task::yield_now().await;
        task.is_finished()
    }

    #[tokio::test]
    async fn who_takes_all_places_loses_them_to_others() {
        let places = Places::new(Limits { connections: 10, ..Limits::default() });
        let (quiet, quiet_task) = enter(&places, 1);
        let mut loud: Vec<_> = (0..9).map(|_| enter(&places, 2)).collect();
        loud[0].0.active();
        let (_third, third_task) = enter(&places, 3);
        assert!(!ended(&quiet_task).await && !ended(&third_task).await);
        assert!(ended(&loud[1].1).await && !ended(&loud[0].1).await, "the silent one goes");
        // A connection that ends by itself frees its place, once.
        drop(loud.remove(1));
        drop(quiet);
        let _fourth = enter(&places, 4);
        assert_eq!(places.table().places.len(), 10);
        assert!(loud[1..].iter().all(|(_, task)| !task.is_finished()));
        drop(loud);
        let addresses = places.table().budgets.len();
        assert_eq!(addresses, 2, "only who is there has budgets");
    }

    #[tokio::test]
    async fn a_guardian_has_places_that_nobody_else_takes() {
        let places = Places::new(Limits { connections: 3, ..Limits::default() });
        let (mut guardian, task) = enter(&places, 1);
        guardian.is_guardian(7);
        let others: Vec<_> = (0..20).map(|_| enter(&places, 1)).collect();
        assert!(!ended(&task).await);
        assert_eq!(others.iter().filter(|(_, task)| !task.is_finished()).count(), 3);
        // Another guardian, or the same one repeatedly, takes only its own places.
        let another = |_| {
            let (mut ticket, task) = enter(&places, 2);
            ticket.is_guardian(8);
            (ticket, task)
        };
        let others: Vec<_> = (0..OF_A_GUARDIAN + 2).map(another).collect();
        assert!(!ended(&task).await);
        assert_eq!(others.iter().filter(|(_, task)| !task.is_finished()).count(), OF_A_GUARDIAN);
    }
}
