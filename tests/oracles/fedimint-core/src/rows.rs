//! The rows of a database that our tools wrote, read as a server would read them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use fm_codec::{Dialect, decode_exact};
use fm_history::SignedSession;

use crate::upstream::{Keys, Upstream, V0_5, V0_13};
use crate::values::{integer, same_facts};

const PENDING: u8 = 0x01;
const ACCEPTED_TRANSACTION: u8 = 0x02;
const SESSION: u8 = 0x04;

/// The rows of a database, by key.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The counts of what a release reads.
#[derive(Default, PartialEq, Eq)]
pub struct Seen {
    sessions: u64,
    items: usize,
    pending: u64,
    transactions: usize,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, items, pending, transactions } = self;
        write!(
            f,
            "{sessions} signed sessions, {items} items, {pending} pending, {transactions} transactions in the index"
        )
    }
}

/// Lines of `key value` in hex.
pub fn read(lines: impl BufRead) -> Result<Rows, String> {
    let mut rows = Rows::new();
    for line in lines.lines() {
        let line = line.map_err(|error| error.to_string())?;
        let (key, value) = line.split_once(' ').ok_or_else(|| format!("no row: {line}"))?;
        let bytes = |text| hex::decode(text).map_err(|error| format!("{error}: {text}"));
        rows.insert(bytes(key)?, bytes(value)?);
    }
    Ok(rows)
}

/// Reads all rows with both releases; there must be this many sessions.
pub fn check(rows: &Rows, keys: &Keys, sessions: u64) -> Result<Seen, String> {
    let seen = check_with::<V0_5>(rows, keys).map_err(|error| format!("0.5.0: {error}"))?;
    let newest = check_with::<V0_13>(rows, keys).map_err(|error| format!("0.13.0: {error}"))?;
    if seen != newest {
        return Err(format!("0.5.0 reads {seen}, 0.13.0 reads {newest}"));
    }
    if seen.sessions != sessions {
        return Err(format!("{sessions} sessions are stated, upstream reads {seen}"));
    }
    Ok(seen)
}

fn check_with<U: Upstream>(rows: &Rows, keys: &Keys) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut transactions = BTreeMap::new();
    let ring = U::ring(keys);
    while let Some(record) = rows.get(&key::<U>(SESSION, seen.sessions)?) {
        let index = seen.sessions;
        let session = session::<U>(record, index)?;
        let facts = U::facts(&session, index);
        let ours =
            decode_exact::<SignedSession>(record, Dialect::MODERN).map_err(|error| error.to_string())?;
        same_facts(&ours, index, &facts)?;
        transactions.extend(facts.transactions);
        seen.items += ours.outcome.items.len();
        signatures::<U>(&session, &ring, index)?;
        seen.sessions += 1;
    }
    // Pending items have no session yet, and are read like a session without signatures.
    while let Some(item) = rows.get(&key::<U>(PENDING, seen.pending)?) {
        let again = U::item_again(item)?;
        let session = session::<U>(&[&[1], item.as_slice(), &[0]].concat(), 0)?;
        if again != *item {
            return Err(format!("pending item {} encodes to other bytes", seen.pending));
        }
        transactions.extend(U::facts(&session, 0).transactions);
        seen.pending += 1;
    }
    for (prefix, count) in [(SESSION, seen.sessions), (PENDING, seen.pending)] {
        let stored = under(rows, prefix).count() as u64;
        if stored != count {
            return Err(format!("{stored} rows under {prefix:02x}, and {count} in an unbroken sequence"));
        }
    }
    seen.transactions = transactions.len();
    let stored: BTreeMap<_, _> = under(rows, ACCEPTED_TRANSACTION).collect();
    let expected: BTreeMap<_, _> =
        transactions.iter().map(|(txid, instances)| (txid.as_slice(), instances.as_slice())).collect();
    if stored != expected {
        return Err(format!("{} accepted transactions, and sessions have {}", stored.len(), expected.len()));
    }
    Ok(seen)
}

/// Returns key suffixes and values under a prefix.
fn under(rows: &Rows, prefix: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    rows.iter()
        .filter(move |(key, _)| key.first() == Some(&prefix))
        .map(|(key, value)| (&key[1..], value.as_slice()))
}

/// Returns the records of all sessions from 0 on.
pub fn sessions<U: Upstream>(rows: &Rows) -> Result<Vec<&[u8]>, String> {
    let mut records = Vec::new();
    while let Some(record) = rows.get(&key::<U>(SESSION, records.len() as u64)?) {
        records.push(record.as_slice());
    }
    Ok(records)
}

/// Returns the key under which a server looks for a numbered record.
fn key<U: Upstream>(prefix: u8, number: u64) -> Result<Vec<u8>, String> {
    let theirs = U::integer(number);
    if theirs != integer(number) {
        return Err(format!("{number} is encoded in another way"));
    }
    Ok([&[prefix], theirs.as_slice()].concat())
}

fn session<U: Upstream>(record: &[u8], index: u64) -> Result<U::Session, String> {
    let session = U::decode(record).map_err(|error| format!("session {index}: {error}"))?;
    if U::encode(&session) == record {
        Ok(session)
    } else {
        Err(format!("session {index} encodes to other bytes"))
    }
}

/// Checks that the signatures hold for this session and for no other.
fn signatures<U: Upstream>(session: &U::Session, keys: &U::Ring, index: u64) -> Result<(), String> {
    if !U::verify(session, keys, index) {
        return Err(format!("the signatures of session {index} do not verify"));
    }
    if U::verify(session, keys, index + 1) {
        return Err(format!("the signatures of session {index} verify for the next one too"));
    }
    Ok(())
}
