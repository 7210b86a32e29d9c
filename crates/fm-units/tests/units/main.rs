//! The codec of units: vectors, and values that come back from their own bytes. Real, forged and damaged backups are in
//! `tests/stories/layouts`.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that panics has failed")]

mod codec;
