//! The guardians of `fm-node dev` as processes: started, started again when they end, stopped together.
//!
//! Invariant: no guardian outlives this program. Each one's standard input is a pipe that this program holds open and
//! never writes to; when this program ends, also by SIGKILL, the system closes the pipe and the guardian stops.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fm_cli::{Exit, Failure, Output};
use fm_datadir::DATABASE_NAME;
use tokio::time::sleep;

/// The password of all guardians that `fm-node dev` makes.
pub(crate) const PASSWORD: &str = "dev";
/// The interval at which the processes are checked.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// The time after which a guardian that ended is started again.
const START_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A guardian that ends within this time after its start ended quickly.
const QUICKLY: Duration = Duration::from_secs(10);
/// The number of quick ends in a row after which a guardian is not started again.
const MOST_QUICK_ENDS: u32 = 5;
/// The time after which guardians that do not stop are killed.
const STOP_TIME: Duration = Duration::from_secs(30);

/// One guardian.
struct Guardian {
    directory: PathBuf,
    sessions: Option<u64>,
    state: State,
    started: Instant,
    quick_ends: u32,
}

enum State {
    Running(Child),
    /// It ended and is started again at this time.
    Pause(Instant),
    /// It finished its last session.
    Done,
    /// It is not started again.
    GivenUp(ExitStatus),
}

/// All guardians of a federation; those that still run are stopped when this value is dropped.
pub(crate) struct Guardians {
    all: Vec<Guardian>,
    /// The number of guardians that must run for sessions to finish.
    threshold: usize,
}

impl Guardians {
    /// Starts a guardian in each of these directories. With `sessions`, they stop when this many sessions are
    /// finished.
    pub(crate) fn start(directories: Vec<PathBuf>, sessions: Option<u64>) -> Result<Self, Failure> {
        let threshold = directories.len() - (directories.len() - 1) / 3;
        let mut all = Self { all: Vec::new(), threshold };
        for directory in directories {
            let state = State::Running(start(&directory, sessions)?);
            all.all.push(Guardian { directory, sessions, state, started: Instant::now(), quick_ends: 0 });
        }
        Ok(all)
    }

    /// Starts guardians again as they end, until all have finished their last session or this program is to stop.
    pub(crate) async fn watch(&mut self, interrupted: &AtomicBool) -> Result<Exit, Failure> {
        let mut output = Output::default();
        while !interrupted.load(Relaxed) {
            sleep(LOOK_AFTER).await;
            for (peer, guardian) in self.all.iter_mut().enumerate() {
                if let Some(line) = guardian.look()? {
                    output.line(&format!("guardian {peer} {line}"))?;
                }
            }
            let count = |is: fn(&State) -> bool| self.all.iter().filter(|one| is(&one.state)).count();
            let given_up = count(|state| matches!(state, State::GivenUp(_)));
            let done = count(|state| matches!(state, State::Done));
            if done + given_up == self.all.len() || self.all.len() - given_up < self.threshold {
                return self.end();
            }
        }
        output.line("stopping   all guardians")?;
        self.stop().await;
        Ok(Exit::Interrupted)
    }

    /// Returns how the federation ended: a guardian that was given up is a failure.
    fn end(&self) -> Result<Exit, Failure> {
        let given_up = self.all.iter().enumerate().find_map(|(peer, guardian)| match guardian.state {
            State::GivenUp(status) => Some((peer, guardian, status)),
            _ => None,
        });
        let Some((peer, guardian, status)) = given_up else { return Ok(Exit::Done) };
        let message = format!("guardian {peer} ended with {status} and was not started again");
        let log = guardian.directory.join("log");
        Err(Failure::new(Exit::CannotLook, message).hint(format!("{} says why", log.display())))
    }

    /// Stops all guardians, and waits for them.
    async fn stop(&mut self) {
        let since = Instant::now();
        let mut running: Vec<&mut Child> =
            self.all.iter_mut().filter_map(|guardian| guardian.process()).collect();
        running.iter_mut().for_each(|child| drop(child.stdin.take()));
        while since.elapsed() < STOP_TIME {
            // A guardian whose state cannot be read is killed below.
            running.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
            if running.is_empty() {
                return;
            }
            sleep(LOOK_AFTER).await;
        }
    }
}

impl Drop for Guardians {
    fn drop(&mut self) {
        for child in self.all.iter_mut().filter_map(Guardian::process) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Guardian {
    fn process(&mut self) -> Option<&mut Child> {
        match &mut self.state {
            State::Running(child) => Some(child),
            _ => None,
        }
    }

    /// Checks the process; returns a message if anything happened.
    fn look(&mut self) -> Result<Option<String>, Failure> {
        match &mut self.state {
            State::Running(child) => {
                let ended =
                    child.try_wait().map_err(|error| Failure::from_error(Exit::CannotLook, &error))?;
                Ok(ended.and_then(|status| self.ended(status)))
            }
            State::Pause(until) if Instant::now() >= *until => {
                self.state = State::Running(start(&self.directory, self.sessions)?);
                self.started = Instant::now();
                Ok(None)
            }
            State::Pause(_) | State::Done | State::GivenUp(_) => Ok(None),
        }
    }

    /// Decides what happens to a guardian that ended.
    fn ended(&mut self, status: ExitStatus) -> Option<String> {
        // Without a last session, exit status 0 means that somebody stopped the guardian.
        if status.success() {
            self.state = State::Done;
            return self.sessions.is_none().then(|| "stopped on request of `fm-node shutdown`".to_owned());
        }
        self.quick_ends = if self.started.elapsed() < QUICKLY { self.quick_ends + 1 } else { 0 };
        let log = self.directory.join("log");
        let log = log.display();
        if is_final(status) || self.quick_ends >= MOST_QUICK_ENDS {
            self.state = State::GivenUp(status);
            return Some(format!("ended with {status} and is not started again; {log} says why"));
        }
        self.state = State::Pause(Instant::now() + START_AGAIN_AFTER);
        Some(format!("ended with {status} and is started again; its log is {log}"))
    }
}

/// Checks whether a guardian with this exit status would only end in the same way again.
fn is_final(status: ExitStatus) -> bool {
    let statuses = [Exit::Findings, Exit::Usage, Exit::WrongKey].map(|exit| exit as i32);
    status.signal().is_none() && status.code().is_some_and(|code| statuses.contains(&code))
}

fn start(directory: &Path, sessions: Option<u64>) -> Result<Child, Failure> {
    let failed = |error: io::Error| {
        Failure::new(Exit::CannotLook, format!("{}: cannot start a guardian: {error}", directory.display()))
    };
    let log = File::options().create(true).append(true).open(directory.join("log")).map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    // Variables for this program must not reach its guardians.
    for name in ["FM_BIND_P2P", "FM_BIND_API", "FM_SESSIONS", "FM_NEW", "FM_DATA_DIR", "FM_COLOR"] {
        command.env_remove(name);
    }
    command.args(["run", "--stop-with-stdin", "--data-dir"]).arg(directory).env("FM_PASSWORD", PASSWORD);
    if !directory.join(DATABASE_NAME).exists() {
        command.arg("--new");
    }
    if let Some(sessions) = sessions {
        command.args(["--sessions", &sessions.to_string()]);
    }
    // The guardian has its own process group: Ctrl-C in a terminal reaches this program only, which then
    // stops each guardian once.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().map_err(failed)
}
