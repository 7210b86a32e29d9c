//! The description of a conversion, as JSON beside the new database.
//!
//! Invariants: the content does not depend on when or where the conversion ran. A field that no conversion
//! writes is refused, because nothing would check it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Hash;

/// The manifest of a conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the conversion rule.
    pub rule: u32,
    /// Era of the original: `A0`, `A1`, `A2`, `B`, `C`, `D` or `E`.
    pub era: String,
    /// Layout of the original within its era.
    pub layout: String,
    /// Federation id of the original, in hex, as its config names it; empty if only keys were given. No other
    /// field depends on this one: roots and archive identities stay comparable.
    pub federation: String,
    /// The guardians' keys for signing sessions, by peer, in hex, from the converting guardian's config;
    /// empty if the config names none.
    pub session_keys: BTreeMap<String, String>,
    /// First session.
    pub first: u64,
    /// Last session.
    pub last: u64,
    /// Number of sessions.
    pub sessions: u64,
    /// Number of items in all sessions.
    pub items: u64,
    /// Number of transactions among them.
    pub transactions: u64,
    /// The number that guardians compare: equal roots mean equal histories.
    pub history_root: Hash,
    /// Items of the original that are in no session, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Epochs whose own signature holds, among those converted.
    pub signed: u64,
    /// Epochs that a later signed epoch covers, among those converted.
    pub covered: u64,
    /// Epochs of this guardian's database after the last converted one. Module data is the guardian's state
    /// after all of them.
    pub epochs_beyond: u64,
    /// Rows of the old database that have a place in the new one, by table.
    pub carried: BTreeMap<String, u64>,
    /// Rows of the old database without such a place (they are in the provenance archive), by table.
    pub not_carried: BTreeMap<String, u64>,
    /// What the old database lacked at the conversion: codes of findings, in their order. Empty if it was
    /// whole.
    pub source_omissions: Vec<String>,
    /// Identity of the provenance archive: SHA-256 of its uncompressed record stream.
    pub provenance: Hash,
    /// The version of the server that the new database is for, like `0.13`: it knows every record in it.
    pub target_version: String,
    /// Version of the tool.
    pub tool_version: String,
}
