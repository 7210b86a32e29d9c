//! Audits a guardian's database, an archive or a converted directory with the keys in a `consensus.json`.
//!
//! `cargo run --release --example audit -- fixtures/session-v0.5.0/peer-0 fixtures/session-v0.5.0/peer-1/consensus.json`

#![allow(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use fm_audit::{Control, HistoryKeys, Observer, Request, Silent, audit_history, open_source};
use fm_crypto::{ConsensusConfig, SessionKeys};
use fm_eras::Layout;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let [source, config] = words.as_slice() else { return Err("usage: audit SOURCE CONSENSUS_JSON".into()) };
    let config = ConsensusConfig::parse(&std::fs::read_to_string(config)?)?;
    let session_keys = SessionKeys::new(&config.broadcast_public_keys)?;
    // Another thread may set it to end the audit.
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let source = open_source(source, None, control)?;
    let history = source.history();
    let keys = match (&history.layout, &config.epoch_keys) {
        (Layout::Hbbft(_), Some(keys)) => HistoryKeys::Epoch(keys),
        _ => HistoryKeys::Session(&session_keys),
    };
    let mut report = |finding| println!("{finding}");
    let observer = Observer::of_findings(&mut report);
    let audit = audit_history(history, Request::everything(Some(keys)), control, observer)?;
    println!(
        "{} epochs or sessions, {} of them signed, {} error(s)",
        audit.chain.records, audit.chain.signed, audit.errors
    );
    if let Some(proven) = audit.proven.filter(|_| audit.errors == 0) {
        println!("history root {} up to {}", proven.history_root, proven.last);
    }
    Ok(())
}
