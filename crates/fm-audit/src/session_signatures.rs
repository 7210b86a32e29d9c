//! The signatures under sessions: checked in batches on all cores, and what is wrong with them.

use fm_crypto::{SchnorrError, SchnorrItem, SessionKeys};
use fm_history::{Code, Finding, Place, SessionHeader, Signatures};
use rayon::prelude::*;

/// What came of the signatures under one header.
#[derive(Default)]
pub struct CheckedSignatures {
    /// How many count.
    pub valid: usize,
    /// What is wrong with the others.
    pub findings: Vec<Finding>,
}

/// Checks the signatures over each header.
pub fn check_signatures(
    sessions: &[(SessionHeader, &Signatures)],
    keys: &SessionKeys,
) -> Vec<CheckedSignatures> {
    let of_a_core = sessions.len().div_ceil(rayon::current_num_threads()).max(1);
    sessions.par_chunks(of_a_core).flat_map_iter(|sessions| check_batch(sessions, keys)).collect()
}

fn check_batch(sessions: &[(SessionHeader, &Signatures)], keys: &SessionKeys) -> Vec<CheckedSignatures> {
    let items = sessions.iter().flat_map(|(header, signatures)| {
        let message = keys.message(&header.to_bytes());
        signatures.iter().map(move |(peer, signature)| SchnorrItem { peer: *peer, message, signature })
    });
    let mut verdicts = keys.verify_batch(&items.collect::<Vec<_>>()).into_iter();
    let of_session = |(header, signatures): &(SessionHeader, &Signatures)| {
        let errors = verdicts.by_ref().take(signatures.len()).filter_map(Result::err);
        let findings: Vec<Finding> = errors.map(|error| signature_finding(*header, error)).collect();
        CheckedSignatures { valid: signatures.len() - findings.len(), findings }
    };
    sessions.iter().map(of_session).collect()
}

/// Looks at who signed, not at the signatures; counts guardians.
pub(crate) fn count_signers(
    header: SessionHeader,
    signatures: &Signatures,
    keys: &SessionKeys,
) -> CheckedSignatures {
    let strangers = signatures.keys().filter(|peer| keys.x_only(**peer).is_none());
    let strange = |peer: &u16| signature_finding(header, SchnorrError::UnknownPeer { peer: *peer });
    let findings: Vec<Finding> = strangers.map(strange).collect();
    CheckedSignatures { valid: signatures.len() - findings.len(), findings }
}

fn signature_finding(header: SessionHeader, error: SchnorrError) -> Finding {
    let code = match error {
        SchnorrError::UnknownPeer { .. } => Code::SessionSignerUnknown,
        SchnorrError::DoesNotVerify { .. } => Code::SessionSignatureInvalid,
    };
    Finding::new(code, Place::session(header.index), error.to_string())
}

/// What is wrong with the number of signatures under a session: `valid` of those `stored` count.
pub fn count_finding(index: u64, valid: usize, stored: usize, threshold: usize) -> Option<Finding> {
    let (code, message) = if valid < threshold {
        (Code::SessionUnsigned, format!("{valid} valid signatures of {threshold} that it takes"))
    } else if stored > threshold {
        let message =
            format!("{stored} signatures, where servers exchange only records of exactly {threshold}");
        (Code::SessionSignaturesSurplus, message)
    } else {
        return None;
    };
    Some(Finding::new(code, Place::session(index), message))
}
