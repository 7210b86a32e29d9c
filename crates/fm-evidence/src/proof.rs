//! Inclusion proofs: one item of a history in one file, for a reader who has only the federation's keys.
//!
//! `docs/formats/proof.md` says what is proven, and from what. Invariant: a file is checked by its contents
//! and the keys; what it states about itself is not believed.

use fm_audit::{AuditError, Origin, Signers, TrustedKeys};
use fm_crypto::{EpochKeys, SessionKeys};
use fm_eras::Layout;
use fm_history::{EntryItem, Hash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::proof_epoch::EpochProof;
use crate::proof_session::{Form, SessionProof, SessionProofError};
use crate::sealed_json::{SealedJson, SealedJsonError};

/// An item and all data that shows that it is in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    layout: String,
    index: u64,
    item: u64,
    content: Content,
    sha256: Hash,
}

/// The parts of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Session(SessionProof),
    Epoch(EpochProof),
}

impl SealedJson for Proof {
    const FORMAT: &'static str = "fedimint-history-proof 1";

    fn format(&self) -> &str {
        &self.format
    }

    fn digest(&self) -> Hash {
        self.sha256
    }
}

/// Why a proof cannot be made or is refused.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum ProofError {
    /// Not a proof file, or modified.
    #[error(transparent)]
    Form(#[from] SealedJsonError),
    /// The layout does not exist, or is of the other kind.
    #[error("layout: there is no layout {layout:?} with such items")]
    Layout { layout: String },
    /// The layout is not the one that the caller knows.
    #[error("layout: the file is of the layout {layout:?}, and not {known}")]
    OtherLayout { layout: String, known: &'static str },
    /// The tree does not show the item.
    #[error(transparent)]
    Session(#[from] SessionProofError),
    /// The chain of epochs does not show the item.
    #[error("{place}: {reason}")]
    Epoch {
        /// The part of the file.
        place: String,
        reason: String,
    },
    /// There is no signature that the proof could rest on.
    #[error("{reason}")]
    Unsigned { reason: String },
    /// There is no such item.
    #[error("there is no item {item} in it: it has {count}, counted from 0")]
    NoSuchItem { item: usize, count: usize },
    /// The source could not be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// What a proof shows.
#[derive(Debug)]
pub struct ProvenItem {
    /// Layout of the item.
    pub layout: Layout,
    /// The session, block or epoch that it is in.
    pub index: u64,
    /// Its place in it.
    pub item: u64,
    /// Number of items in it; for a session, the number of items that every list with the signed header has.
    pub count: u64,
    /// The item.
    pub facts: EntryItem,
    /// What the signatures cover: the header's root, or the hash of the signed epoch.
    pub hash: Hash,
    /// The epoch that is signed; for a session, the session itself.
    pub signed_index: u64,
    /// The signers.
    pub signers: Signers,
}

/// Makes the proof of an item, and returns its text and what it shows. The proof is checked with the
/// available keys before it is returned.
///
/// # Errors
/// If no signature covers the item, its place in the tree cannot be shown, or the history cannot be read.
pub fn prove(
    history: &Origin<'_>,
    index: u64,
    item: usize,
    record: &[u8],
    keys: TrustedKeys<'_>,
) -> Result<(String, ProvenItem), ProofError> {
    let content = match history.layout {
        Layout::Blocks(layout) => Content::Session(SessionProof::make(record, item, layout)?),
        Layout::Hbbft(_) => Content::Epoch(EpochProof::make(history, index, record, keys)?),
    };
    let proof = Proof {
        format: Proof::FORMAT.to_owned(),
        layout: history.layout.name().to_owned(),
        index,
        item: item as u64,
        content,
        sha256: Hash::default(),
    };
    let text = proof.to_text();
    let proven = check_proof(&text, keys, Some(&history.layout))?;
    Ok((text, proven))
}

/// Checks a proof. Without keys of its kind, it checks everything except the signatures. `known` is the
/// layout, if the caller knows it and need not rely on the file.
///
/// # Errors
/// If the file is not a proof, was modified, or does not prove its item.
pub fn check_proof(
    text: &str,
    keys: TrustedKeys<'_>,
    known: Option<&Layout>,
) -> Result<ProvenItem, ProofError> {
    let proof = Proof::from_text(text)?;
    let unknown = || ProofError::Layout { layout: proof.layout.clone() };
    let layout = Layout::by_name(&proof.layout).ok_or_else(unknown)?;
    if let Some(known) = known.filter(|known| !same_records(known, &layout)) {
        return Err(ProofError::OtherLayout { layout: proof.layout, known: known.name() });
    }
    let proven = match (&proof.content, &layout) {
        (Content::Session(content), Layout::Blocks(layout)) => {
            let form = Form { layout, is_known: known.is_some() };
            content.check(proof.index, proof.item, form, keys)?
        }
        (Content::Epoch(content), Layout::Hbbft(form)) if form.is_framed() => {
            content.check(proof.index, proof.item, form, known.is_some(), keys)?
        }
        _ => return Err(unknown()),
    };
    if proven.signers.threshold_met == Some(false) {
        return Err(ProofError::Unsigned { reason: lacking(&proven, keys) });
    }
    Ok(proven)
}

fn same_records(one: &Layout, other: &Layout) -> bool {
    match (one, other) {
        (Layout::Blocks(one), Layout::Blocks(other)) if one.is_modern() => other.is_modern(),
        _ => one == other,
    }
}

fn lacking(proven: &ProvenItem, keys: TrustedKeys<'_>) -> String {
    let name = keys.name(&proven.layout).unwrap_or_default();
    let other = match proven.signers.none_verifies() {
        true => "; where none verifies, the keys are another federation's, or what was signed was changed",
        false => "",
    };
    match (&proven.layout, keys.session, &proven.signers.valid) {
        (Layout::Blocks(_), Some(keys), Some(valid)) => {
            format!(
                "signatures: {} of them verify under the keys {name}, and {} guardians sign together{other}",
                valid.len(),
                SessionKeys::threshold(keys)
            )
        }
        _ => {
            let degree = keys.epoch.map_or(0, EpochKeys::degree);
            format!(
                "the signature of epoch {} does not verify under the keys {name} (degree {degree}){other}",
                proven.signed_index
            )
        }
    }
}
