//! Compares attesting and sealing with bare libsecp256k1 on the same cores, in the same run.
//!
//! The bare loops sign one message per session, and verify as many signatures per session as sealing does;
//! the messages are made in advance. `sign` is attest without the proof that precedes it. `seal` is the whole
//! job: it checks the files, verifies the signatures, and writes, syncs and reads back the database.
//!
//! `cargo bench --workspace --bench attest [-- SESSIONS]`

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fm_audit::{Control, HistoryKeys, MigratedDir, Origin, Silent};
use fm_crypto::{EpochKeys, SessionKeys, SigningKey, parse_secret_key};
use fm_forge::{ForgeSpec, broadcast_secret, forge};
use fm_migration::{Attest, Conversion, PlanOptions, Seal, Signer, attest, convert, seal, sign};
use fm_store::ReadStore;
use rayon::prelude::*;
use secp256k1::{Keypair, schnorr};

/// The same allocator as in the programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The default number of sessions.
const SESSIONS: u64 = 20_000;
/// Each time is the best of this many runs.
const RUNS: usize = 5;

/// The time that a job took: by the clock, and summed over all cores.
#[derive(Clone, Copy)]
struct Taken {
    time: Duration,
    cores: Duration,
}

/// Returns the processor time of this process on all cores so far, in ticks of 10 ms.
fn cores() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux reports what a process used");
    let (_, behind_name) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = behind_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>());
    Duration::from_millis(10 * ticks.map(|ticks| ticks.expect("a number")).sum::<u64>())
}

/// Runs several jobs in turns, so that other load on the machine affects all of them; returns the best time
/// of each.
fn best<const N: usize>(mut jobs: [&mut dyn FnMut(usize); N]) -> [Taken; N] {
    let mut taken = [Taken { time: Duration::MAX, cores: Duration::MAX }; N];
    for run in 0..RUNS {
        for (job, best) in jobs.iter_mut().zip(&mut taken) {
            let (start, before) = (Instant::now(), cores());
            job(run);
            best.time = start.elapsed().min(best.time);
            best.cores = (cores() - before).min(best.cores);
        }
    }
    taken
}

fn spec(sessions: u64) -> ForgeSpec {
    ForgeSpec {
        epochs: sessions + 1,
        with_shares: false,
        sign_every: 50,
        gap_every: 0,
        module_rows: 100,
        ..ForgeSpec::default()
    }
}

fn migrate(spec: &ForgeSpec, home: &Path, target: &Path, control: Control<'_>) -> EpochKeys {
    let forged = forge(spec, home).expect("the history is forged");
    let keys = EpochKeys::from_coefficients(forged.coefficients).expect("forged keys are keys");
    let database = home.join("database");
    let store = ReadStore::open(&database).expect("the forged database opens");
    let options = PlanOptions {
        keys: HistoryKeys::Epoch(&keys),
        until: None,
        omissions: &[],
        accept_incomplete: false,
        target_version: None,
        kinds: &std::collections::BTreeMap::new(),
    };
    let origin = Origin { rows: &store, path: &database, layout: fm_eras::Layout::Hbbft(spec.layout) };
    let conversion = Conversion {
        origin,
        options,
        federation: "f0",
        session_keys: &BTreeMap::new(),
        target,
        tool_version: "bench",
    };
    convert(&conversion, control, &mut |_| {}).expect("the forged history converts");
    keys
}

fn messages(sessions: u64) -> Vec<[u8; 32]> {
    (0..sessions).map(|number| fm_history::sha256(&[&number.to_be_bytes()]).0).collect()
}

/// Returns pairs of a secp256k1 key and the key that `fm-crypto` makes from the same secret.
fn guardians(spec: &ForgeSpec) -> (Vec<Keypair>, Vec<SigningKey>) {
    let pair = |peer| {
        let text = broadcast_secret(spec.seed, peer);
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).expect("a secret is hex");
        let pair = Keypair::from_secret_bytes(bytes).expect("a secret is a scalar");
        (pair, parse_secret_key(&text).expect("a secret is a key"))
    };
    (0..spec.guardians).map(pair).unzip()
}

