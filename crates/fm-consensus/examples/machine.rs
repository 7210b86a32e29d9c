//! Drives the consensus state machine of a federation of one guardian in memory: it orders a vote, and signs
//! the session.
//!
//! `cargo run --release --example machine`

#![allow(clippy::print_stdout, reason = "an example prints what it found")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use fm_codec::{Dialect, Encode, ModuleValue, Writer};
use fm_consensus::{
    Engine, Federation, Guard, MemoryStorage, Meta, Modules, Orderers, Rules, Schedule, UnitPayload,
    prove_record,
};
use fm_crypto::{SessionKeys, SigningKey};
use fm_eras::session::session_key;
use fm_history::ConsensusItem;
use fm_rows::RowSource;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let signing_key = SigningKey::from_bytes([1; 32])?;
    let keys = SessionKeys::new(&BTreeMap::from([(0, signing_key.public_key())]))?;
    let federation = Federation { keys: keys.clone(), own: 0, signing_key };
    let storage = Arc::new(MemoryStorage::default());
    let modules = Modules::default().with(0, Meta { threshold: keys.threshold() });
    let schedule = Schedule::rounds(10).ok_or("a session has a round at least")?;
    let rules = Rules { schedule, orderers: Orderers::Nodes };
    let mut engine = Engine::open(storage.clone(), federation, Arc::new(modules), rules, Guard::default())?;

    // A unit as AlephBFT would order it: a batch with one vote for the value "hello" under key 0.
    let mut vote = Writer::new(Dialect::MODERN);
    vote.u64(7);
    vote.u8(0);
    vote.bytes(b"hello");
    let item = ConsensusItem::Module(ModuleValue { instance: 0, body: vote.into_bytes() });
    let mut batch = Writer::new(Dialect::MODERN);
    batch.list([&item].into_iter(), |batch, item| item.encode(batch));
    let actions = engine.on_ordered_unit(0, 0, Some(&UnitPayload::Batch(batch.into_bytes())))?;
    println!("ordered: {actions:?}");

    // With more guardians, the machine returns the header to broadcast, and takes the other guardians'
    // signatures.
    let actions = engine.end_session_alone()?;
    println!("ended: {actions:?}");

    let record = storage.get(&session_key(0))?.ok_or("the session is stored")?;
    let proven = prove_record(&keys, 0, &record)?;
    println!("session 0: {} item(s), header {}", proven.leaves.len(), hex::encode(proven.header.to_bytes()));
    Ok(())
}
