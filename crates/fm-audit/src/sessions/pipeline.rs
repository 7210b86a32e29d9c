//! The pipeline of blocks and sessions: all cores decode and verify them, and the caller receives them in
//! order.

use fm_crypto::SessionKeys;
use fm_eras::block::{BlockLayout, decode_block};
use fm_history::{
    Block, BlockContent, Code, ConvertedSession, Finding, PeerId, Place, SessionHeader, SessionLeaf,
    SessionOutcome, convert_block,
};
use fm_rows::Rows;
use rayon::prelude::*;

use super::ambiguity::ambiguity;
use super::signatures::{CheckedSignatures, check_signatures, count_signers, signature_findings};
use crate::control::Control;
use crate::error::AuditError;
use crate::frame::{Mark, OnEveryRow};
use crate::pipeline::{self, ChunkSize};
use crate::scope::{Attention, Scope};
use crate::source::{MalformedKeys, Origin};

/// Number of sessions that a core processes at a time: enough signatures for an efficient batch.
const SESSIONS_PER_CORE: usize = 512;

/// The processing of each block.
#[derive(Clone, Copy)]
pub struct BlockOptions<'a> {
    /// Layout of the records.
    pub layout: &'static BlockLayout,
    /// Keys to check signatures with; `None` leaves them unchecked.
    pub keys: Option<&'a SessionKeys>,
    /// Apply the conversion rule.
    pub convert: bool,
    /// Whether the current schema uses the same form of signatures, so that they are kept if the header is.
    pub tagged: bool,
    /// The blocks that are processed, and which of their signatures are checked.
    pub scope: Scope<'a>,
    /// Called with every row of the history that is read.
    pub on_row: Option<OnEveryRow<'a>>,
}

/// A block as the pipeline returns it.
pub struct AuditedBlock {
    /// The number in its key.
    pub key: u64,
    /// The stored record.
    pub record: Vec<u8>,
    /// The results, or why the record does not decode.
    pub decoded: Result<DecodedBlock, String>,
}

/// The results for a record that decodes.
pub struct DecodedBlock {
    /// The record.
    pub block: Block,
    /// Its header, over the stored bytes, and the number of its items.
    pub leaf: SessionLeaf,
    /// The number of valid signatures, if there were keys to check them with.
    pub valid: Option<usize>,
    /// Whether enough guardians signed, if there were keys.
    pub is_signed: Option<bool>,
    /// What was done with its signatures.
    pub attention: Attention,
    /// What is to be remembered about it, if a trust file is in use.
    pub mark: Option<Mark>,
    /// The session that the rule makes of it, if the options request it.
    pub converted: Option<ConvertedSession>,
    /// The findings about this record alone.
    pub findings: Vec<Finding>,
}

impl AuditedBlock {
    /// Returns its transactions: ids and module ids of the outputs.
    pub fn transactions(&self) -> impl Iterator<Item = &fm_history::BlockTransaction> {
        let items = self.decoded.iter().flat_map(|decoded| &decoded.block.items);
        items.filter_map(|item| match &item.content {
            BlockContent::Transaction(transaction) => Some(transaction.as_ref()),
            _ => None,
        })
    }
}

/// Runs all blocks of a source through the pipeline; `on_block` receives them in ascending order.
///
/// Returns the keys of the history table that name no block.
///
/// # Errors
/// If the source cannot be read, `on_block` fails, or the job was interrupted.
pub fn each_block<E: From<AuditError> + Send>(
    origin: Origin<'_>,
    options: BlockOptions<'_>,
    control: Control<'_>,
    on_block: impl FnMut(AuditedBlock) -> Result<(), E>,
) -> Result<MalformedKeys, E> {
    let (layout, scope) = (options.layout, options.scope);
    let read = |feed: &mut pipeline::Feed<'_, RawBlock, E>| {
        let (mut malformed, mut is_picked) = (MalformedKeys::default(), scope.picker());
        for row in rows_of(origin, layout, scope) {
            let (key, value) = row.map_err(|source| origin.unreadable(source))?;
            if let Some(on_row) = options.on_row {
                on_row(&key, &value);
            }
            let bytes = value.len();
            match layout.number_of_key(&key) {
                Ok(number) if scope.holds(number) => {
                    feed.push(RawBlock { number, value, is_picked: is_picked() }, bytes)?;
                }
                Ok(_) => control.check()?,
                Err(_) => {
                    malformed.add(key);
                    control.check()?;
                }
            }
        }
        Ok(malformed)
    };
    let process = |chunk: Vec<RawBlock>| {
        let mut blocks: Vec<_> = chunk.into_par_iter().map(|block| audit_block(block, options)).collect();
        if let Some(keys) = options.keys {
            look_at_signatures(&mut blocks, keys);
        }
        blocks
    };
    let most = SESSIONS_PER_CORE * rayon::current_num_threads();
    let most = if options.keys.is_some() { ChunkSize::large(most) } else { ChunkSize::small(most) };
    pipeline::run(most, control, read, process, on_block)
}

