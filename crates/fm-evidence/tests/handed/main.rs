//! Files for remote parties: evidence and proofs, from honest authors and from liars.

#![allow(clippy::unwrap_used)]

mod evidence;
mod made;
mod proof;
