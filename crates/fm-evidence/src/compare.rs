//! The comparison of two histories, record by record, up to the point where they diverge.
//!
//! Records that are equal byte for byte are hashed once, for the root; others are compared by what their
//! signatures cover. Invariant: memory does not grow with the histories.

use fm_audit::{
    AuditError, ChunkSize, Control, Feed, MalformedKeys, Origin, Stop, convert_record, run_pipeline,
};
use fm_eras::hbbft::decode_epoch;
use fm_eras::{Layout, block};
use fm_history::{DiffClass, Hash, HistoryRoot, SessionHeader, SessionLeaf, SessionParts};
use fm_rows::{JoinedAll, join_all};
use rayon::prelude::*;

/// Number of pairs that a core processes at a time.
const PAIRS_PER_CORE: usize = 64;

/// The form in which two histories are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareForm {
    /// As they are stored: by what their signatures cover.
    Stored,
    /// As the sessions that the conversion rule makes of them.
    Ruled,
}

impl CompareForm {
    /// Returns the form in which histories of these layouts can be compared; `None` if a layout hides its
    /// items.
    pub fn of(left: &Layout, right: &Layout) -> Option<Self> {
        let is_stored = match (left, right) {
            (Layout::Hbbft(left), Layout::Hbbft(right)) => left.dialect == right.dialect,
            (Layout::Blocks(left), Layout::Blocks(right)) => {
                let twins = left.is_tagged_twin(right) || right.is_tagged_twin(left);
                left == right || twins || (left.is_modern() && right.is_modern())
            }
            _ => false,
        };
        let has_items = |layout: &Layout| match layout {
            Layout::Hbbft(layout) => layout.is_framed(),
            Layout::Blocks(_) => true,
        };
        match is_stored {
            true => Some(Self::Stored),
            false => (has_items(left) && has_items(right)).then_some(Self::Ruled),
        }
    }
}

/// The records with the same number in both histories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The number of the session, block or epoch.
    pub index: u64,
    /// The left record, if there is one.
    pub left: Option<Vec<u8>>,
    /// The right record, if there is one.
    pub right: Option<Vec<u8>>,
    /// The side without a record has no later record either.
    pub is_end: bool,
}

impl Pair {
    /// Returns the class of the difference if a record is absent; `None` if both are there.
    pub fn absence(&self) -> Option<DiffClass> {
        let is_absent = self.left.is_none() || self.right.is_none();
        is_absent.then_some(if self.is_end { DiffClass::Shorter } else { DiffClass::Missing })
    }
}

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Number of equal sessions, blocks or epochs, counted from the first.
    pub equal: u64,
    /// The last of them.
    pub last_equal: Option<u64>,
    /// The history root over them; `None` if one of them is missing on both sides or hides its items.
    pub root: Option<Hash>,
    /// Number of them that carry different signatures.
    pub other_signatures: u64,
    /// The first of these.
    pub first_other_signatures: Option<Pair>,
    /// The pair at which the histories diverge.
    pub parted: Option<Pair>,
}

impl Comparison {
    /// Returns the result for the first sessions, of which it is known elsewhere that they are equal.
    fn begin(known: &HistoryRoot) -> Self {
        let equal = known.sessions();
        Self { equal, last_equal: equal.checked_sub(1), ..Self::default() }
    }
}

/// A pair and the result of its comparison.
struct Compared {
    pair: Pair,
    is_equal: bool,
    /// The content is the same and the bytes differ, although both sides are stored in the same form.
    other_signatures: bool,
    leaf: Option<SessionLeaf>,
}

/// Compares two histories up to their first difference.
///
/// # Errors
/// If the histories cannot be read or have no common form, or the job was interrupted.
pub fn compare_histories(
    left: Origin<'_>,
    right: Origin<'_>,
    control: Control<'_>,
) -> Result<(Comparison, CompareForm), AuditError> {
    let most = ChunkSize::large(PAIRS_PER_CORE * rayon::current_num_threads());
    compare(HistoryRoot::new(), most, [left, right], control)
}

/// Compares two histories after the sessions of a root, which both sides are supposed to begin with: these are not
/// read if both sides are sessions. Older histories are compared from their beginning. Few of the sessions after a
/// difference are read.
///
/// # Errors
/// As for [`compare_histories`].
pub fn compare_histories_after(
    known: HistoryRoot,
    left: Origin<'_>,
    right: Origin<'_>,
    control: Control<'_>,
) -> Result<(Comparison, CompareForm), AuditError> {
    compare(known, ChunkSize::large(1), [left, right], control)
}

