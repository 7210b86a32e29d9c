//! `fm-node dev`: a federation on this machine, one process for each guardian.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fm_cli::{Exit, Failure, Output, interrupt_flag};
use fm_client::{Guardian, unwrap_bytes};
use fm_codec::{Dialect, decode_exact};
use fm_guardian::{DATABASE_NAME, FederationPlan, generate_load, write_federation};
use fm_history::SignedSession;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::args::DevArgs;
use crate::load::{LEDGER, addresses};
use crate::run::runtime;

/// The password of all guardians that are made here.
const PASSWORD: &str = "dev";
/// How often the processes are looked at.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// A question to a guardian is asked again after this.
const PATIENCE: Duration = Duration::from_secs(30);
/// As many transactions as the rate says are on their way at a time, but no more than this.
const MOST_WORKERS: u32 = 800;

/// The processes; they are told to stop when this goes.
struct Guardians(Vec<Child>);

impl Drop for Guardians {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn run(arguments: &DevArgs) -> Result<Exit, Failure> {
    let interrupted = interrupt_flag()?;
    if arguments.guardians < 4 {
        return Err(Failure::new(Exit::Usage, "a federation has four guardians or more"));
    }
    let io = |error: std::io::Error| {
        Failure::new(Exit::CannotLook, format!("{}: {error}", arguments.dir.display()))
    };
    if !arguments.dir.join("0").exists() {
        make(arguments).map_err(io)?;
    }
    let urls = addresses(&arguments.dir)?;
    let mut guardians = Guardians(Vec::new());
    for peer in 0..urls.len() {
        let child = start(&arguments.dir.join(peer.to_string()), arguments.sessions).map_err(io)?;
        guardians.0.push(child);
    }
    let exit = runtime()?.block_on(watch_over(&urls, arguments, &mut guardians, interrupted))?;
    if exit == Exit::Done {
        let dir = arguments.dir.display();
        Output::default().line(&format!("stopped; prove it with: fm-verify {dir}/0 --config {dir}/0"))?;
    }
    Ok(exit)
}

/// Makes the guardians' files, with ports that are free now.
fn make(arguments: &DevArgs) -> std::io::Result<()> {
    let listeners: Vec<TcpListener> =
        (0..2 * arguments.guardians).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<u16> = listeners
        .iter()
        .map(|one| one.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()?;
    let plan = FederationPlan {
        guardians: arguments.guardians,
        rounds_per_session: arguments.rounds,
        round_delay_ms: arguments.round_delay,
        ports: ports.chunks(2).map(|pair| (pair[0], pair[1])).collect(),
        password: PASSWORD.to_owned(),
    };
    fs::create_dir_all(&arguments.dir)?;
    write_federation(&arguments.dir, &plan)
}

fn start(guardian: &Path, sessions: Option<u64>) -> std::io::Result<Child> {
    let log = File::options().create(true).append(true).open(guardian.join("log"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg("--data-dir").arg(guardian).env("FM_PASSWORD", PASSWORD);
    if !guardian.join(DATABASE_NAME).exists() {
        command.arg("--new");
    }
    if let Some(sessions) = sessions {
        command.args(["--sessions", &sessions.to_string()]);
    }
    // What was meant for this program is not meant for its guardians.
    for name in ["FM_BIND_P2P", "FM_BIND_API", "FM_SESSIONS", "FM_NEW", "FM_DATA_DIR", "FM_COLOR"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
}

/// Prints sessions until all processes have ended.
async fn watch_over(
    urls: &[String],
    arguments: &DevArgs,
    guardians: &mut Guardians,
    interrupted: Arc<AtomicBool>,
) -> Result<Exit, Failure> {
    let (stop, stopped) = watch::channel(false);
    let load = arguments.load.map(|rate| {
        let (urls, workers) = (urls.to_vec(), rate.clamp(1, MOST_WORKERS) as usize);
        tokio::spawn(async move { generate_load(&urls, LEDGER, workers, 1, Some(rate), stopped).await })
    });
    let printer = tokio::spawn(print_sessions(urls[0].clone()));
    let ended = processes(guardians, &interrupted, &arguments.dir).await;
    // The last session is asked for while the guardian ends: a moment for it to be printed.
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

/// Waits until all processes have ended.
async fn processes(guardians: &mut Guardians, interrupted: &AtomicBool, dir: &Path) -> Result<Exit, Failure> {
    loop {
        sleep(LOOK_AFTER).await;
        let mut running = 0;
        for (peer, child) in guardians.0.iter_mut().enumerate() {
            let state = child.try_wait().map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
            match state {
                None => running += 1,
                Some(status) if status.success() || interrupted.load(Relaxed) => (),
                Some(status) => {
                    let log = dir.join(peer.to_string()).join("log");
                    let message = format!("guardian {peer} ended with {status}");
                    return Err(
                        Failure::new(Exit::CannotLook, message).hint(format!("{} says why", log.display()))
                    );
                }
            }
        }
        if running == 0 {
            return Ok(if interrupted.load(Relaxed) { Exit::Interrupted } else { Exit::Done });
        }
    }
}

/// Prints a line for every session that a guardian finishes.
async fn print_sessions(url: String) -> Result<(), Failure> {
    let mut output = Output::default();
    let guardian = Guardian::new(url);
    let (mut session, mut since) = (None, Instant::now());
    loop {
        let index = match session {
            Some(index) => index,
            None => match guardian.ask("session_count", None, &Value::Null, PATIENCE).await {
                Ok(count) => *session.insert(count.as_u64().unwrap_or_default()),
                Err(_) => {
                    sleep(LOOK_AFTER).await;
                    continue;
                }
            },
        };
        let method = "await_signed_session_outcome";
        let Ok(answer) = guardian.ask(method, None, &json!(index), PATIENCE).await else {
            sleep(LOOK_AFTER).await;
            continue;
        };
        if let Some(record) = read_record(&answer) {
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

fn read_record(answer: &Value) -> Option<SignedSession> {
    decode_exact(&unwrap_bytes(answer)?, Dialect::MODERN).ok()
}
