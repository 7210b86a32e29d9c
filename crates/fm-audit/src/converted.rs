//! A converted session together with the epoch or block that it was made from. A migrated directory has both.

use fm_eras::Layout;
use fm_history::{CarriedTransaction, Hash, SessionLeaf};

use crate::audit::is_copied;
use crate::control::Control;
use crate::error::AuditError;
use crate::source::Source;
use crate::stored::convert_record;

/// The epoch or block that a session was made from.
#[derive(Clone, Debug)]
pub struct Original {
    /// Its number, which is also the number of the session.
    pub index: u64,
    /// The stored record.
    pub record: Vec<u8>,
    /// Its layout.
    pub layout: Layout,
    /// The result of the rule: number of items and header of the session.
    pub leaf: SessionLeaf,
    /// Its transactions that are in the session, with the ids before and after the conversion.
    pub transactions: Vec<CarriedTransaction>,
}

impl Source {
    /// Returns what a session of a migrated directory was made from; `None` for other sources, for sessions
    /// after the conversion, and for sessions that were copied unchanged.
    ///
    /// # Errors
    /// If the provenance archive cannot be read.
    pub fn original_of(&self, session: u64) -> Result<Option<Original>, AuditError> {
        let Self::Migrated(dir) = self else { return Ok(None) };
        if is_copied(&dir.layout) || session > dir.manifest.last {
            return Ok(None);
        }
        let history = self.original();
        let Some(record) = history.record(session)? else { return Ok(None) };
        // A record that does not decode is a finding of an audit; it is not reported here.
        let Ok(Some(converted)) = convert_record(session, &record, &history.layout) else { return Ok(None) };
        let (layout, leaf, transactions) = (history.layout, converted.leaf, converted.transactions);
        Ok(Some(Original { index: session, record, layout, leaf, transactions }))
    }

    /// Returns where the transaction that had this id before the conversion is now: the session, and the item
    /// in it.
    ///
    /// # Errors
    /// If the provenance archive cannot be read, or the job was interrupted.
    pub fn find_old_transaction(
        &self,
        txid: Hash,
        control: Control<'_>,
    ) -> Result<Option<(u64, usize)>, AuditError> {
        let Self::Migrated(dir) = self else { return Ok(None) };
        if is_copied(&dir.layout) {
            return Ok(None);
        }
        let Some((index, _)) = self.original().find_transaction(txid, control)? else { return Ok(None) };
        let original = self.original_of(index)?;
        let transactions = original.map(|original| original.transactions).unwrap_or_default();
        let found = transactions.into_iter().find(|transaction| transaction.old_txid == txid);
        let item = found.and_then(|found| usize::try_from(found.item).ok());
        Ok(item.map(|item| (index, item)))
    }
}
