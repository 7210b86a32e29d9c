//! The explanation of the place at which two histories diverge.
//!
//! Invariant: an explanation follows from the two records, their layouts and the keys alone, so that anyone
//! with the records gets the same result.

use fm_audit::{Signers, TrustedKeys, read_entry, read_ruled_entry};
use fm_eras::Layout;
use fm_history::{DiffClass, Entry, Hash, PeerId, compare_entries};

use crate::compare::{CompareForm, Pair};
use crate::reading::is_conversion;

/// One side of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedSide {
    /// The decoded record, in the form that is compared, or why it does not decode; `None` if there is no
    /// record.
    pub entry: Option<Result<Entry, String>>,
    /// What its signatures cover, in the stored form, if it can be read.
    pub signed_hash: Option<Hash>,
    /// The signers of the record.
    pub signers: Signers,
}

/// The explanation of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The session, block or epoch.
    pub index: u64,
    /// The form in which the sides were compared.
    pub form: CompareForm,
    /// The class of the difference.
    pub class: DiffClass,
    /// The class of the difference in content, where `class` is about the signers.
    pub change: DiffClass,
    /// The first item that differs.
    pub item: Option<usize>,
    /// The guardians with valid signatures on both sides, over different headers.
    pub equivocators: Vec<PeerId>,
    /// The left side.
    pub left: ExplainedSide,
    /// The right side.
    pub right: ExplainedSide,
}

/// Explains a pair of records; `None` if the layouts have no common form.
pub fn explain(
    pair: &Pair,
    left_layout: &Layout,
    right_layout: &Layout,
    keys: TrustedKeys<'_>,
) -> Option<Explanation> {
    let form = CompareForm::of(left_layout, right_layout)?;
    let left = explain_side(pair.index, pair.left.as_deref(), left_layout, form, keys);
    let right = explain_side(pair.index, pair.right.as_deref(), right_layout, form, keys);
    let (change, item) = match (&left.entry, &right.entry) {
        (Some(Ok(left)), Some(Ok(right))) => {
            let difference = compare_entries(left, right);
            (difference.class, difference.item)
        }
        (Some(_), Some(_)) => (DiffClass::Undecodable, None),
        _ => (pair.absence().unwrap_or(DiffClass::Missing), None),
    };
    let (equivocators, is_equivocation) = match signs_two_headers(&left, &right, form) {
        true => equivocation(&left.signers, &right.signers),
        false => (Vec::new(), false),
    };
    let class = if is_equivocation { DiffClass::Equivocation } else { change };
    Some(Explanation { index: pair.index, form, class, change, item, equivocators, left, right })
}

fn explain_side(
    index: u64,
    record: Option<&[u8]>,
    layout: &Layout,
    form: CompareForm,
    keys: TrustedKeys<'_>,
) -> ExplainedSide {
    let Some(record) = record else {
        return ExplainedSide { entry: None, signed_hash: None, signers: Signers::default() };
    };
    let stored = read_entry(index, record, layout).and_then(at_its_number);
    let signed_hash = stored.as_ref().ok().map(|entry| entry.hash);
    let entry = match form {
        CompareForm::Stored => stored,
        CompareForm::Ruled => stored.and_then(|_| read_ruled_entry(index, record, layout)),
    };
    ExplainedSide { entry: Some(entry), signed_hash, signers: keys.signers(index, record, layout) }
}

/// Refuses a record that states another number: it is not a copy of this session, block or epoch, regardless
/// of its signers.
fn at_its_number(entry: Entry) -> Result<Entry, String> {
    match entry.other_index() {
        Some(own) => Err(format!("it says that its number is {own}, and it is kept as {}", entry.index)),
        None => Ok(entry),
    }
}

/// Returns whether a signer of both sides signed two headers of one form for the same number.
///
/// Guardians who sign a history again after a conversion sign two forms of the same content. The layouts that
/// a file names do not show whether they did that.
fn signs_two_headers(left: &ExplainedSide, right: &ExplainedSide, form: CompareForm) -> bool {
    let (Some(Ok(left)), Some(Ok(right))) = (&left.entry, &right.entry) else { return false };
    form == CompareForm::Stored
        && left.hash != right.hash
        && !is_conversion(left, right.hash)
        && !is_conversion(right, left.hash)
}

/// Returns the guardians who signed both sides, and whether both sides have a common signer.
///
/// Epochs carry the signature of the federation: more guardians than may be faulty signed both, and it is not
/// known which.
fn equivocation(left: &Signers, right: &Signers) -> (Vec<PeerId>, bool) {
    let (Some(left_valid), Some(right_valid)) = (&left.valid, &right.valid) else {
        let both = left.federation && right.federation;
        return (Vec::new(), both && left.threshold_met == Some(true) && right.threshold_met == Some(true));
    };
    let both: Vec<PeerId> = left_valid.iter().filter(|peer| right_valid.contains(peer)).copied().collect();
    let is_any = !both.is_empty();
    (both, is_any)
}
