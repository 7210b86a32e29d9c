//! The graph in numbers.

use fm_codec::DecodeError;
use fm_history::{Code, Finding};
use serde::Serialize;

use crate::dag::{Dag, Node, Parents, name};
use crate::items::{ItemEncoding, ProposedItem, items};
use crate::unit::UnitData;

/// One guardian's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CreatorShape {
    /// The guardian.
    pub creator: u64,
    /// Units, forks included.
    pub units: usize,
    /// First and last round with a unit.
    pub rounds: (u16, u16),
    /// Rounds without a unit before the last one.
    pub rounds_missing: usize,
    /// Batches, empty ones included.
    pub batches: usize,
    /// Items in them, as far as they can be separated.
    pub items: usize,
}

/// A graph in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Units.
    pub units: usize,
    /// First and last round; `None` without units.
    pub rounds: Option<(u16, u16)>,
    /// The guardians that have units.
    pub creators: Vec<CreatorShape>,
    /// Rounds for which a guardian made several units.
    pub forks: usize,
    /// Units that a backup holds more than once.
    pub repeated: usize,
    /// Records of fork alerts.
    pub alerts: usize,
    /// Batches, empty ones included.
    pub batches: usize,
    /// Batches without an item.
    pub empty_batches: usize,
    /// Batches that do not decode.
    pub undecodable_batches: usize,
    /// Items in batches.
    pub items: usize,
    /// Signatures over the session's header.
    pub header_signatures: usize,
    /// Units that carry nothing.
    pub without_data: usize,
    /// Units whose creator's signature was checked and holds.
    pub signatures_valid: usize,
    /// Units whose creator's signature was checked and does not hold.
    pub signatures_invalid: usize,
    /// Units with parents that are missing.
    pub with_missing_parents: usize,
    /// Whether every parent of every unit is present and committed to.
    pub closed: bool,
}

/// Units of rounds past the end of the session, and their items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PastEnd {
    /// The first of these rounds: the number of rounds of the session.
    pub rounds: u16,
    /// Units.
    pub units: u64,
    /// Items in their batches, as far as they can be separated: no server processes them.
    pub items: u64,
}

/// An item and who proposed it.
#[derive(Clone, Debug)]
pub struct Proposal<'a> {
    /// The round of its unit.
    pub round: u16,
    /// The guardian.
    pub peer: u64,
    /// Its position in the unit's batch.
    pub position: usize,
    /// The item.
    pub item: ProposedItem<'a>,
}

impl<'a> Dag<'a> {
    /// Returns the graph in numbers.
    pub fn shape(&self, encoding: ItemEncoding) -> Shape {
        let count = |test: &dyn Fn(&Node<'_>) -> bool| self.nodes.iter().filter(|node| test(node)).count();
        let rounds = self.nodes.iter().map(|node| node.unit.fields.round);
        let mut shape = Shape {
            units: self.nodes.len(),
            rounds: rounds.clone().min().zip(rounds.max()),
            forks: self.forks().count(),
            repeated: self.repeated,
            alerts: self.alerts.len(),
            signatures_valid: count(&|node| node.signed == Some(true)),
            signatures_invalid: count(&|node| node.signed == Some(false)),
            with_missing_parents: count(&|node| matches!(node.parents, Parents::Missing(_))),
            closed: self.is_closed(),
            ..Shape::default()
        };
        let mut creators = std::collections::BTreeMap::<u64, CreatorShape>::new();
        for node in &self.nodes {
            let fields = &node.unit.fields;
            let fresh = || CreatorShape {
                creator: fields.creator,
                rounds: (fields.round, fields.round),
                ..CreatorShape::default()
            };
            let creator = creators.entry(fields.creator).or_insert_with(fresh);
            creator.units += 1;
            creator.rounds = (creator.rounds.0.min(fields.round), creator.rounds.1.max(fields.round));
            shape.count_data(fields.data.as_ref(), encoding, creator);
        }
        shape.creators = creators.into_values().collect();
        let mut rounds_of = std::collections::BTreeMap::<u64, usize>::new();
        for (_, creator) in self.places.keys() {
            *rounds_of.entry(*creator).or_default() += 1;
        }
        for creator in &mut shape.creators {
            let present = rounds_of.get(&creator.creator).copied().unwrap_or(0);
            creator.rounds_missing = usize::from(creator.rounds.1) + 1 - present;
        }
        shape
    }

    /// Returns the items inside, by round, proposer and position; batches that do not decode are left out.
    pub fn proposals(&self, encoding: ItemEncoding) -> impl Iterator<Item = Proposal<'a>> + '_ {
        self.places.values().flatten().flat_map(move |index| {
            let fields = self.nodes[*index].unit.fields;
            let items = batch(&self.nodes[*index], encoding).and_then(Result::ok).unwrap_or_default();
            items.into_iter().enumerate().map(move |(position, item)| Proposal {
                round: fields.round,
                peer: fields.creator,
                position,
                item,
            })
        })
    }

    /// Counts the units past the last of this many rounds, and their items.
    pub fn past_end(&self, rounds: u16, encoding: ItemEncoding) -> PastEnd {
        let mut past = PastEnd { rounds, ..PastEnd::default() };
        for node in self.nodes.iter().filter(|node| node.unit.fields.round >= rounds) {
            past.units += 1;
            let items = batch(node, encoding).and_then(Result::ok).unwrap_or_default();
            past.items += items.len() as u64;
        }
        past
    }

    /// Returns batches that do not decode, as findings.
    pub fn undecodable_batches(&self, encoding: ItemEncoding) -> Vec<Finding> {
        let finding = |node: &Node<'a>| {
            let error = batch(node, encoding)?.err()?;
            let text = format!("the batch in {} does not decode, servers skip it: {error}", name(&node.unit));
            Some(self.at_row(Code::UnitBatchUndecodable, node.row(), &text))
        };
        self.nodes.iter().filter_map(finding).collect()
    }
}

fn batch<'a>(node: &Node<'a>, encoding: ItemEncoding) -> Option<Result<Vec<ProposedItem<'a>>, DecodeError>> {
    node.unit.fields.data.as_ref().map(|data| items(data, encoding))
}

impl Shape {
    fn count_data(
        &mut self,
        data: Option<&UnitData<'_>>,
        encoding: ItemEncoding,
        creator: &mut CreatorShape,
    ) {
        let Some(data) = data else {
            self.without_data += 1;
            return;
        };
        if matches!(data, UnitData::HeaderSignature { .. }) {
            self.header_signatures += 1;
            return;
        }
        self.batches += 1;
        creator.batches += 1;
        match items(data, encoding) {
            Ok(items) => {
                self.empty_batches += usize::from(items.is_empty());
                self.items += items.len();
                creator.items += items.len();
            }
            Err(_) => self.undecodable_batches += 1,
        }
    }
}
