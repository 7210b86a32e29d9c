//! Unit backups: real ones, made-up ones, damaged ones.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that panics has failed")]

mod codec;
mod damage;
mod forged;
mod real;
