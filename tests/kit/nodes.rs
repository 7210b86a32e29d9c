//! A federation of running nodes, each a process on this machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fm_client::Guardian;
use fm_guardian::free_ports;
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{high_water, kib_of};
use crate::{Clock, Run, binary, command, copy_dir, fixture};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The time to wait for a guardian's answer about its progress.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two such requests.
const ASK_AFTER: Duration = Duration::from_millis(50);

/// Nodes; those that still run are killed when this value is dropped.
pub struct Nodes {
    home: TempDir,
    password: &'static str,
    processes: Vec<Option<Child>>,
    /// Options of `prlimit`, if nodes are started with it.
    limits: Vec<String>,
}

impl Nodes {
    /// Creates a federation of four that has finished one session of this many rounds of 20 ms; no node runs.
    pub fn new(rounds: u16) -> Self {
        Self::of(4, rounds)
    }

    /// Creates such a federation of this many guardians.
    pub fn of(guardians: usize, rounds: u16) -> Self {
        let home = tempfile::tempdir().expect("there is room for files");
        let (rounds, count) = (rounds.to_string(), guardians.to_string());
        let size = ["--guardians", &count, "--rounds", &rounds, "--round-delay", "20"];
        let arguments = [&["dev", "--sessions", "1"][..], &size, &["--dir"]].concat();
        let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
        Run::of("fm-node", &[&arguments[..], &[home.path().into()]].concat()).exits(0);
        Self { home, password: "dev", processes: (0..guardians).map(|_| None).collect(), limits: Vec::new() }
    }

    /// Starts nodes from now on with the least memory that a node accepts: a node that takes more ends.
    #[must_use]
    pub fn with_least_memory(mut self) -> Self {
        self.limits = ["as", "data"].iter().map(|name| format!("--{name}={}", least_of(name))).collect();
        self
    }

    /// Uses guardians whose data directories `0`, `1`, … exist, all with this password.
    pub fn at(home: TempDir, password: &'static str, guardians: usize) -> Self {
        Self { home, password, processes: (0..guardians).map(|_| None).collect(), limits: Vec::new() }
    }

    /// Returns the number of guardians, running or not.
    pub fn guardians(&self) -> usize {
        self.processes.len()
    }

    /// Copies the four guardians of v0.5.0, with addresses that are free on this machine.
    pub fn real() -> Self {
        Self::copied("session-v0.5.0", "fixture")
    }

    /// Copies four guardians that servers of v0.13.0 ran with the module `meta` alone.
    pub fn of_servers() -> Self {
        Self::copied("meta-v0.13.0", "dev")
    }

    fn copied(name: &str, password: &'static str) -> Self {
        let home = tempfile::tempdir().expect("there is room for files");
        let directories: Vec<PathBuf> = (0..4).map(|peer| home.path().join(peer.to_string())).collect();
        for (peer, directory) in directories.iter().enumerate() {
            copy_dir(&fixture(&format!("{name}/peer-{peer}")), directory);
        }
        readdressed(&directories);
        Self { home, password, processes: (0..4).map(|_| None).collect(), limits: Vec::new() }
    }

    /// Returns a guardian's data directory.
    pub fn directory(&self, peer: usize) -> PathBuf {
        self.home.path().join(peer.to_string())
    }

    /// Returns the directory of all of them.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts a guardian.
    pub fn start(&mut self, peer: usize) {
        self.start_with(peer, &[], &[]);
    }

    /// Starts a guardian that has no database.
    pub fn start_new(&mut self, peer: usize) {
        self.start_with(peer, &["--new"], &[]);
    }

    /// Starts a guardian that reads the given clock.
    pub fn start_with_clock(&mut self, peer: usize, clock: &Clock) {
        self.start_with(peer, &[], &clock.environment());
    }

    /// Checks whether a guardian was started, and not killed or seen to end.
    pub fn is_started(&self, peer: usize) -> bool {
        self.processes[peer].is_some()
    }

    /// Starts a guardian with options and variables.
    pub fn start_with(&mut self, peer: usize, options: &[&str], environment: &[(&str, OsString)]) {
        let directory = self.directory(peer);
        let log = File::options().create(true).append(true).open(directory.join("log")).expect("a log");
        let mut node = if self.limits.is_empty() { command(binary("fm-node")) } else { command("prlimit") };
        if !self.limits.is_empty() {
            node.args(&self.limits).arg(binary("fm-node"));
        }
        node.env("FM_PASSWORD", self.password).arg("run").arg("--data-dir").arg(&directory).args(options);
        node.envs(environment.iter().map(|(name, value)| (name, value)));
        let child = node.stdout(Stdio::null()).stderr(log).spawn().expect("the program can be started");
        self.processes[peer] = Some(child);
    }

    /// Starts all guardians.
    pub fn start_all(&mut self) {
        (0..self.processes.len()).for_each(|peer| self.start(peer));
    }

