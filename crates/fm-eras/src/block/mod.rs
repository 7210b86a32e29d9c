//! The record form that `broadcast` and `session` share: layouts as data, and one strict decoder.
//!
//! Invariants: a layout says all that the decoder needs to know. A record is accepted only if it encodes to
//! its own bytes again.

mod item;
mod layout;
mod record;
mod rows;
mod tables;

pub use item::{decode_item, encode_item};
pub use layout::{BlockLayout, ItemForm, ItemLayout, SignatureForm};
pub use record::{decode_accepted_item, decode_block, encode_accepted_item, encode_block};
pub use rows::RowError;
pub use tables::{KeyForm, TableFact, ValueForm, Version};
