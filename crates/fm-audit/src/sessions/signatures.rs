//! The check of the signatures under sessions, in batches on all cores, and the findings about them.

use fm_crypto::{SchnorrError, SchnorrItem, SessionKeys};
use fm_history::{Code, Finding, PeerId, Place, SessionHeader, Signatures};
use rayon::prelude::*;

/// The result of checking the signatures under one header.
#[derive(Default)]
pub struct CheckedSignatures {
    /// The number of valid signatures.
    pub valid: usize,
    /// The findings about the others.
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

/// Counts the signers that are guardians, without checking their signatures.
pub(crate) fn count_signers(
    header: SessionHeader,
    signatures: &Signatures,
    keys: &SessionKeys,
) -> CheckedSignatures {
    let strangers = signatures.keys().filter(|peer| keys.x_only(**peer).is_none());
    let strange = |peer: &PeerId| signature_finding(header, SchnorrError::UnknownPeer { peer: *peer });
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

/// Returns the findings about the signatures under a session: about each signature, and about their number.
/// Causes come before what follows from them: a session whose signatures are all bad was changed once, not
/// once for each guardian.
pub fn signature_findings(
    checked: CheckedSignatures,
    index: u64,
    stored: usize,
    threshold: usize,
) -> Vec<Finding> {
    let CheckedSignatures { valid, findings: mut bad } = checked;
    let count = count_finding(index, valid, stored, threshold);
    let cause = bad.first().map(Finding::cause);
    if let Some(cause) = cause.clone().filter(|_| valid == 0 && stored > 1) {
        bad = bad.into_iter().enumerate().map(|(place, finding)| match place {
            0 => Finding {
                message: format!(
                    "{}, nor does any other of the {stored} stored: the session's items, its number or its \
                     signatures were changed",
                    finding.message
                ),
                ..finding
            },
            _ => finding.following(cause.clone()),
        }).collect();
    }
    // If all stored signatures were valid, there would be enough of them.
    let follows = cause.filter(|_| stored >= threshold);
    let count = count.map(|finding| match follows {
        Some(cause) if finding.code == Code::SessionUnsigned => finding.following(cause),
        _ => finding,
    });
    bad.into_iter().chain(count).collect()
}

/// Returns the finding about the number of signatures under a session: `valid` of the `stored` ones are
/// valid.
fn count_finding(index: u64, valid: usize, stored: usize, threshold: usize) -> Option<Finding> {
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
