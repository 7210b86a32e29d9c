//! The signatures under the sessions of a migrated directory: what the rule gave, or what guardians put there since.
//!
//! Invariant: signatures are checked over the header that the rule gives, never over what the database says of itself.

use fm_codec::{Dialect, Encode};
use fm_crypto::SessionKeys;
use fm_history::{
    Code, ConvertedSession, Finding, Place, SessionHeader, SessionParts, Signatures, read_signatures,
};

use crate::report::Report;
use crate::sessions::{CheckedSignatures, check_signatures, signature_findings};

/// Sessions whose signatures are checked at a time, per core.
const SESSIONS_PER_CORE: usize = 256;

/// What the signatures under migrated sessions came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealAudit {
    /// Sessions that a threshold of guardians signed; none if there were no keys to tell.
    pub sealed: Option<u64>,
    /// How many guardians sign together.
    pub threshold: usize,
    /// Number of guardians.
    pub guardians: usize,
}

/// A session whose signatures wait to be checked.
struct Waiting {
    header: SessionHeader,
    signatures: Signatures,
    /// Other signatures than those that the rule carries over.
    signed_after: bool,
}

/// Follows the sessions of a migrated database.
pub(crate) struct SealCheck<'a> {
    keys: Option<&'a SessionKeys>,
    waiting: Vec<Waiting>,
    sessions: u64,
    sealed: u64,
    /// Sessions with signatures that the rule did not give.
    signed_since: u64,
    /// Sessions as the rule gives them that lack signatures, and the first of them.
    lacking: u64,
    first_lacking: Option<u64>,
}

impl<'a> SealCheck<'a> {
    pub(crate) fn new(keys: Option<&'a SessionKeys>) -> Self {
        let waiting = Vec::new();
        Self { keys, waiting, sessions: 0, sealed: 0, signed_since: 0, lacking: 0, first_lacking: None }
    }

    /// Takes a stored session; if it differs from the rule's in more than its signatures, says from which byte on.
    pub(crate) fn on_session(
        &mut self,
        stored: &[u8],
        converted: &ConvertedSession,
        report: &Report<'_>,
    ) -> Result<(), usize> {
        let outcome = converted.outcome.to_bytes(Dialect::MODERN);
        let is_as_ruled = stored == converted.record;
        let signatures = match stored.strip_prefix(outcome.as_slice()) {
            Some(end) => read_signatures(end).ok(),
            // Records of today are copied: the rule does not take them apart.
            None if is_as_ruled => SessionParts::read(stored).ok().map(|parts| parts.signatures),
            None => None,
        };
        let Some(signatures) = signatures else {
            return Err(stored.iter().zip(&converted.record).take_while(|(a, b)| a == b).count());
        };
        self.sessions += 1;
        self.waiting.push(Waiting { header: converted.leaf.header, signatures, signed_after: !is_as_ruled });
        if self.waiting.len() >= SESSIONS_PER_CORE * rayon::current_num_threads() {
            self.check_waiting(report);
        }
        Ok(())
    }

    fn check_waiting(&mut self, report: &Report<'_>) {
        let keys = self.keys;
        let waiting = std::mem::take(&mut self.waiting);
        let signed: Vec<_> = waiting.iter().map(|session| (session.header, &session.signatures)).collect();
        let mut checked = keys.map(|keys| check_signatures(&signed, keys).into_iter());
        for session in &waiting {
            let checked = checked.as_mut().and_then(Iterator::next);
            let valid = checked.as_ref().map(|checked| checked.valid);
            let index = session.header.index;
            let threshold_met = match (valid, keys) {
                (Some(valid), Some(keys)) => valid >= keys.threshold(),
                _ => !session.signatures.is_empty(),
            };
            self.sealed += u64::from(threshold_met);
            if session.signed_after {
                self.signed_since += 1;
                self.report_signatures(session, checked, report);
            } else if !threshold_met {
                self.lacking += 1;
                self.first_lacking.get_or_insert(index);
            }
        }
    }

    /// Tells of a session that was signed since what is wrong with its signatures, and if too few or too many guardians
    /// signed it.
    fn report_signatures(&self, session: &Waiting, checked: Option<CheckedSignatures>, report: &Report<'_>) {
        let (index, stored) = (session.header.index, session.signatures.len());
        let found = match (checked, self.keys) {
            (Some(checked), Some(keys)) => signature_findings(checked, index, stored, keys.threshold()),
            _ if stored == 0 => {
                let message = "the signatures that it had before the conversion are gone";
                vec![Finding::new(Code::SessionUnsigned, Place::session(index), message)]
            }
            _ => Vec::new(),
        };
        found.into_iter().for_each(|finding| report.add(finding));
    }

    /// What remains to be said when all sessions were seen.
    pub(crate) fn finish(&mut self, report: &Report<'_>) {
        self.check_waiting(report);
        let everywhere = Place::everywhere;
        if let Some(first) = self.first_lacking.filter(|_| self.signed_since > 0) {
            let message = format!(
                "{} session(s) from here on lack signatures, and {} others were signed after the conversion: sealing \
                 was not done by these tools",
                self.lacking, self.signed_since
            );
            report.add(Finding::new(Code::SessionUnsigned, Place::session(first), message));
        } else if self.sealed < self.sessions && self.signed_since == 0 {
            let message = "the new headers carry no signatures; the signatures of the original certify them";
            report.add(Finding::new(Code::SessionsUnsealed, everywhere(), message));
        }
        if self.keys.is_none() && self.signed_since > 0 {
            let message = format!(
                "{} sessions were signed after the conversion, and nobody checked these signatures: that takes the \
                 guardians' session keys, which a consensus.json has",
                self.signed_since
            );
            report.add(Finding::new(Code::SealUnchecked, everywhere(), message));
        }
    }

    /// What it came to.
    pub(crate) fn audit(&self) -> SealAudit {
        SealAudit {
            sealed: self.keys.map(|_| self.sealed),
            threshold: self.keys.map_or(0, SessionKeys::threshold),
            guardians: self.keys.map_or(0, SessionKeys::guardians),
        }
    }
}
