//! `compare`: compares several guardians' states, in whatever form they are kept.
//!
//! Histories are read in step: the first session in which two histories differ is the session where their
//! guardians diverged. What a history does not cover (tables beside it, module state) is compared among the
//! states whose histories, ends and open sessions are equal.

use std::collections::BTreeMap;
use std::thread;

use fm_audit::{AuditError, Control, StateIdentity};
use fm_eras::Layout;
use fm_eras::modules::Modules;
use fm_history::{Hash, HistoryRoot};
use fm_rows::{JoinedAll, join_all};

use crate::leaves::{Step, Steps, steps};
use crate::tables::{TableComparison, compare_tables, modules_of};
use crate::{BackupError, Profile, State};

/// One of the compared states.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The number of its epochs or sessions.
    pub sessions: u64,
    /// The last epoch or session.
    pub last: Option<u64>,
    /// The first session that is missing before its last one.
    pub hole: Option<u64>,
    /// The history root over the whole history; `None` if a session is missing or hidden.
    pub history_root: Option<Hash>,
    /// The history root at the common end.
    pub common_root: Option<Hash>,
    /// The number of accepted items of the open session.
    pub pending: u64,
    /// The hash over the rows of the open session's accepted items.
    pub open: Hash,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The states, in the order given.
    pub states: Vec<Compared>,
    /// The last session that all states have.
    pub common_end: Option<u64>,
    /// The first session in which any two states differ.
    pub first_difference: Option<u64>,
    /// The groups of states without a difference, by their numbers: the largest group first.
    pub groups: Vec<Vec<usize>>,
    /// The group with more than half of the states, if there is one.
    pub majority: Option<usize>,
    /// The states outside the first group, and the session since which they differ. Without a majority,
    /// nothing shows which of the groups is off.
    pub off: Vec<(usize, u64)>,
    /// The modules of each state: kinds, and the versions of their databases.
    pub modules: Vec<Modules>,
    /// The comparison of what states of the first group keep beside the history, as far as they can be
    /// compared.
    pub tables: TableComparison,
}

impl Comparison {
    /// Returns whether all histories are the same, as far as they extend.
    pub fn is_one_history(&self) -> bool {
        self.first_difference.is_none()
    }

    /// Returns the first state that lacks a session before its last one, and that session.
    pub fn hole(&self) -> Option<(usize, u64)> {
        (0..).zip(&self.states).find_map(|(number, state)| Some((number, state.hole?)))
    }
}

/// Compares states; `kinds` are the kinds of the modules in the federation's configuration.
///
/// # Errors
/// If a state cannot be read, or the job was interrupted.
pub fn compare(
    states: &[State],
    kinds: &BTreeMap<u16, String>,
    control: Control<'_>,
) -> Result<Comparison, BackupError> {
    control.progress.begin("sessions", "sessions", None);
    let mut walk = Walk::new(states.len());
    thread::scope(|scope| {
        let mut all = Vec::with_capacity(states.len());
        for state in states {
            all.push(steps(scope, state, control)?);
        }
        walk.follow(all, control)
    })?;
    control.progress.end();
    let mut comparison = walk.conclude();
    for (compared, state) in comparison.states.iter_mut().zip(states) {
        (compared.pending, compared.open) = open_session(state, control)?;
    }
    for state in states {
        comparison.modules.push(modules_of(state, kinds)?);
    }
    let comparable = comparable(&comparison, states);
    comparison.tables =
        compare_tables(&states.iter().collect::<Vec<_>>(), &comparison.modules, &comparable, control)?;
    Ok(comparison)
}

/// Histories that are read in step.
struct Walk {
    states: Vec<Compared>,
    roots: Vec<Option<HistoryRoot>>,
    /// The first session in which two states differ, by their numbers, the smaller one first.
    parted: BTreeMap<(usize, usize), u64>,
    common_end: Option<u64>,
}

impl Walk {
    fn new(count: usize) -> Self {
        let roots = vec![Some(HistoryRoot::new()); count];
        Self { states: vec![Compared::default(); count], roots, parted: BTreeMap::new(), common_end: None }
    }

    fn follow(&mut self, all: Vec<Steps>, control: Control<'_>) -> Result<(), AuditError> {
        let (mut is_common, mut expected) = (true, 0);
        for joined in join_all(all) {
            control.check()?;
            let joined = joined?;
            let index = joined.key;
            if is_common && joined.ended.contains(&true) {
                self.keep_common_roots();
                is_common = false;
            }
            self.note_holes(&joined, expected);
            expected = index.saturating_add(1);
            self.on_session(&joined);
            if is_common {
                self.common_end = Some(index);
            }
            control.progress.advance(1);
        }
        if is_common && self.common_end.is_some() {
            self.keep_common_roots();
        }
        Ok(())
    }

