//! Files that are handed to strangers: evidence and proofs, honest ones and those of people who lie.

#![allow(clippy::unwrap_used)]

mod evidence;
mod made;
mod proof;
