//! An epoch or session of the old history, as an audit or a conversion shows it.

use std::borrow::Cow;

use fm_codec::{Dialect, decode_exact};
use fm_history::{ConvertedSession, Hash, SessionOutcome, SignedSession};

use crate::epochs::AuditedEpoch;
use crate::sessions::AuditedBlock;

/// An epoch or session of the old history.
pub struct OldSession<'a> {
    /// Its number.
    pub index: u64,
    /// The hash of its content, as in [`ProvenPrefix::last_hash`](crate::ProvenPrefix::last_hash).
    pub hash: Hash,
    /// The session that the rule makes of it; `None` if the record does not decode or its layout hides the
    /// content.
    pub converted: Option<&'a ConvertedSession>,
    /// The record and the results of its audit.
    pub audited: Audited<'a>,
}

/// An epoch, or a block or session, as the pipeline returns it.
#[derive(Clone, Copy)]
pub enum Audited<'a> {
    /// An epoch.
    Epoch(&'a AuditedEpoch),
    /// A block or session.
    Block(&'a AuditedBlock),
}

impl<'a> OldSession<'a> {
    /// Returns the items of the session that the rule yields; `None` if the layout hides them.
    ///
    /// A record of the current layout is carried over as it is, so that its items are decoded here.
    pub fn outcome(&self) -> Option<Cow<'a, SessionOutcome>> {
        let converted = self.converted?;
        match self.audited {
            Audited::Block(block) if converted.outcome.items.is_empty() && converted.leaf.items > 0 => {
                let session: SignedSession = decode_exact(&block.record, Dialect::MODERN).ok()?;
                Some(Cow::Owned(session.outcome))
            }
            _ => Some(Cow::Borrowed(&converted.outcome)),
        }
    }

    pub(crate) fn of_epoch(audited: &'a AuditedEpoch) -> Self {
        let decoded = audited.decoded.as_ref().ok();
        Self {
            index: audited.key,
            hash: decoded.map_or_else(Hash::default, |decoded| decoded.facts.computed_hash),
            converted: decoded.and_then(|decoded| decoded.converted.as_ref()),
            audited: Audited::Epoch(audited),
        }
    }

    pub(crate) fn of_block(audited: &'a AuditedBlock) -> Self {
        let decoded = audited.decoded.as_ref().ok();
        Self {
            index: audited.key,
            hash: decoded.map_or_else(Hash::default, |decoded| decoded.leaf.header.root),
            converted: decoded.and_then(|decoded| decoded.converted.as_ref()),
            audited: Audited::Block(audited),
        }
    }
}
