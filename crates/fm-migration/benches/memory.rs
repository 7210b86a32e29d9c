//! Measures the peak memory of `fm-migrate check`, `convert`, `attest` and `seal` on a small history and on
//! one that is twenty times larger.
//!
//! `cargo build --release --workspace && cargo bench -p fm-migration --bench memory [-- SMALL LARGE]`; the defaults,
//! 50,000 and 1,000,000 small epochs, take some minutes and 1 GB of disk. Linux only: it reads `VmHWM`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_forge::{ForgeSpec, broadcast_secret, forge};

/// The interval at which the memory of the child is read.
const POLL: Duration = Duration::from_millis(5);

fn forge_small_epochs(epochs: u64, dir: &Path) {
    let spec = ForgeSpec {
        epochs,
        items_per_epoch: 2,
        body_bytes: 16,
        with_shares: false,
        sign_every: 50,
        gap_every: 0,
        ..ForgeSpec::default()
    };
    forge(&spec, dir).expect("the history is forged");
}

/// Runs the tool; returns the highest `VmHWM` in KiB, and the time that the tool took.
fn run(arguments: &[&str]) -> (u64, Duration) {
    let start = Instant::now();
    let mut child =
        Command::new(binary()).args(arguments).stdout(Stdio::null()).spawn().expect("fm-migrate starts");
    let status_file = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            assert!(status.success(), "fm-migrate {arguments:?} ended with {status}");
            return (peak, start.elapsed());
        }
        sleep(POLL);
    }
}

fn binary() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a path");
    let release = exe.parent().and_then(Path::parent).expect("benches run from target/release/deps");
    let binary = release.join("fm-migrate");
    assert!(binary.exists(), "build it first: cargo build --release --workspace");
    binary
}

fn main() {
    let mut sizes = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let small = sizes.next().unwrap_or(50_000);
    let large = sizes.next().unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut peaks = Vec::new();
    for epochs in [small, large] {
        let source = dir.path().join(epochs.to_string());
        forge_small_epochs(epochs, &source);
        let source = source.to_str().expect("a temporary path is text");
        let target = format!("{source}-converted");
        let check = run(&["check", "--from", source, "--config", source]);
        let convert = run(&["convert", "--from", source, "--config", source, "--to", &target]);
        let (attest, seal) = attest_and_seal(source, &target);
        println!("{epochs:9} epochs");
        let jobs = [("check", check), ("convert", convert), ("attest", attest), ("seal", seal)];
        for (name, (peak, time)) in jobs {
            println!("  {name:8} {peak:8} KiB in {:6.1} s", time.as_secs_f64());
        }
        peaks.push(jobs.map(|(name, (peak, _))| (name, peak as f64)));
    }
    for (small, large) in peaks[0].iter().zip(peaks[1]) {
        println!("ratio of peaks, {:8} {:.2}", small.0, large.1 / small.1);
    }
}

/// Runs the attestations of three guardians and the sealing; returns what the first attestation and the
/// sealing took.
fn attest_and_seal(source: &str, target: &str) -> ((u64, Duration), (u64, Duration)) {
    let of_peer = |peer: u16| {
        let (key, out) = (format!("{source}-key-{peer}"), format!("{source}-of-{peer}"));
        fs::write(&key, broadcast_secret(ForgeSpec::default().seed, peer)).expect("the key is written");
        let taken = run(&["attest", "--dir", target, "--config", source, "--key-file", &key, "--out", &out]);
        (taken, out)
    };
    let [(attest, first), (_, second), (_, third)] = [0, 1, 2].map(of_peer);
    let seal = run(&["seal", "--dir", target, "--config", source, &first, &second, &third]);
    (attest, seal)
}
