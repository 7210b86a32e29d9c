//! Finds which HoneyBadger layout a store has.
//!
//! Integers come first: the records at a handful of places are decoded under each layout, and the integer
//! form under which most of them decode is the answer. Then comes the framing of module values, if the form
//! has both. A layout that hides module values accepts all that its framed sister accepts. So only a record
//! that decodes with values in it is evidence for framing, and only a record that does not decode framed is
//! evidence against it. A few damaged records therefore change nothing: they are found later, each at its
//! place.

use std::collections::BTreeSet;

use fm_codec::Integers;
use fm_history::{Epoch, EpochItem};
use fm_rows::{RowSource, SourceError};

use super::epoch::decode_epoch;
use super::layout::{EpochLayout, TableSet};
use super::records::{check_record, decode_last_epoch};
use super::tables::{HISTORY_TABLE, LAST_EPOCH_KEY, epoch_key, epoch_of_key};

/// Records looked at from the start of the table, and at even steps through it.
const SAMPLES: usize = 16;
/// The number of samples that do not decode framed which settle that there is no framing, if no sample holds
/// values.
const SETTLED: usize = 3;

/// Returns the layouts that explain the store: exactly one, or the caller must name the layout.
pub(crate) fn detect(source: &dyn RowSource) -> Result<Vec<EpochLayout>, SourceError> {
    let mut scored = Vec::new();
    for layout in EpochLayout::ALL {
        let mut score = 0;
        visit_samples(source, &layout, |key, value| {
            score += usize::from(explains(&layout, key, value).is_some());
        })?;
        scored.push((score, layout));
    }
    let best = scored.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let forms: Vec<Integers> = scored
        .iter()
        .filter(|(score, _)| *score == best && best > 0)
        .map(|(_, layout)| layout.dialect.integers)
        .collect();
    let mut layouts = Vec::new();
    for integers in [Integers::FixedLe, Integers::FixedBe, Integers::BigSize] {
        if !forms.contains(&integers) {
            continue;
        }
        let of_form = || EpochLayout::ALL.into_iter().filter(|layout| layout.dialect.integers == integers);
        let framed = of_form().find(EpochLayout::is_framed);
        let unframed = of_form().find(|layout| !layout.is_framed());
        let framings = match (framed, unframed) {
            (Some(framed), Some(unframed)) => framings(source, &framed, &unframed)?,
            _ => of_form().map(|layout| layout.is_framed()).collect(),
        };
        layouts.extend(of_form().filter(|layout| framings.contains(&layout.is_framed())));
    }
    if layouts.len() > 1 && layouts.iter().all(|layout| layout.dialect == layouts[0].dialect) {
        let tables = table_set(source)?;
        layouts.retain(|layout| layout.tables == tables);
    }
    Ok(layouts)
}

/// Visits records from the start of the history, and at even steps up to the epoch that the pointer names.
///
/// Visits each record once, and one at a time: together they might not fit into memory.
fn visit_samples(
    source: &dyn RowSource,
    layout: &EpochLayout,
    mut visit: impl FnMut(&[u8], &[u8]),
) -> Result<(), SourceError> {
    let mut seen = BTreeSet::new();
    for row in source.scan_prefix(HISTORY_TABLE).take(SAMPLES) {
        let (key, value) = row?;
        visit(&key, &value);
        seen.insert(key);
    }
    // A pointer that does not decode is damage of its own.
    let pointer = source.get(&LAST_EPOCH_KEY)?;
    let last = pointer.and_then(|value| decode_last_epoch(&value, layout.dialect).ok()).unwrap_or(0);
    let steps = SAMPLES as u64;
    for epoch in (0..=steps).map(|step| (last / steps).saturating_mul(step)).chain([last]) {
        let key = epoch_key(epoch, layout.dialect);
        if !seen.contains(&key)
            && let Some(value) = source.get(&key)?
        {
            visit(&key, &value);
            seen.insert(key);
        }
    }
    Ok(())
}

/// Returns the epoch that a sample decodes to under the layout, if it is the epoch that the sample's key
/// names.
fn explains(layout: &EpochLayout, key: &[u8], value: &[u8]) -> Option<Epoch> {
    let number = epoch_of_key(key, layout.dialect).ok()?;
    decode_epoch(value, layout).ok().filter(|epoch| epoch.number == number)
}

/// The evidence for and against the framing of module values.
#[derive(Default)]
struct Evidence {
    /// Records that decode framed and hold module values.
    framed: usize,
    /// Records that do not decode framed but can be split.
    unframed: usize,
}

impl Evidence {
    fn add(&mut self, framed: &EpochLayout, unframed: &EpochLayout, key: &[u8], value: &[u8]) {
        match explains(framed, key, value) {
            Some(epoch) => self.framed += usize::from(has_values(&epoch)),
            None => self.unframed += usize::from(explains(unframed, key, value).is_some()),
        }
    }
}

/// Returns whether module values are framed; both answers if the evidence is balanced.
fn framings(
    source: &dyn RowSource,
    framed: &EpochLayout,
    unframed: &EpochLayout,
) -> Result<Vec<bool>, SourceError> {
    let mut evidence = Evidence::default();
    visit_samples(source, framed, |key, value| evidence.add(framed, unframed, key, value))?;
    let settled = match evidence {
        Evidence { framed, unframed: 0 } => framed > 0,
        Evidence { framed: 0, unframed } => unframed >= SETTLED,
        _ => false,
    };
    if !settled {
        evidence = Evidence::default();
        for row in source.scan_prefix(HISTORY_TABLE) {
            let (key, value) = row?;
            evidence.add(framed, unframed, &key, &value);
        }
    }
    Ok(match evidence {
        // No module value anywhere: both layouts return the same content.
        Evidence { framed: 0, unframed: 0 } => vec![true],
        Evidence { framed, unframed } if framed == unframed => vec![true, false],
        Evidence { framed, unframed } => vec![framed > unframed],
    })
}

fn has_values(epoch: &Epoch) -> bool {
    let is_value = |item: &EpochItem| match item {
        EpochItem::Module(_) => true,
        EpochItem::Transaction(transaction) => {
            !transaction.inputs.is_empty() || !transaction.outputs.is_empty()
        }
        _ => false,
    };
    epoch
        .content
        .iter()
        .flat_map(|content| &content.contributions)
        .any(|contribution| contribution.items.iter().any(is_value))
}

/// Returns the set of tables beside the history; that of v0.1 if no record decides.
fn table_set(source: &dyn RowSource) -> Result<TableSet, SourceError> {
    let early = EpochLayout { tables: TableSet::Early, ..EpochLayout::ALL[2] };
    let v0_1 = EpochLayout { tables: TableSet::V0_1, ..EpochLayout::ALL[2] };
    for prefix in [0x02, 0x03, 0x04] {
        let Some(row) = source.scan_prefix(prefix).next() else {
            continue;
        };
        let (key, value) = row?;
        match (check_record(&key, &value, &early).is_ok(), check_record(&key, &value, &v0_1).is_ok()) {
            (true, false) => return Ok(TableSet::Early),
            (false, true) => return Ok(TableSet::V0_1),
            _ => {}
        }
    }
    Ok(TableSet::V0_1)
}
