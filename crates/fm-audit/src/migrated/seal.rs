//! The signatures under the sessions of a migrated directory: those that the rule kept, or those that
//! guardians added later.
//!
//! Invariant: signatures are checked over the header that the rule computes, never over what the database
//! states.

use fm_codec::{Dialect, Encode};
use fm_crypto::SessionKeys;
use fm_history::{
    Code, ConvertedSession, Finding, Place, SessionHeader, SessionParts, Signatures, read_signatures,
};

use crate::report::Report;
use crate::sessions::{CheckedSignatures, check_signatures, signature_findings};

/// Number of sessions per core whose signatures are checked at a time.
const SESSIONS_PER_CORE: usize = 256;

/// The result for the signatures under migrated sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealAudit {
    /// Number of sessions that a threshold of guardians signed; `None` without keys.
    pub sealed: Option<u64>,
    /// The number of guardians that must sign.
    pub threshold: usize,
    /// Number of guardians.
    pub guardians: usize,
}

/// A session whose signatures wait to be checked.
struct Waiting {
    header: SessionHeader,
    signatures: Signatures,
    /// The signatures are not the ones that the rule carries over.
    signed_after: bool,
}

/// Follows the sessions of a migrated database.
pub(crate) struct SealCheck<'a> {
    keys: Option<&'a SessionKeys>,
    waiting: Vec<Waiting>,
    sessions: u64,
    sealed: u64,
    /// Number of sessions with signatures that the rule did not carry over.
    signed_since: u64,
    /// Number of sessions that equal the rule's result and lack signatures, and the first of them.
    lacking: u64,
    first_lacking: Option<u64>,
}

impl<'a> SealCheck<'a> {
    pub(crate) fn new(keys: Option<&'a SessionKeys>) -> Self {
        let waiting = Vec::new();
        Self { keys, waiting, sessions: 0, sealed: 0, signed_since: 0, lacking: 0, first_lacking: None }
    }

    /// Takes a stored session. If it differs from the rule's result in more than its signatures, returns the
    /// first byte that differs.
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
            // Records of the current layout are copied: the rule does not decode them.
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

    /// Reports what is wrong with the signatures of a session that was signed later, and whether too few or
    /// too many guardians signed it.
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

    /// Checks the remaining sessions and reports what is known only at the end.
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

    /// Returns the result.
    pub(crate) fn audit(&self) -> SealAudit {
        SealAudit {
            sealed: self.keys.map(|_| self.sealed),
            threshold: self.keys.map_or(0, SessionKeys::threshold),
            guardians: self.keys.map_or(0, SessionKeys::guardians),
        }
    }
}
