//! `fm-node dev`: a federation on this machine, one process for each guardian.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fm_cli::{Exit, Failure, Output, interrupt_flag, quoted};
use fm_client::Guardian;
use fm_codec::{Dialect, decode_exact};
use fm_datadir::{CONSENSUS, DATABASE_NAME, ENCRYPTED, LOCAL, PRIVATE};
use fm_guardian::{Consensus, FederationPlan, Local, free_ports, generate_load, write_federation};
use fm_history::SignedSession;
use fm_store::{DatabaseLock, StoreError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use signal_hook::consts::SIGHUP;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::args::DevArgs;
use crate::load::{LEDGER, addresses};
use crate::processes::{Guardians, PASSWORD};
use crate::run::runtime;

/// The number of guardians, rounds in a session and milliseconds between rounds of a new federation.
const GUARDIANS: u16 = 4;
const ROUNDS: u16 = 60;
const ROUND_DELAY: u64 = 50;
/// The interval at which a guardian is asked again.
const LOOK_AFTER: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest number of transactions in flight at a time; below it, as many as the rate says.
const MOST_WORKERS: u32 = 800;

pub(crate) fn run(arguments: &DevArgs) -> Result<Exit, Failure> {
    let interrupted = interrupt_flag()?;
    stop_on_hangup(&interrupted)?;
    if arguments.guardians.is_some_and(|guardians| guardians < 4) {
        return Err(Failure::new(Exit::Usage, "a federation has four guardians or more"));
    }
    let io = |error: std::io::Error| {
        Failure::new(Exit::CannotLook, format!("{}: {error}", arguments.dir.display()))
    };
    refuse_guardian(&arguments.dir)?;
    match arguments.dir.join("0").exists() {
        true => check_existing(arguments)?,
        false => make(arguments).map_err(io)?,
    }
    let urls = addresses(&arguments.dir)?;
    let directories: Vec<PathBuf> =
        (0..urls.len()).map(|peer| arguments.dir.join(peer.to_string())).collect();
    directories.iter().try_for_each(|directory| refuse_running(directory))?;
    let mut output = Output::default();
    introduce(&mut output, &directories, &urls)?;
    let mut guardians = Guardians::start(directories, arguments.sessions)?;
    let exit = runtime()?.block_on(watch_over(&urls, arguments, &mut guardians, &interrupted))?;
    let guardian = quoted(&arguments.dir.join("0"));
    output.line(&format!("stopped; prove it with: fm-verify {guardian} --config {guardian}"))?;
    Ok(exit)
}

/// Makes a closed terminal stop the federation, unless that signal is ignored, as under `nohup`.
fn stop_on_hangup(interrupted: &Arc<AtomicBool>) -> Result<(), Failure> {
    if is_ignored(SIGHUP) {
        return Ok(());
    }
    let registered = signal_hook::flag::register(SIGHUP, interrupted.clone());
    registered.map(drop).map_err(|error| Failure::from_error(Exit::CannotLook, &error))
}

/// Checks whether this process was started with that signal ignored; returns false if the system does not
/// say.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Refuses a guardian's own data directory: nobody means to make a federation in it.
fn refuse_guardian(directory: &Path) -> Result<(), Failure> {
    let own = [CONSENSUS, LOCAL, PRIVATE, ENCRYPTED, DATABASE_NAME];
    let Some(found) = own.into_iter().find(|name| directory.join(name).exists()) else { return Ok(()) };
    let message = format!("{} is a guardian's own data directory: it holds {found}", directory.display());
    Err(Failure::new(Exit::Usage, message).hint(
        "`fm-node run --data-dir` starts that guardian; give --dir a new directory, or one that `fm-node dev` made",
    ))
}

/// Refuses to start a guardian that runs.
fn refuse_running(directory: &Path) -> Result<(), Failure> {
    match DatabaseLock::check(&directory.join(DATABASE_NAME)) {
        Err(error @ StoreError::Locked { .. }) => Err(Failure::from_error(Exit::Locked, &error)
            .hint("stop the `fm-node` that runs there, or give another --dir; nothing was started")),
        // The guardian reports anything else that may be wrong with it.
        _ => Ok(()),
    }
}

/// Refuses options that contradict the existing federation.
fn check_existing(arguments: &DevArgs) -> Result<(), Failure> {
    let guardian = arguments.dir.join("0");
    let consensus: Consensus = read_json(&guardian.join(CONSENSUS))?;
    let local: Local = read_json(&guardian.join(LOCAL))?;
    let count = consensus.api_endpoints.len() as u64;
    let options = [
        ("--guardians", arguments.guardians.map(u64::from), count, "guardians"),
        (
            "--rounds",
            arguments.rounds.map(u64::from),
            consensus.broadcast_rounds_per_session.into(),
            "rounds in a session",
        ),
        ("--round-delay", arguments.round_delay, local.broadcast_round_delay_ms, "ms between rounds"),
    ];
    for (option, asked, is, what) in options {
        if let Some(asked) = asked.filter(|asked| *asked != is) {
            let dir = arguments.dir.display();
            let message = format!("{dir} holds a federation with {is} {what}, not {asked}");
            return Err(Failure::new(Exit::Usage, message)
                .hint(format!("leave {option} out, or make another federation in another --dir")));
        }
    }
    if let Some(missing) = (0..count).find(|peer| !arguments.dir.join(peer.to_string()).is_dir()) {
        let message =
            format!("{}: the directory of guardian {missing} of {count} is missing", arguments.dir.display());
        return Err(Failure::new(Exit::CannotLook, message)
            .hint("put it back, or make another federation in another --dir"));
    }
    Ok(())
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Exit::CannotLook, format!("cannot read {}: {error}", path.display()))
    };
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