fn main() {
    let sessions = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(SESSIONS);
    let home = tempfile::tempdir().expect("a temporary directory");
    let interrupted = AtomicBool::new(false);
    let control = Control { progress: &Silent, interrupted: &interrupted };
    let (spec, target) = (spec(sessions), home.path().join("migrated"));
    let epoch_keys = migrate(&spec, &home.path().join("old"), &target, control);
    let (pairs, keys) = guardians(&spec);
    let public = (0..).zip(keys.iter().map(SigningKey::public_key)).collect();
    let session_keys = SessionKeys::new(&public).expect("forged keys are keys");
    let threshold = session_keys.threshold();
    let dir = MigratedDir::open(&target, control).expect("the migrated directory opens");
    let messages = messages(sessions);
    let file = |name: String| home.path().join(name);
    let signers: Vec<_> =
        keys.iter().map(|key| Signer::new(key, &session_keys).expect("the key is a guardian's")).collect();
    fn job<'a>(
        dir: &'a MigratedDir,
        keys: HistoryKeys<'a>,
        signer: &'a Signer<'a>,
        out: &'a Path,
    ) -> Attest<'a> {
        Attest { dir, keys, federation: Some("f0"), signer, out }
    }

    let mut bare_sign = |_| {
        let sign = |message: &[u8; 32]| pairs[0].sign_schnorr_no_aux_rand(message).to_byte_array();
        std::hint::black_box(messages.par_iter().map(sign).collect::<Vec<_>>());
    };
    let mut sign_all = |run| {
        let out = file(format!("sign-{run}"));
        sign(job(&dir, HistoryKeys::Epoch(&epoch_keys), &signers[0], &out), control)
            .expect("the sessions are signed");
    };
    let mut prove_and_sign = |run| {
        let out = file(format!("attest-{run}"));
        attest(job(&dir, HistoryKeys::Epoch(&epoch_keys), &signers[0], &out), control, &mut |_| {})
            .expect("the sessions are proven and signed");
    };
    let [bare_sign, sign_time, attest_time] = best([&mut bare_sign, &mut sign_all, &mut prove_and_sign]);

    let files: Vec<PathBuf> = (0..threshold).map(|peer| file(format!("of-{peer}"))).collect();
    for (signer, out) in signers.iter().zip(&files) {
        sign(job(&dir, HistoryKeys::Epoch(&epoch_keys), signer, out), control)
            .expect("the sessions are signed");
    }
    let signatures: Vec<Vec<_>> = (0..threshold)
        .map(|peer| {
            messages.par_iter().map(|message| pairs[peer].sign_schnorr_no_aux_rand(message)).collect()
        })
        .collect();
    let publics: Vec<_> = pairs.iter().map(|pair| pair.x_only_public_key().0).collect();
    let mut bare_verify = |_| {
        messages.par_iter().enumerate().for_each(|(session, message)| {
            for (signatures, public) in signatures.iter().zip(&publics) {
                schnorr::verify(&signatures[session], message, public).expect("the signature is good");
            }
        });
    };
    drop(dir);
    // A directory can be sealed only once, so each run has its own copy.
    let copies: Vec<PathBuf> = (0..RUNS)
        .map(|run| {
            let copy = file(format!("copy-{run}"));
            let status = std::process::Command::new("cp").arg("-r").arg(&target).arg(&copy).status();
            assert!(status.expect("cp runs").success());
            copy
        })
        .collect();
    let mut seal_copy = |run: usize| {
        let job = Seal { dir: &copies[run], keys: &session_keys, federation: Some("f0"), files: &files };
        assert!(!seal(job, control).expect("the directory is sealed").existed);
    };
    let [bare_verify, seal_time] = best([&mut bare_verify, &mut seal_copy]);

    let show = |name: &str, Taken { time, cores }: Taken| {
        println!(
            "{name:44} {:8.3} s  {:9.0} sessions/s  {:8.2} s of cores",
            time.as_secs_f64(),
            sessions as f64 / time.as_secs_f64(),
            cores.as_secs_f64()
        );
    };
    let threads = rayon::current_num_threads();
    println!("{sessions} sessions, threshold {threshold}, {threads} cores, best of {RUNS} runs");
    show("bare libsecp256k1, sign", bare_sign);
    show("sign (attest without its proof)", sign_time);
    show("attest, proof included", attest_time);
    show(&format!("bare libsecp256k1, verify {threshold} per session"), bare_verify);
    show("seal", seal_time);
    let ratio = |name: &str, bare: Taken, ours: Taken| {
        let part = |bare: Duration, ours: Duration| bare.as_secs_f64() / ours.as_secs_f64();
        let (time, cores) = (part(bare.time, ours.time), part(bare.cores, ours.cores));
        println!("ratio {name:28} {time:5.2} by the clock, {cores:5.2} of cores");
    };
    ratio("sign to bare sign", bare_sign, sign_time);
    ratio("attest to bare sign", bare_sign, attest_time);
    ratio("seal to bare verify", bare_verify, seal_time);
}
