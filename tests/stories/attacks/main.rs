//! Federations of real processes under attack: by a guardian with its real keys, by its interface, and by
//! remote parties.

#![allow(clippy::unwrap_used, reason = "a story that cannot continue has failed")]

mod means;
mod rate;
mod strangers;
mod together;
