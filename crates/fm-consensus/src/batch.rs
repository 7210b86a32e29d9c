//! Reads the contents of a unit as servers do: a batch is taken completely or skipped completely.

use fm_codec::{DecodeError, Dialect, ModuleValue, Reader};
use fm_history::ConsensusItem;
use thiserror::Error;

use crate::error::Rejection;
use crate::module::{Module, Modules};
use crate::rules::Orderers;

/// The most bytes of a batch; the network drops units with larger ones.
/// Source: fedimint-core 0.4.0, src/config.rs.
pub const BATCH_BYTES: usize = 50_000;
/// The least bytes of an item: variant, length, and a body that may be empty.
/// Source: fedimint-derive 0.5.0, src/lib.rs.
const LEAST_ITEM_BYTES: usize = 2;

/// The contents of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitPayload {
    /// Encoded consensus items.
    Batch(Vec<u8>),
    /// Its creator's signature over the session's header.
    Signature([u8; 64]),
}

/// Why a batch is skipped.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BatchError {
    /// More than [`BATCH_BYTES`].
    #[error("a batch of {bytes} bytes, at most {BATCH_BYTES} are taken")]
    TooLarge { bytes: usize },
    /// It is not a list of items.
    #[error("the batch is not a list of items: {0}")]
    Undecodable(#[from] DecodeError),
    /// One of its items belongs to a module that cannot read it.
    #[error("item {item} of the batch: {reason}")]
    Item { item: usize, reason: Rejection },
}

/// Reads the items of a batch.
///
/// # Errors
/// If an item cannot be read, or bytes are left that the orderers do not ignore; the batch is then skipped.
pub fn read_batch(
    bytes: &[u8],
    modules: &Modules,
    orderers: Orderers,
) -> Result<Vec<ConsensusItem>, BatchError> {
    if bytes.len() > BATCH_BYTES {
        return Err(BatchError::TooLarge { bytes: bytes.len() });
    }
    let mut reader = Reader::new(bytes, Dialect::MODERN);
    let items: Vec<ConsensusItem> = reader.list(LEAST_ITEM_BYTES, Reader::value)?;
    if !orderers.ignore_rest() {
        reader.finish()?;
    }
    for (place, item) in items.iter().enumerate() {
        check_item(item, modules).map_err(|reason| BatchError::Item { item: place, reason })?;
    }
    Ok(items)
}

/// Checks that the modules can read the contents of an item. An item of an unknown kind has no contents to
/// read.
///
/// # Errors
/// If a module does not exist or cannot read its value.
pub fn check_item(item: &ConsensusItem, modules: &Modules) -> Result<(), Rejection> {
    match item {
        ConsensusItem::Transaction(transaction) => {
            let check = |value, check| check_value(value, modules, check);
            transaction.inputs.iter().try_for_each(|input| check(input, Module::check_input))?;
            transaction.outputs.iter().try_for_each(|output| check(output, Module::check_output))
        }
        ConsensusItem::Module(value) => check_value(value, modules, Module::check_item),
        ConsensusItem::Default { .. } => Ok(()),
    }
}

fn check_value(
    value: &ModuleValue,
    modules: &Modules,
    check: fn(&(dyn Module + 'static), &[u8]) -> Result<(), DecodeError>,
) -> Result<(), Rejection> {
    let instance = value.instance;
    let module = modules.get(instance).ok_or(Rejection::UnknownModule { instance })?;
    check(module, &value.body).map_err(|source| Rejection::Undecodable { instance, source })
}
