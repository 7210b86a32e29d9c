//! Compares an audit of sessions with the cost of checking their signatures: a bare libsecp256k1 loop over
//! the same signatures on one core, scaled to all cores. Also measures the next audit, with the marks of a
//! trust file.
//!
//! `cargo bench --workspace --bench session_signatures [-- SESSIONS]`; the default is 20,000.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fm_audit::{
    AuditError, Control, HistoryAudit, HistoryKeys, Observer, Origin, Request, Scope, Silent, TrustedPrefix,
    audit_history, each_block,
};
use fm_crypto::SessionKeys;
use fm_eras::{Layout, session};
use fm_forge::{BlockSpec, forge_blocks};
use fm_store::ReadStore;
use secp256k1::{XOnlyPublicKey, schnorr};

/// The input of libsecp256k1: signature, message, key.
type Job = (schnorr::Signature, [u8; 32], XOnlyPublicKey);

fn audit(origin: Origin<'_>, keys: &SessionKeys, trust: Option<&TrustedPrefix>) -> (HistoryAudit, Duration) {
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let scope = Scope { trust, ..Scope::default() };
    let request = Request { scope, ..Request::everything(Some(HistoryKeys::Session(keys))) };
    let start = Instant::now();
    let mut findings = 0;
    let mut count = |_| findings += 1;
    let audit = audit_history(origin, request, control, Observer::of_findings(&mut count));
    let took = start.elapsed();
    assert_eq!(findings, 0);
    (audit.expect("the database can be read"), took)
}

fn jobs(origin: Origin<'_>, keys: &SessionKeys) -> Vec<Job> {
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let layout = session::modern();
    let options = fm_audit::BlockOptions {
        layout,
        keys: None,
        convert: false,
        tagged: true,
        scope: Scope::default(),
        on_row: None,
    };
    let mut jobs = Vec::new();
    each_block(origin, options, control, |audited| {
        let decoded = audited.decoded.expect("it decodes");
        let message = keys.message(&decoded.leaf.header.to_bytes());
        jobs.extend(decoded.block.signatures.iter().map(|(peer, signature)| {
            let key =
                XOnlyPublicKey::from_byte_array(keys.x_only(*peer).expect("a guardian")).expect("a point");
            (schnorr::Signature::from_byte_array(*signature), message, key)
        }));
        Ok::<_, AuditError>(())
    })
    .expect("the database can be read");
    jobs
}

/// Returns the processor time of all threads of this process so far, in ticks of 10 ms. On a machine that
/// also runs other work it is more reliable than wall-clock time. Linux only.
fn ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

fn bare(jobs: &[Job]) -> Duration {
    let start = Instant::now();
    for (signature, message, key) in jobs {
        schnorr::verify(signature, message, key).expect("the signature holds");
    }
    start.elapsed()
}

fn main() {
    let argument = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let sessions: u64 = argument.unwrap_or(20_000);
    let home = tempfile::tempdir().expect("room for a database");
    let spec = BlockSpec { items: 4, body_bytes: 40, ..BlockSpec::new(session::modern(), sessions) };
    let forged = forge_blocks(&spec, home.path()).expect("the history can be forged");
    let keys = SessionKeys::new(&forged.keys).expect("every key is a point");
    let store = ReadStore::open(&home.path().join("database")).expect("the database opens");
    let origin =
        Origin { rows: &store, path: Path::new("forged"), layout: Layout::Blocks(session::modern()) };
    let jobs = jobs(origin, &keys);
    let cores = rayon::current_num_threads();
    let empty = TrustedPrefix::empty().expect("randomness");
    let (first, _) = audit(origin, &keys, Some(&empty));
    let known = first.prefix.expect("it was asked for");
    let (mut loop_time, mut audit_time, mut again_time) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let (mut loop_ticks, mut audit_ticks) = (0, 0);
    // In turns, so that other load on the machine affects all three.
    for _ in 0..5 {
        let start = ticks();
        loop_time = loop_time.min(bare(&jobs));
        let middle = ticks();
        audit_time = audit_time.min(audit(origin, &keys, None).1);
        loop_ticks += middle - start;
        audit_ticks += ticks() - middle;
        let (again, took) = audit(origin, &keys, Some(&known));
        assert_eq!((again.trusted, again.chain.signed), (sessions, sessions));
        again_time = again_time.min(took);
    }
    let per_second = |time: Duration| sessions as f64 / time.as_secs_f64();
    println!(
        "{sessions} sessions, {} signatures, {} items, {cores} cores; best of 5",
        jobs.len(),
        forged.items
    );
    println!("bare loop, one core         {loop_time:>10.3?}  {:>9.0} sessions/s", per_second(loop_time));
    println!("audit, all cores            {audit_time:>10.3?}  {:>9.0} sessions/s", per_second(audit_time));
    println!("audit again, trust file     {again_time:>10.3?}  {:>9.0} sessions/s", per_second(again_time));
    let ideal = loop_time.as_secs_f64() / cores as f64;
    println!(
        "processor time of the loop to that of the audit: {:.2}",
        loop_ticks as f64 / audit_ticks as f64
    );
    println!("ratio of the audit to the bare loop times the cores: {:.2}", ideal / audit_time.as_secs_f64());
    println!(
        "ratio of the audit again to the audit: {:.1}",
        audit_time.as_secs_f64() / again_time.as_secs_f64()
    );
}
