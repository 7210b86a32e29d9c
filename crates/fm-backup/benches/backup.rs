//! `fm-checkpoint export` and `import` against `tar` and `zstd -T0` at the same level, on one checkpoint in one run.
//!
//! `cargo build --release --workspace && cargo bench --workspace --bench backup [-- SESSIONS]`; both sides in turns, the
//! best of three counts. Linux only: it reads `VmHWM`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_eras::session;
use fm_forge::{BlockSpec, forge_blocks};
use fm_store::{ReadStore, StoreWriter};

const TURNS: usize = 3;
const POLL: Duration = Duration::from_millis(5);
/// Rows of module state for each session.
const MODULE_ROWS: u64 = 20;

/// Best time, and the most memory of any turn.
#[derive(Clone, Copy)]
struct Best {
    time: Duration,
    kib: u64,
}

fn run(command: &mut Command) -> Best {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().expect("the program starts");
    let status_file = format!("/proc/{}/status", child.id());
    let mut kib = 0;
    loop {
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        kib = kib.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            assert!(status.success(), "{command:?} ended with {status}");
            return Best { time: start.elapsed(), kib };
        }
        sleep(POLL);
    }
}

/// Runs the jobs in turns; each makes its own target, which `clear` removes before.
fn in_turns<const N: usize>(jobs: [&dyn Fn() -> Command; N], clear: &dyn Fn()) -> [Best; N] {
    let mut best = [Best { time: Duration::MAX, kib: 0 }; N];
    for _ in 0..TURNS {
        clear();
        for (job, best) in jobs.iter().zip(&mut best) {
            let turn = run(&mut job());
            *best = Best { time: best.time.min(turn.time), kib: best.kib.max(turn.kib) };
        }
    }
    best
}

fn binary() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a path");
    let release = exe.parent().and_then(Path::parent).expect("benches run from target/release/deps");
    let binary = release.join("fm-checkpoint");
    assert!(binary.exists(), "build it first: cargo build --release --workspace");
    binary
}

/// A database with a history of sessions, its index, and module state.
fn database(sessions: u64, dir: &Path) -> PathBuf {
    let layout = session::modern();
    let spec = BlockSpec { items: 40, body_bytes: 120, ..BlockSpec::new(layout, sessions) };
    forge_blocks(&spec, &dir.join("forged")).expect("the history is forged");
    let forged = ReadStore::open(&dir.join("forged/database")).expect("it opens");
    let database = dir.join("checkpoint");
    let mut writer = StoreWriter::create(&database).expect("a database can be made");
    for row in forged.scan() {
        let (key, value) = row.expect("it can be read");
        writer.put(&key, &value).expect("it can be written");
    }
    let mut state = 1u64;
    for row in 0..sessions * MODULE_ROWS {
        // Half of a value by chance, half of it not: keys and amounts as modules store them.
        let mut value = vec![0u8; 48];
        for byte in &mut value[..24] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = state.to_be_bytes()[0];
        }
        let key = session::module_key(
            1,
            &[&[0x10][..], &row.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()].concat(),
        );
        writer.put(&key, &value).expect("it can be written");
    }
    writer.finish().expect("it can be written");
    database
}

fn size(path: &Path) -> u64 {
    if path.is_file() {
        return fs::metadata(path).expect("it is there").len();
    }
    fs::read_dir(path).expect("it is there").map(|entry| size(&entry.expect("it is there").path())).sum()
}

fn shell(script: String) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

fn main() {
    let sessions = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let home = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| home.path().join(name);
    let checkpoint = database(sessions, home.path());
    let keys = path("forged/keys.json");
    let (plain, proven, tar) = (path("plain.fmar"), path("proven.fmar"), path("tar.zst"));
    let (imported, untarred) = (path("imported"), path("untarred"));
    let ours = |words: &[&Path], options: &[&str]| {
        let mut command = Command::new(binary());
        command.args(words).args(options);
        command
    };
    let export = || ours(&[Path::new("export"), &checkpoint, Path::new("--to"), &plain], &["--level", "3"]);
    let export_proven = || {
        let words =
            [Path::new("export"), &checkpoint, Path::new("--to"), &proven, Path::new("--keys"), &keys];
        ours(&words, &["--level", "3"])
    };
    let pack = || {
        shell(format!(
            "tar -C {} -c . | zstd -q -T0 -3 -o {} && sync -f {1}",
            checkpoint.display(),
            tar.display()
        ))
    };
    let clear = || {
        for file in [&plain, &proven, &tar] {
            let _ = fs::remove_file(file);
        }
    };
    let [archive, archive_proven, tarred] = in_turns([&export, &export_proven, &pack], &clear);
    let import = || ours(&[Path::new("import"), &plain, Path::new("--to"), &imported], &[]);
    let unpack = || {
        fs::create_dir_all(&untarred).expect("a directory");
        shell(format!("zstd -q -dc {} | tar -C {} -x && sync -f {1}", tar.display(), untarred.display()))
    };
    let verify = || ours(&[Path::new("verify"), &proven, Path::new("--keys"), &keys], &[]);
    let quick = || ours(&[Path::new("verify"), &proven], &["--quick"]);
    let clear = || {
        for directory in [&imported, &untarred] {
            let _ = fs::remove_dir_all(directory);
        }
    };
    let [import, unpacked, verified, quickly] = in_turns([&import, &unpack, &verify, &quick], &clear);
    println!("{sessions} sessions, checkpoint of {} bytes", size(&checkpoint));
    let lines = [
        ("export", archive),
        ("export with signatures", archive_proven),
        ("tar | zstd -3 -T0", tarred),
        ("import", import),
        ("zstd -d | tar x", unpacked),
        ("verify", verified),
        ("verify --quick", quickly),
    ];
    for (name, best) in lines {
        println!("  {name:24} {:8.2} s {:8} KiB", best.time.as_secs_f64(), best.kib);
    }
    let (ours, theirs) = (size(&plain), size(&tar));
    let percent = 100.0 - 100.0 * ours as f64 / theirs as f64;
    println!("  archive {ours} bytes, tar.zst {theirs} bytes: {percent:.1} % smaller");
    let ratio = |a: Best, b: Best| a.time.as_secs_f64() / b.time.as_secs_f64();
    println!("  export / tar {:.2}, import / untar {:.2}", ratio(archive, tarred), ratio(import, unpacked));
}
