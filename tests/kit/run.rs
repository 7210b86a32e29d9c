//! A program as a process: started, ended, and its output.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary;

/// What a process did.
#[derive(Clone, Debug)]
pub struct Run {
    /// The command line, for messages.
    pub line: String,
    /// The exit status as a shell shows it: 128 plus the signal's number if a signal ended it.
    pub exit: i32,
    /// Whether it ended by itself.
    pub exited: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Returns a command for a program, without the `FM_…` variables around the test, with its output piped.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FM_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts one of our programs.
pub fn started(program: &str, words: &[OsString]) -> Child {
    command(binary(program)).args(words).spawn().expect("the program can be started")
}

/// Waits for a started program and returns what it left.
pub fn finished(child: Child) -> Run {
    let line = format!("process {}", child.id());
    Run::from_output(line, child.wait_with_output().expect("the program ends"))
}

/// Sends a signal to a started program. The program may have ended already, which is one of the moments to
/// test.
pub fn signalled(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    let _ = kill_process(Pid::from_raw(pid).expect("a process id"), signal);
}

/// Runs a shell script with positional arguments.
pub fn shell(script: &str, arguments: &[OsString]) -> Run {
    let mut command = command("/bin/sh");
    let output = command.arg("-c").arg(script).arg("sh").args(arguments).output();
    Run::from_output(format!("sh -c {script:?} {arguments:?}"), output.expect("there is a shell"))
}

impl Run {
    /// Runs one of our programs to its end.
    pub fn of(program: &str, arguments: &[OsString]) -> Self {
        let output = command(binary(program)).args(arguments).output().expect("the program can be started");
        let shown: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        Self::from_output(format!("{program} {}", shown.join(" ")), output)
    }

    /// Runs one of our programs to its end; also returns its peak memory, in MiB.
    pub fn with_peak(program: &str, arguments: &[OsString]) -> (Self, u64) {
        let child = command(binary(program)).args(arguments).spawn().expect("the program can be started");
        let status = format!("/proc/{}/status", child.id());
        let watch = thread::spawn(move || {
            let mut peak = 0;
            // The mark is gone once the process has ended, and the file once the process was waited for.
            while let Some(kib) = fs::read_to_string(&status).ok().as_deref().and_then(high_water) {
                peak = kib;
                thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        let output = child.wait_with_output().expect("the program ends");
        let peak = watch.join().expect("the watch ends");
        (Self::from_output(program.to_owned(), output), peak / 1024)
    }

    /// Creates a run from the output of a process.
    pub fn from_output(line: String, output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("programs print text");
        let signal = output.status.signal();
        Self {
            line,
            exit: signal.map_or_else(|| output.status.code().unwrap_or(-1), |signal| 128 + signal),
            exited: signal.is_none(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Returns the run, if it ended with this exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        let Self { line, exit, stdout, stderr, .. } = &self;
        assert_eq!(*exit, status, "\n$ {line}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "$ {line}\n{stderr}");
        self
    }

    /// Returns the object that `--json` prints for a failure, the last line, and checks it against standard
    /// error and the exit status.
    #[track_caller]
    pub fn failure(&self) -> Value {
        let failure = self.json().pop().unwrap_or_else(|| panic!("$ {}\nno output", self.line));
        let is_refusal = failure["type"] == "verdict" && failure["verdict"] == "refused";
        assert!(failure["type"] == "failure" || is_refusal, "$ {}\n{failure}", self.line);
        assert_eq!(failure["exit"], self.exit, "$ {}\n{failure}", self.line);
        let text = |name: &str| failure[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(text("code") && text("message"), "$ {}\n{failure}", self.line);
        assert!(failure["hint"].is_null() || text("hint"), "$ {}\n{failure}", self.line);
        assert_eq!(failure["schema"], 2, "{failure}");
        failure
    }

    /// Returns standard output as NDJSON; every line must be an object.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            other => panic!("$ {}\nno JSON object: {line:?}: {other:?}", self.line),
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Returns the last line of the NDJSON, which must be a verdict.
    #[track_caller]
    pub fn verdict(&self) -> Value {
        let verdict = self.json().pop().unwrap_or_else(|| panic!("$ {}\nno output", self.line));
        assert_eq!(verdict["type"], "verdict", "$ {}", self.line);
        verdict
    }

    /// Returns the findings of the NDJSON.
    #[track_caller]
    pub fn findings(&self) -> Vec<Value> {
        let mut lines = self.json();
        lines.retain(|line| line["type"] == "finding");
        for finding in &lines {
            let is_text = |name: &str| finding[name].as_str().is_some_and(|text| !text.is_empty());
            assert!(is_text("code") && is_text("message"), "{finding}");
            assert!(matches!(finding["severity"].as_str(), Some("error" | "warning" | "info")), "{finding}");
        }
        lines
    }

    /// Returns the sentence on standard error, which may hold only that sentence and at most one hint.
    #[track_caller]
    pub fn sentence(&self) -> &str {
        let Self { line, stderr, .. } = self;
        let lines: Vec<&str> = stderr.lines().collect();
        let sentence = match lines.as_slice() {
            [sentence] => sentence,
            [sentence, hint] if hint.starts_with("  hint: ") => sentence,
            _ => panic!("$ {line}\nnot one sentence and at most one hint:\n{stderr}"),
        };
        assert!(sentence.starts_with("fm-"), "$ {line}\n{stderr}");
        assert!(sentence.len() < 700, "$ {line}\na long sentence:\n{stderr}");
        let doubled = ["panicked", "backtrace", "unwrap", "Error {", "Err(", ": : ", "Some("];
        assert!(
            !doubled.iter().any(|text| stderr.contains(text)),
            "$ {line}\nno sentence for people:\n{stderr}"
        );
        sentence
    }
}

/// Returns the peak resident memory in a process's status, in KiB.
pub(crate) fn high_water(status: &str) -> Option<u64> {
    kib_of(status, "VmHWM:")
}

/// Returns a number of KiB in the status of a process.
pub(crate) fn kib_of(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Returns the codes of findings, each with its epoch or session if it has one, sorted.
pub fn codes(findings: &[Value]) -> Vec<(String, Option<u64>)> {
    let mut codes: Vec<_> = findings
        .iter()
        .map(|finding| {
            let place = finding["epoch"].as_u64().or(finding["session"].as_u64());
            (finding["code"].as_str().unwrap_or_default().to_owned(), place)
        })
        .collect();
    codes.sort();
    codes
}
