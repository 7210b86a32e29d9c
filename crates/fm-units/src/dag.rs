//! The graph of units, of one guardian's backup or of several joined, and what is wrong with it.
//!
//! Invariants: a unit is in the graph once, however many guardians stored it. Every fork is kept. A wrong
//! unit is never left out: it becomes a finding.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fm_codec::Dialect;
use fm_crypto::SessionKeys;
use fm_history::{Code, Finding, Hash, PeerId, Place};

use crate::alert::Alert;
use crate::form::UnitForm;
use crate::records::{Content, Records};
use crate::unit::Unit;

/// The most combinations of forked parents that are tried.
const MAX_FORK_CHOICES: usize = 64;

/// A unit in the graph.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The unit.
    pub unit: Unit<'a>,
    /// Its hash.
    pub hash: Hash,
    /// Position of the first backup that contains it.
    pub backup: usize,
    /// Key of the row in which it begins there.
    pub key: &'a [u8],
    /// Whether its creator signed it; unknown without keys.
    pub signed: Option<bool>,
    /// Whether the author of its batch signed it; unknown without keys, or where authors do not sign.
    pub batch_signed: Option<bool>,
    /// What is known of its parents.
    pub parents: Parents,
}

impl<'a> Node<'a> {
    /// Returns the row it begins in: the backup and the key.
    pub(crate) fn row(&self) -> (usize, &'a [u8]) {
        (self.backup, self.key)
    }
}

/// What is known of a unit's parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
    /// All are present, and the unit commits to them.
    Proven,
    /// This many are missing.
    Missing(usize),
    /// All are present, and the unit commits to others.
    Differ,
}

/// A graph of units of one session.
#[derive(Clone, Debug)]
pub struct Dag<'a> {
    /// The form of the backups.
    pub form: &'static UnitForm,
    /// The session.
    pub session: u64,
    /// Number of guardians.
    pub guardians: usize,
    /// The units, in the order of the first backup, then what later ones add.
    pub nodes: Vec<Node<'a>>,
    /// Units by round and creator; more than one is a fork.
    pub places: BTreeMap<(u16, u64), Vec<usize>>,
    /// Records of fork alerts.
    pub alerts: Vec<Alert<'a>>,
    /// The findings, in the order in which they were found.
    pub findings: Vec<Finding>,
    /// Units that a backup holds more than once.
    pub repeated: usize,
    /// The names of the backups in messages; empty if there is only one.
    labels: Vec<String>,
}

impl<'a> Dag<'a> {
    /// Joins backups of one session and checks every unit.
    ///
    /// `keys` check signatures. `dialect` is the dialect of the database, in which authors of old batches
    /// signed. Returns `None` if there is no backup, or if backups differ in session, form or number of
    /// guardians.
    pub fn new(backups: &[Records<'a>], keys: Option<&SessionKeys>, dialect: Dialect) -> Option<Self> {
        let first = backups.first()?;
        let same = |other: &Records<'a>| {
            (other.form, other.session, other.guardians) == (first.form, first.session, first.guardians)
        };
        if !backups.iter().all(same) {
            return None;
        }
        let mut dag = Self {
            form: first.form,
            session: first.session,
            guardians: first.guardians,
            nodes: Vec::new(),
            places: BTreeMap::new(),
            alerts: Vec::new(),
            findings: Vec::new(),
            repeated: 0,
            labels: backups.iter().map(|backup| backup.label.clone()).collect(),
        };
        let mut known = HashMap::new();
        for (source, backup) in backups.iter().enumerate() {
            dag.name_losses(source, backup);
            dag.add(source, backup, &mut known);
        }
        dag.name_forks();
        for index in 0..dag.nodes.len() {
            dag.check_parents(index);
        }
        if let Some(keys) = keys {
            dag.check_signatures(keys, dialect);
        } else if !dag.nodes.is_empty() {
            let text = format!(
                "without keys the signatures of all {} unit(s) are UNCHECKED: anybody can have made them",
                dag.nodes.len()
            );
            dag.find(Code::UnitSignaturesUnchecked, Place::session(dag.session), text);
        }
        Some(dag)
    }

    /// Returns whether every parent of every unit is present and committed to.
    pub fn is_closed(&self) -> bool {
        self.nodes.iter().all(|node| node.parents == Parents::Proven)
    }

    /// Returns the rounds and creators that have more than one unit.
    pub fn forks(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.places.iter().filter(|(_, units)| units.len() > 1).map(|(place, _)| *place)
    }

