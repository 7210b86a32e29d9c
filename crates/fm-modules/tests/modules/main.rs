//! The rooms, on made-up values, on bytes of real federations, and on bad input.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test that panics has failed, and made-up numbers may be cut"
)]

mod hostile;
mod made;
mod properties;
mod vectors;
