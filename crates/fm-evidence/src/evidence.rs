//! Evidence: a difference between two histories in one file, for a reader who has neither history.
//!
//! Invariant: nothing that the file claims is believed. All of it is derived again from the records inside
//! and the keys of the checker, and must be the same.

use fm_audit::{TrustedKeys, read_entry};
use fm_eras::Layout;
use fm_history::{DiffClass, Hash, PeerId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::compare::Pair;
use crate::explain::{ExplainedSide, Explanation, explain};
use crate::reading::doubt;
use crate::sealed_json::{SealedJson, SealedJsonError, hex_option};

/// A difference in the form of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    format: String,
    /// The session, block or epoch.
    pub index: u64,
    /// Names of the keys that the claims were made with; null if there were no keys.
    pub keys: Option<String>,
    class: DiffClass,
    change: DiffClass,
    item: Option<usize>,
    equivocators: Vec<PeerId>,
    left: EvidenceSide,
    right: EvidenceSide,
    sha256: Hash,
}

/// One side of a difference in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceSide {
    source: String,
    layout: String,
    #[serde(with = "hex_option")]
    record: Option<Vec<u8>>,
    hash: Option<Hash>,
    signed_by: Option<Vec<PeerId>>,
    enough: Option<bool>,
}

/// Why evidence is refused.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// Not an evidence file, or modified.
    #[error(transparent)]
    Form(#[from] SealedJsonError),
    /// The file names a layout that does not exist.
    #[error("{side}.layout: there is no layout {layout:?}")]
    Layout { side: &'static str, layout: String },
    /// A record has another number.
    #[error(
        "index: the file is about {index}, and the {side} record says that its number is {own}: the two sides are not \
         copies of one"
    )]
    OtherNumber { side: &'static str, index: u64, own: u64 },
    /// Both sides are the same record, or neither side has a record.
    #[error("left.record and right.record are the same: there is no difference")]
    NoDifference,
    /// The two layouts have no common form.
    #[error("left.layout and right.layout cannot be compared")]
    Incomparable,
    /// The file is about other keys.
    #[error(
        "keys: it was made with the keys {stated} of a federation, and the keys given are {given}: other keys"
    )]
    OtherKeys { stated: String, given: String },
    /// A claim of the file does not follow from its records and the keys.
    #[error("{claim}: it claims {stated}, and its records and the keys give {found}")]
    Claim { claim: &'static str, stated: String, found: String },
}

impl SealedJson for Evidence {
    const FORMAT: &'static str = "fedimint-history-evidence 1";

    fn format(&self) -> &str {
        &self.format
    }

    fn digest(&self) -> Hash {
        self.sha256
    }
}

/// Returns the text of the evidence for a pair and its explanation. `sources` are names for readers, left and
/// right.
pub fn evidence(
    pair: &Pair,
    explanation: &Explanation,
    sources: [&str; 2],
    layouts: [&Layout; 2],
    keys: TrustedKeys<'_>,
) -> String {
    let side = |place: usize, record: &Option<Vec<u8>>, explained: &ExplainedSide| EvidenceSide {
        source: sources[place].to_owned(),
        layout: layouts[place].name().to_owned(),
        record: record.clone(),
        hash: explained.signed_hash,
        signed_by: explained.signers.valid.clone(),
        enough: explained.signers.threshold_met,
    };
    let evidence = Evidence {
        format: Evidence::FORMAT.to_owned(),
        index: explanation.index,
        keys: keys.names(layouts),
        class: explanation.class,
        change: explanation.change,
        item: explanation.item,
        equivocators: explanation.equivocators.clone(),
        left: side(0, &pair.left, &explanation.left),
        right: side(1, &pair.right, &explanation.right),
        sha256: Hash::default(),
    };
    evidence.to_text()
}

/// Evidence that holds, and what follows from it with the keys of the checker.
#[derive(Debug)]
pub struct CheckedEvidence {
    /// The difference.
    pub explanation: Explanation,
    /// Names of the sources, left and right, as the author of the file states them.
    pub sources: [String; 2],
    /// Layouts of the sources.
    pub layouts: [Layout; 2],
    /// The keys that the file names. They are the checker's keys, if the checker has keys of this kind.
    pub stated_keys: Option<String>,
    /// For each side, the reason why its signatures do not show its content, regardless of their number.
    pub doubts: [Option<String>; 2],
}

impl CheckedEvidence {
    /// Returns for each side, left and right, whether enough guardians signed it in a way that shows its
    /// content.
    pub fn proven_sides(&self) -> [bool; 2] {
        let threshold_met = |side: &ExplainedSide| side.signers.threshold_met == Some(true);
        let [left, right] = &self.doubts;
        let found = &self.explanation;
        [threshold_met(&found.left) && left.is_none(), threshold_met(&found.right) && right.is_none()]
    }

