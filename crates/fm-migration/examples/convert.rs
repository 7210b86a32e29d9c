//! Converts a guardian's old database into the current schema, and proves the result.
//!
//! `cargo run --release --example convert -- fixtures/hbbft-v0.1.5/peer-0 fixtures/hbbft-v0.1.5/peer-1/consensus.json converted`

#![allow(clippy::print_stdout, reason = "an example prints what it did")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fm_audit::{Control, HistoryKeys, Silent, open_source};
use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_eras::Layout;
use fm_migration::{Conversion, PlanOptions, convert};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let [source, config, target] = words.as_slice() else {
        return Err("usage: convert SOURCE CONSENSUS_JSON TARGET".into());
    };
    let config = ConsensusConfig::parse(&std::fs::read_to_string(config)?)?;
    let session_keys = SessionKeys::new(&config.broadcast_public_keys)?;
    // Another thread may set it to end the conversion.
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let source = open_source(source, None, control)?;
    let origin = source.original();
    let keys = match (&origin.layout, &config.epoch_keys) {
        (Layout::Hbbft(_), Some(keys)) => HistoryKeys::Epoch(keys),
        _ => HistoryKeys::Session(&session_keys),
    };
    let options = PlanOptions {
        keys,
        until: None,
        omissions: &source.lacks(),
        accept_incomplete: false,
        target_version: None,
        kinds: &config.modules,
    };
    let federation = config.federation().map(hex::encode).unwrap_or_default();
    let conversion = Conversion {
        origin,
        options,
        federation: &federation,
        session_keys: &BTreeMap::new(),
        target,
        tool_version: "example",
    };
    // Nothing appears at the target before the history is proven, converted, and read back.
    let (manifest, existed) = convert(&conversion, control, &mut |finding| println!("{finding}"))?;
    let what = if existed { "was there already" } else { "is written" };
    println!(
        "{} sessions, history root {}: {} {what}",
        manifest.sessions,
        manifest.history_root,
        target.display()
    );
    Ok(())
}
