//! The units and accepted items of the session in progress, as a database holds them.

use std::path::PathBuf;

use fm_audit::{AuditError, Origin};
use fm_codec::{Dialect, Reader, Writer};
use fm_eras::Layout;
use fm_eras::block::{BlockLayout, KeyForm};
use fm_history::ConsensusItem;
use fm_units::{Backup, FORMS, ItemEncoding, Joined, MAX_BACKUP_BYTES, UnitBackupError, UnitForm, UnitTable};

use crate::MigrationError;

/// What one guardian's database holds of the session in progress.
#[derive(Debug)]
pub struct StoredUnits {
    /// The database.
    pub path: PathBuf,
    /// Its layout.
    pub layout: &'static BlockLayout,
    /// The session in progress: the one after the last finished one.
    pub open: u64,
    /// Its unit backups with their sessions: one, or none at the beginning of a session.
    pub backups: Vec<(u64, Backup)>,
    /// The accepted items of the open session: keys and values as stored.
    pub accepted: Vec<(Vec<u8>, Vec<u8>)>,
}

impl StoredUnits {
    /// Reads the rows.
    ///
    /// # Errors
    /// If the database is of an era without units, its rows cannot be read, or they are no backup.
    pub fn read(origin: Origin<'_>) -> Result<Self, MigrationError> {
        let Layout::Blocks(layout) = origin.layout else {
            return Err(MigrationError::NoUnits { era: origin.layout.era().as_str() });
        };
        let path = origin.path.to_owned();
        let failed = |source| MigrationError::from(AuditError::rows(&path, source));
        let mut joined = Joined::new(table_of(layout));
        for row in origin.rows.scan_prefix(layout.units) {
            let (key, value) = row.map_err(failed)?;
            let bad = |source| MigrationError::Units { path: path.clone(), source };
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
                return Err(MigrationError::Units { path, source: UnitBackupError::TooLarge });
            }
            accepted.push(row);
        }
        Ok(Self { path, layout, open, backups, accepted })
    }

    /// The forms that its units may be in.
    pub fn forms(&self) -> &'static [&'static UnitForm] {
        // The first of all forms; the session left the keys before the form changed.
        if table_of(self.layout).session_in_key { &FORMS[..1] } else { &FORMS }
    }

    /// How items in units are encoded.
    pub fn encoding(&self) -> ItemEncoding {
        if self.layout.is_modern() { ItemEncoding::Modern } else { ItemEncoding::Older }
    }

    /// The accepted items and their guardians; none if one does not decode, or the layout is older than v0.2.
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

/// The session behind the last finished one, found by halving the range of numbers.
fn open_session(origin: Origin<'_>, layout: &BlockLayout) -> Result<u64, MigrationError> {
    let first_from = |number: u64| -> Result<Option<u64>, MigrationError> {
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
