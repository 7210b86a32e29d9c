//! Files for remote parties, and their basis: the comparison of two histories, the explanation of the record
//! where they diverge, evidence of two signed versions, and proofs of single items.
//!
//! Invariant: a file from a remote party is not believed. Everything that it claims is derived again, from
//! the records inside and the checker's own keys; what cannot be derived is not claimed.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::atomic::AtomicBool;
//!
//! use fm_audit::{Control, Silent, open_source};
//! use fm_evidence::compare_histories;
//!
//! let fixtures = Path::new("../../fixtures/session-v0.5.0");
//! let interrupted = AtomicBool::new(false);
//! let control = Control { progress: &Silent, interrupted: &interrupted };
//! let left = open_source(&fixtures.join("peer-0"), None, control)?;
//! let right = open_source(&fixtures.join("peer-1"), None, control)?;
//! let (comparison, _) = compare_histories(left.history(), right.history(), control)?;
//! // Both guardians have the same sessions as far as both go.
//! assert!(comparison.equal > 0);
//! # Ok::<(), fm_audit::AuditError>(())
//! ```

mod compare;
mod evidence;
mod explain;
mod guardians;
mod note;
mod proof;
mod proof_epoch;
mod proof_session;
mod reading;
mod sealed_json;

pub use compare::{CompareForm, Comparison, Pair, compare_histories, compare_histories_after};
pub use evidence::{CheckedEvidence, Evidence, EvidenceError, check_evidence, evidence};
pub use explain::{ExplainedSide, Explanation, explain};
pub use guardians::{GuardianDifference, compare_guardians};
pub use note::{Checkpoint, NoteError, NoteKey, NoteKind, NoteSigner, SignedNote};
pub use proof::{Proof, ProofError, ProvenItem, check_proof, prove};
pub use proof_session::SessionProofError;
pub use sealed_json::SealedJsonError;
