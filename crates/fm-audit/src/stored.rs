//! The history inside a source, record by record, without any verification.

use fm_eras::block::{BlockLayout, decode_block, encode_accepted_item};
use fm_eras::{Layout, hbbft, session};
use fm_history::{Block, ConvertedSession, Entry, Hash, convert_block, convert_epoch};
use fm_rows::Rows;
use rayon::prelude::*;

use crate::control::Control;
use crate::epochs::{numbered_rows, try_keys};
use crate::error::AuditError;
use crate::pipeline;
use crate::sessions::choose_scheme;
use crate::source::{
    FederationSource, KeyStanding, MalformedKeys, MigratedDir, NumberedRecords, Origin, Signers, Source,
    TrustedKeys,
};

/// Number of records that a core processes at a time.
const RECORDS_PER_CORE: usize = 64;

impl Source {
    /// Returns the history in its current form: for a migrated directory, the new sessions.
    pub fn history(&self) -> Origin<'_> {
        match self {
            Self::Migrated(dir) => Origin {
                rows: &dir.database,
                path: dir.database.path(),
                layout: Layout::Blocks(session::modern()),
            },
            _ => self.original(),
        }
    }

    /// Returns the history as it was first written: for a migrated directory, the old records.
    pub fn original(&self) -> Origin<'_> {
        match self {
            Self::Database { store, layout } => Origin { rows: store, path: store.path(), layout: *layout },
            Self::Archive { archive, layout } => {
                Origin { rows: archive.as_ref(), path: archive.path(), layout: *layout }
            }
            Self::Migrated(dir) => dir.original(),
            Self::Federation(FederationSource { rows, layout, name }) => {
                Origin { rows: rows.as_ref(), path: name, layout: *layout }
            }
        }
    }
}

impl MigratedDir {
    /// Returns the history as it was before the conversion.
    pub fn original(&self) -> Origin<'_> {
        Origin { rows: &self.provenance, path: self.provenance.path(), layout: self.layout }
    }
}

