//! Which HoneyBadger layout a store has.
//!
//! The records at a handful of places are decoded strictly under each layout; the one under which they all
//! decode is the answer. Layouts that hide module values accept all that their framed sisters accept, so a
//! framed one wins where it explains the same records.

use std::collections::BTreeSet;

use super::epoch::decode_epoch;
use super::layout::{Layout, TableSet};
use super::records::{check_record, decode_last_epoch};
use super::tables::{HISTORY_TABLE, LAST_EPOCH_KEY, epoch_key, epoch_of_key};
use crate::rows::{RowSource, SourceError};

/// Records looked at from the start of the table, and at even steps through it.
const SAMPLES: usize = 16;

/// The layouts that explain the store: exactly one, or the reader has to be told.
pub(crate) fn detect(source: &dyn RowSource) -> Result<Vec<Layout>, SourceError> {
    let mut scored = Vec::new();
    for layout in Layout::ALL {
        let score = score(source, &layout)?;
        if score > 0 {
            scored.push((score, layout));
        }
    }
    let best = scored.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let mut layouts: Vec<Layout> =
        scored.into_iter().filter(|(score, _)| *score == best).map(|(_, layout)| layout).collect();
    let is_framed: Vec<_> = layouts.iter().filter(|layout| layout.is_framed()).copied().collect();
    // Integers decide first: a framed layout speaks only for its own integer form.
    layouts.retain(|layout| {
        layout.is_framed()
            || !is_framed.iter().any(|framed| framed.dialect.integers == layout.dialect.integers)
    });
    if layouts.len() > 1 && layouts.iter().all(|layout| layout.dialect == layouts[0].dialect) {
        let tables = table_set(source)?;
        layouts.retain(|layout| layout.tables == tables);
    }
    Ok(layouts)
}

/// How many sampled records the layout explains; 0 if a key or the pointer contradicts it.
fn score(source: &dyn RowSource, layout: &Layout) -> Result<usize, SourceError> {
    let pointer = match source.get(&LAST_EPOCH_KEY)? {
        None => None,
        Some(value) => match decode_last_epoch(&value, layout.dialect) {
            Ok(last) => Some(last),
            Err(_) => return Ok(0),
        },
    };
    let mut samples: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for row in source.scan_prefix(HISTORY_TABLE).take(SAMPLES) {
        let row = row?;
        if epoch_of_key(&row.0, layout.dialect).is_err() {
            return Ok(0);
        }
        samples.push(row);
    }
    let steps = SAMPLES as u64;
    let last = pointer.unwrap_or(0);
    let places: BTreeSet<u64> =
        (0..=steps).map(|step| (last / steps).saturating_mul(step)).chain([last]).collect();
    for epoch in places {
        let key = epoch_key(epoch, layout.dialect);
        if let Some(value) = source.get(&key)? {
            samples.push((key, value));
        }
    }
    samples.sort();
    samples.dedup();
    let explained = samples.iter().filter(|(key, value)| {
        let number = epoch_of_key(key, layout.dialect);
        decode_epoch(value, layout).is_ok_and(|epoch| Ok(epoch.number) == number)
    });
    Ok(explained.count())
}

/// Which set of tables stands beside the history; that of v0.1 where nothing tells.
fn table_set(source: &dyn RowSource) -> Result<TableSet, SourceError> {
    let early = Layout { tables: TableSet::Early, ..Layout::ALL[2] };
    let v0_1 = Layout { tables: TableSet::V0_1, ..Layout::ALL[2] };
    for prefix in [0x02, 0x03, 0x04] {
        let Some(row) = source.scan_prefix(prefix).next() else { continue };
        let (key, value) = row?;
        match (check_record(&key, &value, &early).is_ok(), check_record(&key, &value, &v0_1).is_ok()) {
            (true, false) => return Ok(TableSet::Early),
            (false, true) => return Ok(TableSet::V0_1),
            _ => {}
        }
    }
    Ok(TableSet::V0_1)
}