    /// Records which states have nothing for a session, but something after it.
    fn note_holes(&mut self, joined: &JoinedAll<u64, Step>, expected: u64) {
        let is_gap = joined.key > expected;
        for ((state, step), ended) in self.states.iter_mut().zip(&joined.values).zip(&joined.ended) {
            if !ended && (is_gap || step.is_none()) {
                state.hole = state.hole.or(Some(expected));
            }
        }
    }

    fn on_session(&mut self, joined: &JoinedAll<u64, Step>) {
        let index = joined.key;
        // A history that has ended differs from none that continues.
        let here: Vec<(usize, Option<&Step>)> = (0..)
            .zip(joined.values.iter().zip(&joined.ended))
            .filter_map(|(number, (step, ended))| (!ended).then_some((number, step.as_ref())))
            .collect();
        for (number, step) in &here {
            let root = &mut self.roots[*number];
            match (step.and_then(|step| step.leaf), root.as_mut().filter(|root| root.sessions() == index)) {
                (Some(leaf), Some(root)) => root.push(leaf),
                _ => *root = None,
            }
            if step.is_some() {
                self.states[*number].sessions += 1;
                self.states[*number].last = Some(index);
            }
        }
        for (position, (first, one)) in here.iter().enumerate() {
            for (second, other) in &here[position + 1..] {
                if one.map(|step| step.token) != other.map(|step| step.token) {
                    self.parted.entry((*first, *second)).or_insert(index);
                }
            }
        }
    }

    fn keep_common_roots(&mut self) {
        for (state, root) in self.states.iter_mut().zip(&self.roots) {
            state.common_root = root.as_ref().map(HistoryRoot::root);
        }
    }

    fn parted(&self, one: usize, other: usize) -> Option<u64> {
        self.parted.get(&(one.min(other), one.max(other))).copied()
    }

    fn conclude(mut self) -> Comparison {
        for (state, root) in self.states.iter_mut().zip(&self.roots) {
            state.history_root = root.as_ref().filter(|root| root.sessions() > 0).map(HistoryRoot::root);
        }
        let groups = self.groups();
        let off = |group: &[usize]| {
            let mut off: Vec<(usize, u64)> = (0..self.states.len())
                .filter(|number| !group.contains(number))
                .filter_map(|number| {
                    let since = group.iter().filter_map(|other| self.parted(number, *other)).min()?;
                    Some((number, since))
                })
                .collect();
            off.sort_by_key(|(number, since)| (*since, *number));
            off
        };
        let off = groups.first().map(|group| off(group)).unwrap_or_default();
        let majority = groups.iter().position(|group| group.len() * 2 > self.states.len());
        Comparison {
            common_end: self.common_end,
            first_difference: self.parted.values().min().copied(),
            off,
            majority,
            groups,
            states: self.states,
            modules: Vec::new(),
            tables: TableComparison::default(),
        }
    }

    /// Returns the groups of states without a difference. A state that ends before others differ joins the
    /// larger group.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut longest_first: Vec<usize> = (0..self.states.len()).collect();
        longest_first.sort_by_key(|number| (std::cmp::Reverse(self.states[*number].last), *number));
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for number in longest_first {
            let agrees =
                |group: &&mut Vec<usize>| group.iter().all(|other| self.parted(number, *other).is_none());
            let largest = groups.iter_mut().filter(agrees).max_by_key(|group| group.len());
            match largest {
                Some(group) => group.push(number),
                None => groups.push(vec![number]),
            }
        }
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group.first().copied()));
        groups
    }
}

/// Returns the number of accepted items of the open session, and the identity of their rows.
fn open_session(state: &State, control: Control<'_>) -> Result<(u64, Hash), BackupError> {
    let Layout::Blocks(layout) = state.layout() else { return Ok((0, Hash::default())) };
    let Some(pending) = layout.pending.filter(|_| state.profile() == Profile::Full) else {
        return Ok((0, Hash::default()));
    };
    let (mut count, mut identity) = (0, StateIdentity::default());
    for row in state.rows().scan_prefix(pending) {
        let (key, value) = row.map_err(|source| AuditError::rows(state.path(), source))?;
        control.check()?;
        identity.push(&key, &value);
        count += 1;
    }
    Ok((count, identity.finish()))
}

/// Returns the largest set of states of the first group that are at the same point: same end, same open
/// session, every row present.
fn comparable(comparison: &Comparison, states: &[State]) -> Vec<usize> {
    let mut points: BTreeMap<(Option<u64>, [u8; 32]), Vec<usize>> = BTreeMap::new();
    for number in comparison.groups.first().into_iter().flatten() {
        if states[*number].profile() == Profile::Full {
            let state = &comparison.states[*number];
            points.entry((state.last, state.open.0)).or_default().push(*number);
        }
    }
    points.into_values().rev().max_by_key(Vec::len).filter(|numbers| numbers.len() > 1).unwrap_or_default()
}
