//! HoneyBadger databases: v0.1 and the development versions before it (eras A0, A1, A2).
//!
//! Invariants: a record is accepted only if it encodes to its own bytes again. If a layout hides the end of
//! module values, a record is split into outcome, hash and signature, and nothing inside is claimed.

mod detect;
mod epoch;
mod layout;
mod records;
mod tables;

pub(crate) use detect::detect;
pub use epoch::{
    EpochError, MAX_ELEMENTS, MAX_EPOCH_BYTES, check_length, decode_epoch, encode_content, encode_epoch,
    encode_item,
};
pub use layout::{EpochLayout, TableSet};
pub use records::{RecordError, check_record, decode_last_epoch, index_row};
pub use tables::{HISTORY_TABLE, LAST_EPOCH_KEY, Table, epoch_key, epoch_of_key, module_of_key, table_of};