    pub(crate) fn find(&mut self, code: Code, place: Place, text: String) {
        self.findings.push(Finding::new(code, place, text));
    }

    /// Returns a finding about a row of a backup.
    pub(crate) fn at_row(&self, code: Code, (backup, key): (usize, &[u8]), text: &str) -> Finding {
        let place = Place { session: Some(self.session), ..Place::key(key) };
        let label = &self.labels[backup];
        Finding::new(code, place, if label.is_empty() { text.to_owned() } else { format!("{label}: {text}") })
    }

    fn find_at(&mut self, code: Code, row: (usize, &[u8]), text: &str) {
        self.findings.push(self.at_row(code, row, text));
    }

    fn name_losses(&mut self, source: usize, backup: &Records<'a>) {
        for (code, row, text) in crate::losses::losses(backup) {
            self.find_at(code, (source, &backup.backup.rows[row].key), &text);
        }
    }

    /// Adds a backup's records; `known` holds the hashes of the units in the graph.
    fn add(&mut self, source: usize, backup: &Records<'a>, known: &mut HashMap<Hash, usize>) {
        let (mut own, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut position = 0;
        for record in &backup.records {
            let row = (source, backup.backup.rows[record.row].key.as_slice());
            let unit = match &record.content {
                Content::Unit(unit) => *unit,
                Content::Alert(alert) => {
                    let text = "the backup holds a fork alert: a guardian made two units for one round";
                    self.find_at(Code::UnitAlert, row, text);
                    self.alerts.push(alert.clone());
                    continue;
                }
            };
            self.check_alone(&unit, row);
            self.check_order(&unit, row, position, &seen);
            position += 1;
            seen.insert((unit.fields.round, unit.fields.creator));
            let hash = unit.hash(self.form.hash);
            if !own.insert(hash) {
                self.repeated += 1;
                let text = format!("{} is stored twice; servers read that without complaint", name(&unit));
                self.find_at(Code::UnitRepeated, row, &text);
            }
            if known.contains_key(&hash) {
                continue;
            }
            known.insert(hash, self.nodes.len());
            let place = (unit.fields.round, unit.fields.creator);
            self.places.entry(place).or_default().push(self.nodes.len());
            let (signed, batch_signed) = (None, None);
            let (backup, key) = row;
            self.nodes.push(Node { unit, hash, backup, key, signed, batch_signed, parents: Parents::Proven });
        }
    }

    /// Checks what must hold for a unit by itself.
    fn check_alone(&mut self, unit: &Unit<'a>, row: (usize, &[u8])) {
        let fields = &unit.fields;
        let creator = usize::try_from(fields.creator).unwrap_or(usize::MAX);
        let foreign = if fields.session != self.session {
            Some(format!(
                "{} is of session {}, not of the open session {}",
                name(unit),
                fields.session,
                self.session
            ))
        } else if creator >= self.guardians {
            Some(format!("{} names a guardian that is not one of the {}", name(unit), self.guardians))
        } else if fields.parents.nodes != self.guardians {
            let nodes = fields.parents.nodes;
            Some(format!("{} has a mask for {nodes} guardians, not for {}", name(unit), self.guardians))
        } else {
            None
        };
        if let Some(text) = foreign {
            return self.find_at(Code::UnitForeign, row, &text);
        }
        let (parents, quorum) = (fields.parents.len(), self.guardians * 2 / 3 + 1);
        let bad = match fields.round {
            0 if parents > 0 => Some(format!("has {parents} parent(s) in round 0")),
            0 => None,
            _ if parents < quorum => Some(format!("has {parents} parent(s), and needs {quorum}")),
            _ if !fields.parents.contains(creator) => {
                Some("does not build on its creator's own unit before it".to_owned())
            }
            _ => None,
        };
        if let Some(text) = bad {
            self.find_at(Code::UnitParentsInvalid, row, &format!("{} {text}", name(unit)));
        }
    }

    /// Checks the order that the loader of that form requires in a backup.
    fn check_order(
        &mut self,
        unit: &Unit<'a>,
        row: (usize, &[u8]),
        position: usize,
        seen: &BTreeSet<(u16, u64)>,
    ) {
        let fields = &unit.fields;
        if self.form.own_only {
            let owner = seen.first().map_or(fields.creator, |(_, creator)| *creator);
            if usize::from(fields.round) != position || fields.creator != owner {
                let text = format!("{} is number {position} of guardian {owner}'s own units", name(unit));
                self.find_at(Code::UnitMisplaced, row, &text);
            }
        } else if let Some(before) = fields.round.checked_sub(1) {
            let late = fields.parents.members().filter(|parent| !seen.contains(&(before, *parent as u64)));
            let late: Vec<String> = late.map(|parent| parent.to_string()).collect();
            if !late.is_empty() {
                let text = format!(
                    "{} builds on units of guardian(s) {} in round {before} that are not stored before it",
                    name(unit),
                    late.join(", ")
                );
                self.find_at(Code::UnitParentMissing, row, &text);
            }
        }
    }

    fn name_forks(&mut self) {
        let forks: Vec<_> = self.forks().collect();
        for (round, creator) in forks {
            let units = &self.places[&(round, creator)];
            let text = format!("guardian {creator} made {} different units for round {round}", units.len());
            let second = self.nodes[units[1]].row();
            self.find_at(Code::UnitFork, second, &text);
        }
    }

    /// Checks whether the unit's one hash over its parents is that of units in the graph.
    fn check_parents(&mut self, index: usize) {
        let node = &self.nodes[index];
        let parents = self.parents_of(&node.unit);
        self.nodes[index].parents = match parents {
            Parents::Differ => {
                let text = format!("{} commits to other parents than the stored ones", name(&node.unit));
                let row = node.row();
                self.find_at(Code::UnitParentsDiffer, row, &text);
                Parents::Differ
            }
            other => other,
        };
    }

    fn parents_of(&self, unit: &Unit<'a>) -> Parents {
        let fields = &unit.fields;
        let mut missing = 0;
        let mut slots: Vec<Option<&[usize]>> = vec![None; fields.parents.nodes];
        for parent in fields.parents.members() {
            let before = fields.round.checked_sub(1);
            let found = before.and_then(|round| self.places.get(&(round, parent as u64)));
            missing += usize::from(found.is_none());
            slots[parent] = found.map(Vec::as_slice);
        }
        if missing > 0 {
            return Parents::Missing(missing);
        }
        let choices = slots.iter().flatten().map(|units| units.len()).try_fold(1, usize::checked_mul);
        let choices = choices.unwrap_or(usize::MAX).min(MAX_FORK_CHOICES);
        let chosen = |mut choice: usize| {
            let pick = |slot: &Option<&[usize]>| {
                slot.map(|units| {
                    let unit = units[choice % units.len()];
                    choice /= units.len();
                    self.nodes[unit].hash
                })
            };
            slots.iter().map(pick).collect::<Vec<_>>()
        };
        let fits = |choice| self.form.hash.parents_hash(&chosen(choice)).0 == fields.parents_hash;
        if (0..choices).any(fits) { Parents::Proven } else { Parents::Differ }
    }

    fn check_signatures(&mut self, keys: &SessionKeys, dialect: Dialect) {
        let verify = |peer: u64, data: &[u8], signature: &[u8; 64]| {
            let peer = PeerId::try_from(peer).ok();
            peer.is_some_and(|peer| keys.verify(peer, &keys.message(data), signature).is_ok())
        };
        for node in &mut self.nodes {
            let fields = &node.unit.fields;
            node.signed = Some(verify(fields.creator, &node.hash.0, &fields.signature));
            let authored = fields.data.and_then(|data| data.authored(dialect));
            node.batch_signed = authored
                .map(|(by, data)| by.author == fields.creator && verify(by.author, &data, &by.signature));
        }
        let bad: Vec<_> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].signed == Some(false)).collect();
        if !bad.is_empty() && bad.len() == self.nodes.len() {
            let text = format!("none of the {} unit signature(s) verifies with these keys", bad.len());
            return self.find(Code::WrongKeys, Place::session(self.session), text);
        }
        for index in 0..self.nodes.len() {
            let (row, unit) = (self.nodes[index].row(), name(&self.nodes[index].unit));
            if self.nodes[index].signed == Some(false) {
                self.find_at(
                    Code::UnitSignatureInvalid,
                    row,
                    &format!("{unit} is not signed by its creator"),
                );
            }
            if self.nodes[index].batch_signed == Some(false) {
                let text = format!("the batch in {unit} is not signed by its creator");
                self.find_at(Code::UnitBatchSignatureInvalid, row, &text);
            }
        }
    }
}

/// Returns a unit's name for messages.
pub(crate) fn name(unit: &Unit<'_>) -> String {
    format!("the unit of guardian {} for round {}", unit.fields.creator, unit.fields.round)
}
