//! The canonical history: golden vectors, and properties against straightforward implementations of the same
//! rules.

#![allow(clippy::unwrap_used)]

mod chain;
mod given;
mod merkle;
mod merkle_path;
mod multiset;
mod root;
mod rule;
mod session;
mod vectors;