    /// Kills a guardian, like a power cut of its process.
    pub fn kill(&mut self, peer: usize) {
        let mut child = self.processes[peer].take().expect("the guardian runs");
        let ended = child.try_wait().expect("its state can be asked for");
        assert!(ended.is_none(), "guardian {peer} ended by itself:\n{}", self.log(peer));
        child.kill().expect("a process can be killed");
        child.wait().expect("a killed process ends");
    }

    /// Waits for a guardian to end by itself, and returns its exit status.
    #[track_caller]
    pub fn ended(&mut self, peer: usize) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let child = self.processes[peer].as_mut().expect("the guardian was started");
            if let Some(status) = child.try_wait().expect("its state can be asked for") {
                self.processes[peer] = None;
                return status.code();
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("guardian {peer} still runs:\n{}", self.log(peer));
    }

    /// Sends a guardian a request, with its password; returns its answer and exit status.
    pub fn ask(&self, peer: usize, arguments: &[&str]) -> Run {
        self.ask_with(self.password, peer, arguments)
    }

    /// Sends the request with the given password.
    pub fn ask_with(&self, password: &str, peer: usize, arguments: &[&str]) -> Run {
        let directory = self.directory(peer);
        let mut asked = command(binary("fm-node"));
        asked.env("FM_PASSWORD", password).args(arguments).arg("--data-dir").arg(directory);
        let output = asked.output().expect("the program can be started");
        Run::from_output(format!("fm-node {}", arguments.join(" ")), output)
    }

    /// Returns the address of a guardian's interface, as host and port.
    pub fn interface(&self, peer: usize) -> String {
        let text = fs::read_to_string(self.directory(peer).join("consensus.json")).expect("a configuration");
        let config: Value = serde_json::from_str(&text).expect("JSON");
        let url = config["api_endpoints"][peer.to_string()]["url"].as_str().expect("an address");
        url.trim_start_matches("ws://").trim_end_matches('/').to_owned()
    }

    /// Returns a page that a guardian shows to a browser; empty if it does not answer.
    pub fn page(&self, peer: usize, path: &str) -> String {
        let mut text = String::new();
        if let Ok(mut browser) = TcpStream::connect(self.interface(peer)) {
            let asked = browser.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
            // A guardian that ends meanwhile has sent nothing.
            let _ = asked.and_then(|()| browser.read_to_string(&mut text));
        }
        text.split_once("\r\n\r\n").map(|(_, page)| page.to_owned()).unwrap_or_default()
    }

    /// Runs `fm-checkpoint` on a guardian's directory, with its password.
    pub fn checkpoint(&self, peer: usize, arguments: &[&str]) -> Run {
        self.checkpoint_with(self.password, peer, arguments)
    }

    /// Runs `fm-checkpoint` on a guardian's directory, with the given password.
    pub fn checkpoint_with(&self, password: &str, peer: usize, arguments: &[&str]) -> Run {
        let mut tool = command(binary("fm-checkpoint"));
        tool.env("FM_PASSWORD", password).args(arguments).arg("--data-dir").arg(self.directory(peer));
        let output = tool.output().expect("the program can be started");
        Run::from_output(format!("fm-checkpoint {}", arguments.join(" ")), output)
    }

    /// Returns how many sessions a guardian has finished; none if it does not answer.
    pub fn finished(&self, peer: usize) -> Option<u64> {
        let guardian = Guardian::new(format!("ws://{}/", self.interface(peer)));
        let count = guardian.ask_for("session_count", None, &Value::Null, ANSWER_PATIENCE);
        fm_client::wait_for(count).expect("a program can wait").ok()
    }

    /// Waits until a guardian has finished this many sessions.
    #[track_caller]
    pub fn wait_for(&self, peer: usize, sessions: u64) {
        let start = Instant::now();
        while self.finished(peer).is_none_or(|finished| finished < sessions) {
            assert!(
                start.elapsed() < PATIENCE,
                "guardian {peer} does not get to session {sessions}:\n{}",
                self.log(peer)
            );
            thread::sleep(ASK_AFTER);
        }
    }

    /// Lets all running guardians finish a few more sessions than the one furthest ahead, and stop.
    #[track_caller]
    pub fn shut_down(&mut self) -> u64 {
        let running = || (0..self.processes.len()).filter(|peer| self.processes[*peer].is_some());
        // A guardian that was just started may not listen yet.
        running().for_each(|peer| self.wait_for(peer, 0));
        // Each guardian is asked by its own process, and a session that has begun meanwhile is refused.
        let last = running().filter_map(|peer| self.finished(peer)).max().expect("somebody runs") + 4;
        for peer in running() {
            self.ask(peer, &["shutdown", "--at-session", &last.to_string()]).exits(0);
        }
        for peer in 0..self.processes.len() {
            if self.processes[peer].is_none() {
                continue;
            }
            let status = self.ended(peer);
            assert_eq!(status, Some(0), "guardian {peer}:\n{}", self.log(peer));
        }
        last
    }