fn compare(
    known: HistoryRoot,
    most: ChunkSize,
    [left, right]: [Origin<'_>; 2],
    control: Control<'_>,
) -> Result<(Comparison, CompareForm), AuditError> {
    let name = |history: Origin<'_>| history.path.to_owned();
    let incomparable = || AuditError::Incomparable { left: name(left), right: name(right) };
    let form = CompareForm::of(&left.layout, &right.layout).ok_or_else(incomparable)?;
    let is_today = |side: &Origin<'_>| matches!(side.layout, Layout::Blocks(layout) if layout.is_modern());
    let known = if is_today(&left) && is_today(&right) { known } else { HistoryRoot::new() };
    let first = known.sessions();
    let read = |feed: &mut Feed<'_, Pair, Stop<Pair>>| read_pairs(left, right, first, control, feed);
    let process = |chunk: Vec<Pair>| {
        chunk.into_par_iter().map(|pair| compare_pair(pair, &left.layout, &right.layout, form)).collect()
    };
    let mut comparison = Comparison::begin(&known);
    let mut running = Some(known);
    control.progress.begin("comparing", "sessions", None);
    let outcome = run_pipeline(most, control, read, process, |compared| {
        comparison.add(compared, &mut running).map_or(Ok(()), |parted| Err(Stop::At(parted)))
    });
    control.progress.end();
    match outcome {
        Ok(()) => {}
        Err(Stop::At(pair)) => comparison.parted = Some(pair),
        Err(Stop::Failed(error)) => return Err(error),
    }
    comparison.root = running.filter(|root| root.sessions() > 0).map(|root| root.root());
    Ok((comparison, form))
}

impl Comparison {
    /// Takes the next pair; returns it if the histories diverge there.
    fn add(&mut self, compared: Compared, running: &mut Option<HistoryRoot>) -> Option<Pair> {
        let Compared { pair, is_equal, other_signatures, leaf } = compared;
        if !is_equal {
            return Some(pair);
        }
        self.equal += 1;
        self.last_equal = Some(pair.index);
        match (running.as_mut(), leaf) {
            (Some(root), Some(leaf)) if root.sessions() == pair.index => root.push(leaf),
            _ => *running = None,
        }
        if other_signatures {
            self.other_signatures += 1;
            self.first_other_signatures.get_or_insert(pair);
        }
        None
    }
}

/// Reads both histories in parallel, and passes on their records in pairs of the same number.
fn read_pairs<'a>(
    left: Origin<'a>,
    right: Origin<'a>,
    first: u64,
    control: Control<'a>,
    feed: &mut Feed<'_, Pair, Stop<Pair>>,
) -> Result<(), Stop<Pair>> {
    let [mut left_malformed, mut right_malformed] = [(); 2].map(|()| MalformedKeys::default());
    let sides = match (left.sessions_from(first), right.sessions_from(first)) {
        (Some(left), Some(right)) => vec![left, right],
        _ => vec![left.records(control, &mut left_malformed), right.records(control, &mut right_malformed)],
    };
    for joined in join_all(sides) {
        let JoinedAll { key: index, values, ended } = joined?;
        let mut values = values.into_iter();
        let pair = Pair {
            index,
            left: values.next().flatten(),
            right: values.next().flatten(),
            is_end: ended.contains(&true),
        };
        let bytes = [&pair.left, &pair.right].into_iter().flatten().map(Vec::len).sum();
        feed.push(pair, bytes)?;
    }
    Ok(())
}

fn compare_pair(pair: Pair, left: &Layout, right: &Layout, form: CompareForm) -> Compared {
    let index = pair.index;
    let (Some(left_record), Some(right_record)) = (&pair.left, &pair.right) else {
        return Compared { pair, is_equal: false, other_signatures: false, leaf: None };
    };
    let is_stored = form == CompareForm::Stored;
    let other_bytes = left_record != right_record;
    let is_equal = (is_stored && !other_bytes)
        || match (compared_by(index, left_record, left, form), compared_by(index, right_record, right, form))
        {
            (Some(left), Some(right)) => left == right,
            _ => false,
        };
    let leaf = if is_equal { ruled_leaf(index, left_record, left) } else { None };
    Compared { pair, is_equal, other_signatures: is_equal && is_stored && other_bytes, leaf }
}

/// Returns what a record is compared by; `None` if it cannot be read.
fn compared_by(index: u64, record: &[u8], layout: &Layout, form: CompareForm) -> Option<SessionLeaf> {
    match (form, layout) {
        (CompareForm::Ruled, _) => ruled_leaf(index, record, layout),
        // A hash over everything that was agreed on takes the place of a header's root.
        (CompareForm::Stored, Layout::Hbbft(layout)) => {
            let root = decode_epoch(record, layout).ok()?.computed_hash;
            Some(SessionLeaf { items: 0, header: SessionHeader { index, root } })
        }
        (CompareForm::Stored, Layout::Blocks(layout)) if layout.is_modern() => {
            Some(SessionParts::read(record).ok()?.leaf(index))
        }
        (CompareForm::Stored, Layout::Blocks(layout)) => {
            let block = block::decode_block(record, layout).ok()?;
            let header = SessionHeader { index, root: block.merkle.root };
            Some(SessionLeaf { items: block.items.len() as u64, header })
        }
    }
}

/// Returns the leaf that the history root commits to.
fn ruled_leaf(index: u64, record: &[u8], layout: &Layout) -> Option<SessionLeaf> {
    match convert_record(index, record, layout).ok()? {
        Some(converted) => Some(converted.leaf),
        None => Some(SessionParts::read(record).ok()?.leaf(index)),
    }
}