/// Makes the guardians' files, with ports that are free now.
fn make(arguments: &DevArgs) -> std::io::Result<()> {
    let guardians = arguments.guardians.unwrap_or(GUARDIANS);
    let ports = free_ports(2 * usize::from(guardians))?;
    let plan = FederationPlan {
        guardians,
        rounds_per_session: arguments.rounds.unwrap_or(ROUNDS),
        round_delay_ms: arguments.round_delay.unwrap_or(ROUND_DELAY),
        ports: ports.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
        password: PASSWORD.to_owned(),
    };
    fs::create_dir_all(&arguments.dir)?;
    write_federation(&arguments.dir, &plan)
}

/// Says where every guardian listens and logs, and how to ask it.
fn introduce(output: &mut Output, directories: &[PathBuf], urls: &[String]) -> Result<(), Failure> {
    for (peer, (directory, url)) in directories.iter().zip(urls).enumerate() {
        let page = url.replacen("ws", "http", 1);
        let log = directory.join("log");
        output.line(&format!("guardian {peer} {url}  page {page}  log {}", log.display()))?;
    }
    output.line(&format!("password   {PASSWORD} (of every guardian: for trying only)"))?;
    if let Some(directory) = directories.first() {
        output.line(&format!("ask        fm-node status --data-dir {}", quoted(directory)))?;
    }
    Ok(())
}

/// Prints sessions until all processes have ended.
async fn watch_over(
    urls: &[String],
    arguments: &DevArgs,
    guardians: &mut Guardians,
    interrupted: &AtomicBool,
) -> Result<Exit, Failure> {
    let (stop, stopped) = watch::channel(false);
    let load = arguments.load.map(|rate| {
        let (urls, workers) = (urls.to_vec(), rate.clamp(1, MOST_WORKERS) as usize);
        tokio::spawn(async move { generate_load(&urls, LEDGER, workers, 1, Some(rate), stopped).await })
    });
    let printer = tokio::spawn(print_sessions(urls.to_vec()));
    let ended = guardians.watch(interrupted).await;
    // The last session is requested while the guardian ends; this leaves a moment to print it.
    sleep(LOOK_AFTER).await;
    printer.abort();
    stop.send_replace(true);
    if let Some(load) = load {
        let report = load.await.map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
        let (p50, p99) = (report.percentile(50).as_millis(), report.percentile(99).as_millis());
        let line =
            format!("load       {} accepted, latency p50 {p50} ms, p99 {p99} ms", report.latencies.len());
        Output::default().line(&line)?;
    }
    ended
}

/// Prints a line for every finished session, as reported by a running guardian.
async fn print_sessions(urls: Vec<String>) -> Result<(), Failure> {
    let mut output = Output::default();
    let guardians: Vec<Guardian> = urls.into_iter().map(Guardian::new).collect();
    let (mut turn, mut session, mut since) = (0, None, Instant::now());
    loop {
        let Some(record) = next_session(&guardians[turn % guardians.len()], &mut session).await else {
            // This guardian may have ended; the next one is asked.
            turn += 1;
            sleep(LOOK_AFTER).await;
            continue;
        };
        let index = session.unwrap_or_default();
        if let Ok(record) = decode_exact::<SignedSession>(&record, Dialect::MODERN) {
            let (items, signatures) = (record.outcome.items.len(), record.signatures.len());
            let time = since.elapsed().as_secs_f64();
            output.line(&format!(
                "session {index:>6}  {items:>6} items  {signatures} signatures  {time:.1} s"
            ))?;
        }
        since = Instant::now();
        session = Some(index + 1);
    }
}

/// Returns the record of that session once it is finished; at first, that session is the open one.
async fn next_session(guardian: &Guardian, session: &mut Option<u64>) -> Option<Vec<u8>> {
    if session.is_none() {
        let count = guardian.ask("session_count", None, &Value::Null, PATIENCE).await.ok()?;
        *session = Some(count.as_u64()?);
    }
    let (record, _) = guardian.record(session.unwrap_or_default(), PATIENCE).await.ok()?;
    Some(record)
}