/// Returns the rows of the part of a history that is in the scope.
fn rows_of<'a>(origin: Origin<'a>, layout: &BlockLayout, scope: Scope<'_>) -> Rows<'a> {
    if scope.is_whole() {
        return origin.rows.scan_prefix(layout.history);
    }
    let end = scope.to.and_then(|to| to.checked_add(1)).map(|end| layout.history_key(end));
    let end = end.or_else(|| layout.history.checked_add(1).map(|prefix| vec![prefix]));
    origin.rows.scan_range(&layout.history_key(scope.from), end.as_deref())
}

/// A block as read from the source.
struct RawBlock {
    number: u64,
    value: Vec<u8>,
    /// Whether its signatures are in the sample, if there is a sample.
    is_picked: bool,
}

fn audit_block(raw: RawBlock, options: BlockOptions<'_>) -> AuditedBlock {
    let RawBlock { number: key, value: record, is_picked } = raw;
    let decoded = decode_block(&record, options.layout).map_err(|error| error.to_string());
    let decoded = decoded.map(|block| decoded_block(key, &record, block, is_picked, options));
    AuditedBlock { key, record, decoded }
}

fn decoded_block(
    key: u64,
    record: &[u8],
    block: Block,
    is_picked: bool,
    options: BlockOptions<'_>,
) -> DecodedBlock {
    let header = SessionHeader { index: key, root: block.merkle.root };
    let leaf = SessionLeaf { items: block.items.len() as u64, header };
    let mark = options.scope.trust.map(|trust| trust.mark(&leaf.to_bytes(), &signature_bytes(&block)));
    let is_known = options.scope.trust.zip(mark).is_some_and(|(trust, mark)| trust.has(key, mark));
    let attention = match (is_known, is_picked) {
        (true, _) => Attention::Trusted,
        (false, true) => Attention::Check,
        (false, false) => Attention::LeftOut,
    };
    let findings = own_findings(key, record, &block);
    let converted = options.convert.then(|| convert(key, record, &block, options));
    DecodedBlock { leaf, block, valid: None, is_signed: None, attention, mark, converted, findings }
}

/// Checks the signatures that are to be checked, and counts the others.
fn look_at_signatures(blocks: &mut [AuditedBlock], keys: &SessionKeys) {
    let to_check = blocks.iter().filter_map(|block| block.decoded.as_ref().ok());
    let to_check = to_check.filter(|decoded| decoded.attention == Attention::Check);
    let to_check: Vec<_> = to_check.map(|decoded| (decoded.leaf.header, &decoded.block.signatures)).collect();
    let mut checked = check_signatures(&to_check, keys).into_iter();
    for decoded in blocks.iter_mut().filter_map(|block| block.decoded.as_mut().ok()) {
        let (header, signatures) = (decoded.leaf.header, &decoded.block.signatures);
        let counted = match decoded.attention {
            Attention::Check => checked.next().unwrap_or_default(),
            Attention::LeftOut => count_signers(header, signatures, keys),
            Attention::Trusted => CheckedSignatures { valid: signatures.len(), findings: Vec::new() },
        };
        let (threshold, valid) = (keys.threshold(), counted.valid);
        decoded.findings.extend(signature_findings(counted, header.index, signatures.len(), threshold));
        let threshold_met = valid >= threshold;
        // Unchecked signatures can show that there are too few, never that there are enough.
        let is_known = decoded.attention != Attention::LeftOut;
        decoded.is_signed = (is_known || !threshold_met).then_some(threshold_met);
        decoded.valid = is_known.then_some(valid);
    }
}

/// Returns the bytes of the signatures, as the mark covers them.
fn signature_bytes(block: &Block) -> Vec<u8> {
    let entry =
        |(peer, signature): (&PeerId, &[u8; 64])| [&peer.to_be_bytes(), signature.as_slice()].concat();
    block.signatures.iter().flat_map(entry).collect()
}

/// Returns the session that the rule makes of a block: the block itself, if it has the current layout.
fn convert(key: u64, record: &[u8], block: &Block, options: BlockOptions<'_>) -> ConvertedSession {
    if !options.layout.is_modern() {
        return convert_block(key, block, options.tagged);
    }
    ConvertedSession {
        outcome: SessionOutcome::default(),
        record: record.to_vec(),
        leaf: SessionLeaf {
            items: block.items.len() as u64,
            header: SessionHeader { index: key, root: block.merkle.root },
        },
        ambiguous: block.merkle.ambiguous,
        transactions: Vec::new(),
        dropped: Vec::new(),
    }
}

/// Returns the findings about a record alone.
fn own_findings(key: u64, record: &[u8], block: &Block) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |code, message: String| findings.push(Finding::new(code, Place::session(key), message));
    if let Some(index) = block.index.filter(|index| *index != key) {
        add(Code::SessionKeyMismatch, format!("the record says that it is block {index}"));
    }
    if record.len() > fm_codec::MAX_DECODE_SIZE {
        let (is, most) = (record.len(), fm_codec::MAX_DECODE_SIZE);
        add(
            Code::SessionTooLarge,
            format!("the record takes {is} bytes, and no server decodes more than {most}"),
        );
    }
    let positions: Vec<u64> = block.items.iter().filter_map(|item| item.position).collect();
    if !positions.is_sorted_by(|a, b| a < b) {
        add(Code::ItemsUnordered, "the items' numbers do not ascend".to_owned());
    }
    findings.extend(ambiguity(key, block));
    findings
}
