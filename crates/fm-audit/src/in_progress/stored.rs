//! The units and accepted items of the session in progress, as a database stores them.

use std::path::PathBuf;

use fm_codec::{Dialect, Reader, Writer};
use fm_eras::Layout;
use fm_eras::block::{BlockLayout, KeyForm};
use fm_history::ConsensusItem;
use fm_units::{Backup, FORMS, ItemEncoding, Joined, MAX_BACKUP_BYTES, UnitBackupError, UnitForm, UnitTable};

use crate::error::AuditError;
use crate::source::Origin;

/// The data of the session in progress in one guardian's database.
#[derive(Debug)]
pub struct StoredUnits {
    /// The database.
    pub path: PathBuf,
    /// Its layout.
    pub layout: &'static BlockLayout,
    /// The session in progress: the one after the last finished one.
    pub open: u64,
    /// Its unit backups with their sessions: one backup, or no backup at the beginning of a session.
    pub backups: Vec<(u64, Backup)>,
    /// The accepted items of the open session: keys and values as stored.
    pub accepted: Vec<(Vec<u8>, Vec<u8>)>,
}

impl StoredUnits {
    /// Reads the rows of a database.
    ///
    /// # Errors
    /// If the database is of an era without units, its rows cannot be read, or the rows are not a backup.
    pub fn read(origin: Origin<'_>) -> Result<Self, AuditError> {
        let Layout::Blocks(layout) = origin.layout else {
            return Err(AuditError::NoUnits { era: origin.layout.era().as_str() });
        };
        let path = origin.path.to_owned();
        let failed = |source| AuditError::rows(&path, source);
        let mut joined = Joined::new(table_of(layout));
        for row in origin.rows.scan_prefix(layout.units) {
            let (key, value) = row.map_err(failed)?;
            let bad = |source| AuditError::Units { path: path.clone(), source };
            joined.push(&key, &value).map_err(bad)?;
        }
        let open = open_session(origin, layout)?;
        let backups = joined.finish().into_iter();
        let backups = backups.map(|backup| (backup.session.unwrap_or(open), backup)).collect();
        let (mut accepted, mut bytes) = (Vec::new(), 0);
        for row in layout.pending.into_iter().flat_map(|prefix| origin.rows.scan_prefix(prefix)) {
            let row = row.map_err(failed)?;
            bytes += row.0.len() + row.1.len();
            if bytes > MAX_BACKUP_BYTES {
                return Err(AuditError::Units { path, source: UnitBackupError::TooLarge });
            }
            accepted.push(row);
        }
        Ok(Self { path, layout, open, backups, accepted })
    }

    /// Returns the forms that its units may have.
    pub fn forms(&self) -> &'static [&'static UnitForm] {
        // Only the first form: keys no longer contained the session when the form changed.
        if table_of(self.layout).session_in_key { &FORMS[..1] } else { &FORMS }
    }

    /// Returns the encoding of items in units.
    pub fn encoding(&self) -> ItemEncoding {
        if self.layout.is_modern() { ItemEncoding::Modern } else { ItemEncoding::Older }
    }

    /// Returns the accepted items and their guardians; `None` if an item does not decode, or the layout is
    /// older than v0.2.
    pub fn accepted_items(&self) -> Option<Vec<(Vec<u8>, u64)>> {
        let split = |(_, value): &(Vec<u8>, Vec<u8>)| {
            let mut reader = Reader::new(value, Dialect::MODERN);
            reader.value::<ConsensusItem>().ok()?;
            let item = reader.since(0).to_vec();
            let peer = reader.u16().ok()?;
            reader.finish().ok()?;
            Some((item, u64::from(peer)))
        };
        self.layout.is_modern().then(|| self.accepted.iter().map(split).collect()).flatten()
    }
}

fn table_of(layout: &BlockLayout) -> UnitTable {
    let key = layout.tables.iter().find(|table| table.prefix == layout.units).map(|table| table.key);
    UnitTable {
        prefix: layout.units,
        session_in_key: key == Some(KeyForm::TwoNumbers),
        dialect: layout.dialect,
    }
}

/// Returns the session after the last finished one, which it finds by binary search.
fn open_session(origin: Origin<'_>, layout: &BlockLayout) -> Result<u64, AuditError> {
    let first_from = |number: u64| -> Result<Option<u64>, AuditError> {
        let mut key = Writer::new(layout.dialect);
        key.u8(layout.history);
        key.u64(number);
        let end = [layout.history + 1];
        let row = origin.rows.scan_range(key.as_bytes(), Some(&end)).next().transpose();
        let row = row.map_err(|source| origin.unreadable(source))?;
        Ok(row.and_then(|(key, _)| layout.number_of_key(&key).ok()))
    };
    let Some(mut last) = first_from(0)? else { return Ok(0) };
    let mut end = u64::MAX;
    while last < end {
        let middle = last + (end - last).div_ceil(2);
        match first_from(middle)? {
            Some(found) if found >= middle => last = found,
            _ => end = middle - 1,
        }
    }
    Ok(last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fm_eras::session::{modern, session_key};
    use fm_forge::memory::{accept, bytes, history, item};

    use super::*;

    #[test]
    fn the_open_session_is_the_one_after_the_last() {
        let open = |sessions: &[u64]| {
            let mut rows = history(0);
            rows.0.extend(sessions.iter().map(|session| (session_key(*session), vec![0])));
            let layout = Layout::Blocks(modern());
            StoredUnits::read(Origin { rows: &rows, path: Path::new("memory"), layout }).unwrap().open
        };
        assert_eq!(open(&[]), 0);
        assert_eq!(open(&[0]), 1);
        assert_eq!(open(&[0, 1, 2]), 3);
        // A gap does not hide what is after it.
        assert_eq!(open(&[0, 5, 1 << 40]), (1 << 40) + 1);
        assert_eq!(open(&[u64::MAX]), u64::MAX);
    }

    #[test]
    fn accepted_items_are_read_with_their_guardians() {
        let mut rows = history(1);
        accept(&mut rows, 0, &item(b"first", 2));
        accept(&mut rows, 1, &item(b"second", 3));
        let layout = Layout::Blocks(modern());
        let stored = StoredUnits::read(Origin { rows: &rows, path: Path::new("memory"), layout }).unwrap();
        let items = stored.accepted_items().unwrap();
        assert_eq!(items.iter().map(|(_, peer)| *peer).collect::<Vec<_>>(), [2, 3]);
        assert!(bytes(&item(b"first", 2)).starts_with(&items[0].0));
        rows.0.insert(vec![modern().pending.unwrap(), 9], vec![0xFF; 3]);
        let damaged = StoredUnits::read(Origin { rows: &rows, path: Path::new("memory"), layout }).unwrap();
        assert_eq!(damaged.accepted_items(), None);
    }
}
