//! HoneyBadger histories of any size, made from a seed: what a federation of v0.1 (or of the versions before
//! it) would have stored, with real threshold signatures and real shares.
//!
//! Invariants:
//! - The same [`ForgeSpec`] makes the same rows on every machine.
//! - Memory is flat in the number of epochs.
//! - The numbers in [`Forged`] were counted while making the rows, not by the code under test.

mod blocks;
mod chain;
mod config;
mod content;
pub mod damage;
mod keys;
pub mod memory;
mod random;
mod spec;
mod tables;
mod units;

use std::fs;
use std::path::Path;

use fm_store::{StoreError, StoreWriter};
use thiserror::Error;

pub use blocks::{BlockSpec, ForgedBlocks, forge_blocks};
pub use chain::Forged;
pub use config::broadcast_secret;
pub use spec::{ForgeSpec, SpecError};
pub use units::{UnitForge, UnitRows, unit_rows};

use crate::chain::write_chain;
use crate::keys::Keys;
use crate::random::Random;

/// The reason why nothing was forged.
#[derive(Debug, Error)]
pub enum ForgeError {
    /// The parameters contradict each other.
    #[error("the parameters make no history")]
    Spec(#[source] SpecError),
    /// The database could not be written.
    #[error("cannot write the database")]
    Store(#[source] StoreError),
}

/// Makes `dir/database` and `dir/consensus.json`; neither may exist.
///
/// # Errors
/// If the parameters make no history, or something cannot be written.
pub fn forge(spec: &ForgeSpec, dir: &Path) -> Result<Forged, ForgeError> {
    spec.check().map_err(ForgeError::Spec)?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| ForgeError::Store(StoreError::io(&path, source))
    };
    fs::create_dir_all(dir).map_err(at(dir))?;
    let mut random = Random::new(spec.seed);
    let keys = Keys::new(spec.guardians, &mut random);
    let config = config::consensus_json(spec, &keys, &mut random);
    let mut writer = StoreWriter::create(&dir.join("database")).map_err(ForgeError::Store)?;
    tables::write_tables(spec, &keys, &mut writer, &mut random).map_err(ForgeError::Store)?;
    let mut forged = write_chain(spec, &keys, &mut writer, &mut random).map_err(ForgeError::Store)?;
    forged.rows = writer.finish().map_err(ForgeError::Store)?;
    let file = dir.join("consensus.json");
    fs::write(&file, config).map_err(at(&file))?;
    Ok(forged)
}
