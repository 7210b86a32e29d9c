//! Inclusion proofs: one item of a history in one file, for somebody who has the federation's keys and nothing else.
//!
//! `docs/formats/proof.md` says what is proven, and from what. Invariant: a file is checked by what is in it and by the
//! keys; what it says about itself is not believed.

use fm_audit::{AuditError, Origin, Signers, TrustedKeys};
use fm_crypto::{EpochKeys, SessionKeys};
use fm_eras::Layout;
use fm_history::{EntryItem, Hash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::proof_epoch::EpochProof;
use crate::proof_session::{Form, SessionProof, SessionProofError};
use crate::sealed_json::{SealedJson, SealedJsonError};

/// An item and all that shows it to be in the history.
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

/// What the proof is made of.
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

/// Why something is not proven.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The file is none, or was changed.
    #[error(transparent)]
    Form(#[from] SealedJsonError),
    /// The layout is none, or one of the other kind.
    #[error("layout: there is no layout {layout:?} with such items")]
    Layout {
        /// What the file names.
        layout: String,
    },
    /// The layout is another one than the caller knows.
    #[error("layout: the file is of the layout {layout:?}, and not {known}")]
    OtherLayout {
        /// What the file names.
        layout: String,
        /// What the caller knows.
        known: &'static str,
    },
    /// The tree does not show the item.
    #[error(transparent)]
    Session(#[from] SessionProofError),
    /// The chain of epochs does not show the item.
    #[error("{place}: {reason}")]
    Epoch {
        /// The part of the file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing that the proof could rest on is signed.
    #[error("{reason}")]
    Unsigned {
        /// What is lacking.
        reason: String,
    },
    /// There is no such item.
    #[error("there is no item {item} in it: it has {count}, counted from 0")]
    NoSuchItem {
        /// The item.
        item: usize,
        /// Number of items.
        count: usize,
    },
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
    /// Its place in there.
    pub item: u64,
    /// Number of items in there; of sessions, of those that every list with the signed header has.
    pub count: u64,
    /// The item.
    pub facts: EntryItem,
    /// What the signatures are over: the header's root, or the hash of the epoch that is signed.
    pub hash: Hash,
    /// The epoch whose signature it is; of sessions, the session.
    pub signed_index: u64,
    /// Who signed.
    pub signers: Signers,
}

/// Makes the proof of an item, and says what it shows: it was checked, as far as the keys go, before it is handed out.
///
/// # Errors
/// If nothing that signs the item is there, or its place in the tree cannot be shown.
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

/// Checks a proof; without keys of its kind everything but the signatures. `known` is the layout, where the caller does
/// not have to take the file's word for it.
///
/// # Errors
/// If it proves nothing.
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
