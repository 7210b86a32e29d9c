//! The codec of units: vectors, and values that decode from their own encoding. Real, forged and damaged
//! backups are in `tests/stories/layouts`.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that panics has failed")]

mod codec;
