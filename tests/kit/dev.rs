//! A running `fm-node dev`: its output, the guardians that it started, and signals.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{binary, command};

const PATIENCE: Duration = Duration::from_secs(120);

/// The program; it is killed when this value is dropped.
pub struct Dev {
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Dev {
    /// Starts a federation in a directory.
    pub fn start(directory: &Path, options: &[&str]) -> Self {
        let mut dev = command(binary("fm-node"));
        dev.arg("dev").arg("--dir").arg(directory).args(options);
        let mut child = dev.spawn().expect("the program can be started");
        let printed = Arc::<Mutex<String>>::default();
        let (lines, into) = (BufReader::new(child.stdout.take().expect("a pipe")).lines(), printed.clone());
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().expect("nobody panics with it").push_str(&format!("{line}\n"));
            }
        });
        Self { child, printed }
    }

    /// Returns what it printed so far.
    pub fn printed(&self) -> String {
        self.printed.lock().expect("nobody panics with it").clone()
    }

    /// Waits until it has printed that text this many times.
    #[track_caller]
    pub fn wait_for(&self, what: &str, times: usize) {
        let start = Instant::now();
        while self.printed().matches(what).count() < times {
            assert!(start.elapsed() < PATIENCE, "{what:?} is not printed:\n{}", self.printed());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the processes that it started and that still run.
    pub fn guardians(&self) -> Vec<i32> {
        let processes = fs::read_dir("/proc").expect("a list of processes");
        let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let own = i32::try_from(self.child.id()).expect("a process id");
        numbers.filter(|number| parent(*number) == Some(own)).collect()
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        send(i32::try_from(self.child.id()).expect("a process id"), signal);
    }

    /// Returns its exit status once it has ended; none if a signal ended it.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its state can be asked for") {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it still runs:\n{}", self.printed());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub fn send(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).expect("a process id"), signal).expect("it can be signalled");
}

/// Checks whether a process runs.
pub fn runs(process: i32) -> bool {
    parent(process).is_some()
}

/// Returns the parent of a process; none if there is no such process, or if only its entry is left.
fn parent(process: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The process's name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.next()?.parse().ok()).flatten()
}