    /// Returns the most memory that a running guardian has had, in MiB.
    pub fn peak(&self, peer: usize) -> u64 {
        let child = self.processes[peer].as_ref().expect("the guardian runs");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("the guardian runs");
        high_water(&status).expect("a process has memory") / 1024
    }

    /// Returns the current memory of a running guardian, in MiB.
    pub fn resident(&self, peer: usize) -> u64 {
        let child = self.processes[peer].as_ref().expect("the guardian runs");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("the guardian runs");
        kib_of(&status, "VmRSS:").expect("a process has memory") / 1024
    }

    /// Returns how many files a running guardian has open.
    pub fn descriptors(&self, peer: usize) -> usize {
        let child = self.processes[peer].as_ref().expect("the guardian runs");
        fs::read_dir(format!("/proc/{}/fd", child.id())).expect("the guardian runs").count()
    }

    /// Returns what a guardian logged.
    pub fn log(&self, peer: usize) -> String {
        fs::read_to_string(self.directory(peer).join("log")).unwrap_or_default()
    }

    /// Waits until a guardian has logged that text.
    #[track_caller]
    pub fn wait_for_log(&self, peer: usize, what: &str) {
        let start = Instant::now();
        while !self.log(peer).contains(what) {
            assert!(start.elapsed() < PATIENCE, "guardian {peer} does not say {what:?}:\n{}", self.log(peer));
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Lets `fm-verify` prove every guardian's history; returns the root that they share.
    #[track_caller]
    pub fn root(&self, sessions: u64) -> String {
        self.root_of(0..self.processes.len(), sessions)
    }

    /// Does the same for some guardians.
    #[track_caller]
    pub fn root_of(&self, guardians: impl IntoIterator<Item = usize>, sessions: u64) -> String {
        let mut roots = Vec::new();
        for peer in guardians {
            let directory = self.directory(peer);
            let run = crate::verify!(directory, "--config", directory, "--json").exits(0);
            let verdict = run.verdict();
            assert_eq!(verdict["sessions"], sessions, "guardian {peer}: {verdict}");
            assert_eq!(verdict["signed"], sessions, "guardian {peer}: {verdict}");
            roots.push(verdict["history_root"].as_str().expect("a root").to_owned());
        }
        roots.dedup();
        assert_eq!(roots.len(), 1, "the guardians' histories differ");
        roots.remove(0)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.processes.iter_mut().flatten() {
            // The process may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Returns a guardian's address in a file, as host and port.
pub(crate) fn address_of(path: &Path, field: &str, peer: usize) -> String {
    let text = fs::read_to_string(path).expect("a configuration file");
    let file: Value = serde_json::from_str(&text).expect("a configuration file is JSON");
    let url = file[field][peer.to_string()]["url"].as_str().expect("an address");
    url.split_once("://").expect("a URL").1.trim_end_matches('/').to_owned()
}

/// Writes another address of a guardian into a file.
pub(crate) fn readdress_one(path: &Path, field: &str, peer: usize, address: SocketAddr) {
    let text = fs::read_to_string(path).expect("a configuration file");
    let mut file: Value = serde_json::from_str(&text).expect("a configuration file is JSON");
    let url = &mut file[field][peer.to_string()]["url"];
    let text = url.as_str().expect("an address");
    let (scheme, end) =
        (text.split_once("://").expect("a URL").0, if text.ends_with('/') { "/" } else { "" });
    *url = format!("{scheme}://{address}{end}").into();
    fs::write(path, file.to_string()).expect("the copy can be written");
}

/// Assigns addresses that are free on this machine to all guardians with these data directories.
pub fn readdressed(directories: &[PathBuf]) {
    let ports = free_ports(2 * directories.len()).expect("ports are free");
    let (api, p2p) = ports.split_at(directories.len());
    for directory in directories {
        readdress(&directory.join("consensus.json"), "api_endpoints", "ws://127.0.0.1:", "/", api);
        readdress(&directory.join("local.json"), "p2p_endpoints", "fedimint://127.0.0.1:", "", p2p);
    }
}

fn readdress(path: &Path, field: &str, before: &str, after: &str, ports: &[u16]) {
    let text = fs::read_to_string(path).expect("a configuration file");
    let mut file: Value = serde_json::from_str(&text).expect("a configuration file is JSON");
    for (peer, port) in ports.iter().enumerate() {
        file[field][peer.to_string()]["url"] = format!("{before}{port}{after}").into();
    }
    fs::write(path, file.to_string()).expect("the copy can be written");
}

/// Returns the bytes of addresses (`as`) or of data (`data`) that our programs demand, as reported when they
/// are allowed too few.
pub fn least_of(limit: &str) -> u64 {
    let mut node = command("prlimit");
    let output =
        node.arg(format!("--{limit}=1073741824")).arg(binary("fm-node")).args(["explain", "0"]).output();
    let run = Run::from_output(format!("--{limit}"), output.expect("prlimit is there")).exits(3);
    let (before, _) = run.sentence().split_once(" MiB of ").expect("how many it wants");
    let wanted: u64 = before.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    wanted << 20
}
