//! Starts a program for every finding that somebody has to look at.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fm_cli::warn;
use fm_history::{Finding, Severity};

/// The most programs that run at a time; findings beyond that are printed alone.
const MOST_RUNNING: usize = 8;

pub(super) struct Notifier {
    program: Option<PathBuf>,
    running: Vec<Child>,
}

impl Notifier {
    pub(super) fn new(program: Option<PathBuf>) -> Self {
        Self { program, running: Vec::new() }
    }

    /// Starts the program, with the finding as its only argument.
    pub(super) fn start(&mut self, finding: &Finding) {
        let Some(program) = self.program.clone().filter(|_| finding.severity != Severity::Info) else {
            return;
        };
        self.reap();
        let refused = |reason: String| {
            warn("fm-verify", &format!("{} was not started: {reason}", program.display()));
        };
        if self.running.len() >= MOST_RUNNING {
            return refused(format!("{MOST_RUNNING} of them still run"));
        }
        let text = match serde_json::to_string(finding) {
            Ok(text) => text,
            Err(error) => return refused(error.to_string()),
        };
        // The output of this program has its own readers.
        let started = Command::new(&program)
            .arg(text)
            .env_remove("FM_API_SECRET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match started {
            Ok(child) => self.running.push(child),
            Err(error) => refused(error.to_string()),
        }
    }

    /// Forgets the programs that have ended.
    pub(super) fn reap(&mut self) {
        self.running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// Waits until all have ended.
    pub(super) fn wait(&mut self) {
        for child in &mut self.running {
            // How it ended is its own affair.
            let _ = child.wait();
        }
    }
}
