//! Finds which layout of blocks or sessions a store has: first by the marks that each build left in its
//! tables, then by strict decoding of records under every layout that remains.

use crate::Era;
use fm_codec::{Dialect, Reader};
use fm_history::convert_block;
use fm_rows::{RowSource, SourceError};

use crate::block::{BlockLayout, decode_accepted_item, decode_block};
use crate::detect::FirstKeys;
use crate::session::{SIGNED_SESSION_OUTCOME, server_version_key};
use crate::{broadcast, session};

/// Records looked at from the start of a table.
const SAMPLES: usize = 16;
/// Bytes of a signature of the client config. Source: fedimint-threshold-crypto 0.2.1, src/lib.rs.
const CONFIG_SIGNATURE: usize = 96;
/// The layout of the first build inside the server, the only one with a record of the session's index.
const FIRST_OF_SERVER: &str = "a4177cea3";

/// Returns the layouts that the prefixes allow, oldest first; empty if the store has neither blocks nor
/// sessions.
pub(crate) fn candidates(
    source: &dyn RowSource,
    keys: &FirstKeys,
) -> Result<Vec<&'static BlockLayout>, SourceError> {
    let has = |prefix: u8| keys.iter().any(|key| key[0] == prefix);
    let all = broadcast::LAYOUTS.iter().chain(session::LAYOUTS);
    if source.get(&[0x00])?.is_some() {
        return Ok(all.filter(|layout| layout.name == FIRST_OF_SERVER).collect());
    }
    let is_server = has_numbers(source, SIGNED_SESSION_OUTCOME)?;
    if has(0x00) && !has(0x02) && !is_server {
        return Ok(all.filter(|layout| layout.era == Era::B).collect());
    }
    let new_version = source.get(&server_version_key())?.is_some();
    if !is_server && !new_version {
        return Ok(Vec::new());
    }
    // The client config's signature in era C, the server's versions in era E.
    let seventh = source.get(&[0x07])?;
    let config_signature =
        seventh.is_some_and(|value| value.len() == CONFIG_SIGNATURE && !is_two_texts(&value));
    let of_c = has(0x03) || has(0x09) || config_signature;
    let of_e = !of_c && (new_version || has(0x06) || has(0x08) || has(0x07));
    Ok(all
        .filter(|layout| layout.history == SIGNED_SESSION_OUTCOME && layout.name != FIRST_OF_SERVER)
        .filter(|layout| match layout.era {
            Era::E => of_e,
            Era::D => !of_e && !of_c,
            _ => !of_e,
        })
        .collect())
}

fn is_two_texts(value: &[u8]) -> bool {
    let mut reader = Reader::new(value, Dialect::MODERN);
    reader.text().and_then(|_| reader.text()).and_then(|_| reader.finish()).is_ok()
}

/// Returns whether one of the first keys under a prefix is a number.
fn has_numbers(source: &dyn RowSource, prefix: u8) -> Result<bool, SourceError> {
    for row in source.scan_prefix(prefix).take(SAMPLES) {
        let (key, _) = row?;
        let mut reader = Reader::new(&key[1..], Dialect::MODERN);
        if reader.u64().and_then(|_| reader.finish()).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the layouts under which most records decode. Of the layouts that lead to the same sessions, only
/// the newest is returned; the result is empty if no record decodes.
///
/// A few damaged records change nothing: they are found later, each at its place.
pub(crate) fn choose(
    source: &dyn RowSource,
    candidates: &[&'static BlockLayout],
) -> Result<Vec<&'static BlockLayout>, SourceError> {
    let few = by_records(source, best(source, candidates, SAMPLES)?)?;
    if few.len() <= 1 {
        return Ok(few);
    }
    let mut all = best(source, &few, usize::MAX)?.layouts;
    if let Some(newest) = all.last().copied() {
        let others = all.clone();
        all.clear();
        for layout in others {
            if layout.name == newest.name || differ(source, layout, newest)? {
                all.push(layout);
            }
        }
    }
    Ok(all)
}

/// Returns other layouts if they explain more records than those that the marks allow: marks are rows like
/// any other, and a single stray mark misleads.
fn by_records(source: &dyn RowSource, marked: Best) -> Result<Vec<&'static BlockLayout>, SourceError> {
    if marked.explained > 0 && marked.explained == marked.seen {
        return Ok(marked.layouts);
    }
    let mut most = marked;
    for history in [broadcast::HISTORY, SIGNED_SESSION_OUTCOME] {
        let all = broadcast::LAYOUTS.iter().chain(session::LAYOUTS);
        let group: Vec<_> = all.filter(|layout| layout.history == history).collect();
        let found = best(source, &group, SAMPLES)?;
        if found.explained > most.explained {
            most = found;
        }
    }
    Ok(most.layouts)
}

/// Returns whether any record is converted to different sessions under the two layouts. Items of the open
/// session do not matter: no conversion copies them.
fn differ(source: &dyn RowSource, one: &BlockLayout, other: &BlockLayout) -> Result<bool, SourceError> {
    for row in source.scan_prefix(one.history) {
        let (_, value) = row?;
        if let (Ok(one), Ok(other)) = (decode_block(&value, one), decode_block(&value, other))
            && convert_block(0, &one, true).record != convert_block(0, &other, true).record
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The layouts that fit the records best.
struct Best {
    /// The layouts that explain most records.
    layouts: Vec<&'static BlockLayout>,
    /// The number of records that each of them explains.
    explained: usize,
    /// The number of records looked at.
    seen: usize,
}

/// Returns the layouts under which most of the first `limit` records of both tables decode.
fn best(
    source: &dyn RowSource,
    candidates: &[&'static BlockLayout],
    limit: usize,
) -> Result<Best, SourceError> {
    let mut scores = vec![0usize; candidates.len()];
    let mut seen = 0usize;
    let history = candidates.first().map(|layout| layout.history);
    for prefix in [history, candidates.iter().find_map(|layout| layout.pending)] {
        let Some(prefix) = prefix else { continue };
        for row in source.scan_prefix(prefix).take(limit) {
            let (key, value) = row?;
            seen += 1;
            for (score, layout) in scores.iter_mut().zip(candidates) {
                *score += usize::from(explains(layout, &key, &value));
            }
        }
    }
    let explained = scores.iter().copied().max().unwrap_or(0);
    let are_best = candidates.iter().zip(scores).filter(|(_, score)| *score == explained);
    let layouts = are_best.map(|(layout, _)| *layout).collect();
    // Without any record, nothing contradicts any layout.
    let layouts = if explained == 0 && seen > 0 { Vec::new() } else { layouts };
    Ok(Best { layouts, explained, seen })
}

fn explains(layout: &BlockLayout, key: &[u8], value: &[u8]) -> bool {
    let Ok(number) = layout.number_of_key(key) else { return false };
    if key.first() == Some(&layout.history) {
        return decode_block(value, layout)
            .is_ok_and(|block| block.index.is_none_or(|index| index == number));
    }
    layout.pending.is_some() && decode_accepted_item(value, layout).is_ok()
}