impl<'a> Origin<'a> {
    /// Returns the record of a session, block or epoch.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn record(&self, index: u64) -> Result<Option<Vec<u8>>, AuditError> {
        let key = match self.layout {
            Layout::Hbbft(layout) => hbbft::epoch_key(index, layout.dialect),
            Layout::Blocks(layout) => layout.history_key(index),
        };
        self.rows.get(&key).map_err(|source| self.unreadable(source))
    }

    /// Returns who signed a record of this history. Unlike [`TrustedKeys::signers`], it distinguishes bad
    /// signatures from keys that verify nothing in the history.
    ///
    /// # Errors
    /// If the source cannot be read, or the job was interrupted.
    pub fn signers(
        &self,
        index: u64,
        record: &[u8],
        keys: TrustedKeys<'_>,
        control: Control<'_>,
    ) -> Result<Signers, AuditError> {
        let mut signers = keys.signers(index, record, &self.layout);
        if signers.none_verifies() && self.has_other_keys(keys, control)? {
            signers.keys = KeyStanding::Other;
        }
        Ok(signers)
    }

    /// Returns whether these are the keys of another federation: several signatures were tried, and none of
    /// them verifies.
    ///
    /// # Errors
    /// If the source cannot be read, or the job was interrupted.
    pub fn has_other_keys(&self, keys: TrustedKeys<'_>, control: Control<'_>) -> Result<bool, AuditError> {
        let found = match (self.layout, keys.epoch) {
            (Layout::Hbbft(_), None) => None,
            (Layout::Hbbft(layout), Some(keys)) => try_keys(*self, layout, keys)?,
            (Layout::Blocks(layout), _) => choose_scheme(*self, layout, keys.session, control)?.finding,
        };
        Ok(found.is_some())
    }

    /// Returns all records by ascending number. Keys that name no record are skipped.
    pub fn records(self, control: Control<'a>, malformed: &'a mut MalformedKeys) -> NumberedRecords<'a> {
        match self.layout {
            Layout::Hbbft(layout) => numbered_rows(self, layout, control, malformed),
            Layout::Blocks(layout) => self.blocks(layout, self.rows.scan_prefix(layout.history)),
        }
    }

    /// Returns the sessions from one on by ascending number; `None` if the layout is an older one.
    pub fn sessions_from(self, first: u64) -> Option<NumberedRecords<'a>> {
        let Layout::Blocks(layout) = self.layout else { return None };
        let rows = || self.rows.scan_range(&layout.history_key(first), Some(&[layout.history + 1]));
        layout.is_modern().then(|| self.blocks(layout, rows()))
    }

    fn blocks(self, layout: &'static BlockLayout, rows: Rows<'a>) -> NumberedRecords<'a> {
        let path = self.path;
        Box::new(rows.filter_map(move |row| match row.map_err(|source| AuditError::rows(path, source)) {
            Ok((key, value)) => layout.number_of_key(&key).ok().map(|number| Ok((number, value))),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Returns where a transaction was first accepted: the session or epoch, and the item in it.
    ///
    /// # Errors
    /// If the source cannot be read, or the job was interrupted.
    pub fn find_transaction(
        &self,
        txid: Hash,
        control: Control<'_>,
    ) -> Result<Option<(u64, usize)>, AuditError> {
        type Records<'f> = pipeline::Feed<'f, (u64, Vec<u8>), Stop<(u64, usize)>>;
        let read = |feed: &mut Records<'_>| {
            for row in self.records(control, &mut MalformedKeys::default()) {
                let (index, record) = row?;
                let bytes = record.len();
                feed.push((index, record), bytes)?;
            }
            Ok(())
        };
        let process = |chunk: Vec<(u64, Vec<u8>)>| {
            let find = |(index, record): (u64, Vec<u8>)| {
                let entry = read_entry(index, &record, &self.layout).ok()?;
                let matches = |item: &fm_history::EntryItem| !item.rejected && item.kind.txid() == Some(txid);
                Some((index, entry.known_items().iter().position(matches)?))
            };
            chunk.into_par_iter().map(find).collect()
        };
        control.progress.begin("transactions", "sessions", None);
        let most = pipeline::ChunkSize::large(RECORDS_PER_CORE * rayon::current_num_threads());
        let found =
            pipeline::run(most, control, read, process, |found| found.map_or(Ok(()), |at| Err(Stop::At(at))));
        control.progress.end();
        match found {
            Ok(()) => Ok(None),
            Err(Stop::At(place)) => Ok(Some(place)),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// Why a scan stops early.
pub enum Stop<T> {
    /// It found what it was looking for.
    At(T),
    /// It could not continue.
    Failed(AuditError),
}

impl<T> From<AuditError> for Stop<T> {
    fn from(error: AuditError) -> Self {
        Self::Failed(error)
    }
}

/// Decodes a record into its parts.
///
/// # Errors
/// If the record does not decode: the reason.
pub fn read_entry(index: u64, record: &[u8], layout: &Layout) -> Result<Entry, String> {
    match layout {
        Layout::Hbbft(layout) => {
            let epoch = hbbft::decode_epoch(record, layout).map_err(|error| error.to_string())?;
            Ok(Entry::of_epoch(index, &epoch, |item| hbbft::encode_item(item, layout.dialect)))
        }
        Layout::Blocks(layout) => {
            let block = decode_block(record, layout).map_err(|error| error.to_string())?;
            Ok(Entry::of_block(index, &block, |item| encode_accepted_item(item, layout)))
        }
    }
}

/// Decodes the session that the conversion rule makes of a record.
///
/// # Errors
/// If the record does not decode, or hides its content: why.
pub fn read_ruled_entry(index: u64, record: &[u8], layout: &Layout) -> Result<Entry, String> {
    match convert_record(index, record, layout)? {
        Some(converted) => read_entry(index, &converted.record, &Layout::Blocks(session::modern())),
        None => read_entry(index, record, layout),
    }
}

/// Returns the session that the rule makes of a record; `None` if the record is copied.
///
/// # Errors
/// If the record does not decode, or hides its content: why.
pub fn convert_record(
    index: u64,
    record: &[u8],
    layout: &Layout,
) -> Result<Option<ConvertedSession>, String> {
    match layout {
        Layout::Hbbft(layout) => {
            let epoch = hbbft::decode_epoch(record, layout).map_err(|error| error.to_string())?;
            let content = epoch.content.ok_or("the layout does not say where its items end")?;
            Ok(Some(convert_epoch(index, &content)))
        }
        Layout::Blocks(layout) if layout.is_modern() => Ok(None),
        Layout::Blocks(layout) => {
            let block: Block = decode_block(record, layout).map_err(|error| error.to_string())?;
            Ok(Some(convert_block(index, &block, false)))
        }
    }
}