    /// Returns the class that the signatures prove: an equivocation if a guardian signed both headers, any
    /// other class only if both sides are proven.
    pub fn proven_class(&self) -> Option<DiffClass> {
        let is_equivocation = self.explanation.class == DiffClass::Equivocation;
        (is_equivocation || self.proven_sides() == [true, true]).then_some(self.explanation.class)
    }
}

/// Reads evidence and derives all of its claims again.
///
/// # Errors
/// If the file was modified, is about another federation, or claims anything that does not follow.
pub fn check_evidence(text: &str, keys: TrustedKeys<'_>) -> Result<CheckedEvidence, EvidenceError> {
    let evidence = Evidence::from_text(text)?;
    let layout = |side: &'static str, name: &str| {
        Layout::by_name(name).ok_or_else(|| EvidenceError::Layout { side, layout: name.to_owned() })
    };
    let layouts = [layout("left", &evidence.left.layout)?, layout("right", &evidence.right.layout)?];
    let given = keys.names([&layouts[0], &layouts[1]]);
    if let (Some(stated), Some(given)) = (&evidence.keys, &given)
        && stated != given
    {
        return Err(EvidenceError::OtherKeys { stated: stated.clone(), given: given.clone() });
    }
    if evidence.left.record == evidence.right.record {
        return Err(EvidenceError::NoDifference);
    }
    evidence.check_numbers(&layouts)?;
    let pair = Pair {
        index: evidence.index,
        left: evidence.left.record.clone(),
        right: evidence.right.record.clone(),
        // A file cannot show that a history ends; this is reported as the statement of its author.
        is_end: evidence.change == DiffClass::Shorter,
    };
    let derive = |keys| explain(&pair, &layouts[0], &layouts[1], keys).ok_or(EvidenceError::Incomparable);
    // Claims were made with the keys that the file names, or without keys.
    let claimed_with = if evidence.keys.is_some() { keys } else { TrustedKeys::default() };
    if evidence.keys.is_none() || given.is_some() {
        evidence.compare(&derive(claimed_with)?)?;
    } else {
        evidence.compare_content(&derive(claimed_with)?)?;
    }
    let explanation = derive(keys)?;
    let doubt = |record: &Option<Vec<u8>>, layout| doubt(pair.index, record.as_ref()?, layout);
    let doubts = [doubt(&pair.left, &layouts[0]), doubt(&pair.right, &layouts[1])];
    let (stated_keys, sources) = (evidence.keys, [evidence.left.source, evidence.right.source]);
    Ok(CheckedEvidence { explanation, sources, layouts, stated_keys, doubts })
}

impl Evidence {
    /// Refuses a side that the file calls readable and whose record has another number than the file.
    fn check_numbers(&self, layouts: &[Layout; 2]) -> Result<(), EvidenceError> {
        for (name, side, layout) in [("left", &self.left, &layouts[0]), ("right", &self.right, &layouts[1])] {
            let entry = side.record.as_ref().map(|record| read_entry(self.index, record, layout));
            let own = entry.and_then(|entry| entry.ok()?.other_index());
            if let Some(own) = own.filter(|_| side.hash.is_some()) {
                return Err(EvidenceError::OtherNumber { side: name, index: self.index, own });
            }
        }
        Ok(())
    }

    /// Compares the claims of the file with what follows.
    fn compare(&self, found: &Explanation) -> Result<(), EvidenceError> {
        self.compare_content(found)?;
        claim("class", &self.class, &found.class)?;
        claim("equivocators", &self.equivocators, &found.equivocators)?;
        claim("left.signed_by", &self.left.signed_by, &found.left.signers.valid)?;
        claim("right.signed_by", &self.right.signed_by, &found.right.signers.valid)?;
        claim("left.enough", &self.left.enough, &found.left.signers.threshold_met)?;
        claim("right.enough", &self.right.enough, &found.right.signers.threshold_met)
    }

    /// Compares the claims that need no keys.
    fn compare_content(&self, found: &Explanation) -> Result<(), EvidenceError> {
        claim("change", &self.change, &found.change)?;
        claim("item", &self.item, &found.item)?;
        claim("left.hash", &self.left.hash, &found.left.signed_hash)?;
        claim("right.hash", &self.right.hash, &found.right.signed_hash)
    }
}

fn claim<T: PartialEq + Serialize>(claim: &'static str, stated: &T, found: &T) -> Result<(), EvidenceError> {
    if stated == found {
        return Ok(());
    }
    let shown = |value: &T| serde_json::to_string(value).unwrap_or_default();
    Err(EvidenceError::Claim { claim, stated: shown(stated), found: shown(found) })
}
