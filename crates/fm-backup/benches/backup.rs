//! Compares `fm-checkpoint export` and `import` with `tar` and `zstd -T0` at the same level, and with
//! `restic`, on one checkpoint in one run.
//!
//! `cargo build --release --workspace && cargo bench --workspace --bench backup [-- SESSIONS] [-- alone]`;
//! all sides take turns, the best of three runs counts; `alone` runs ours once, for large histories. Linux
//! only: it reads `/proc`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fm_eras::session;
use fm_forge::{BlockSpec, forge_blocks};
use fm_store::{ReadStore, StoreWriter};

const TURNS: u32 = 3;
/// The default level.
const LEVEL: &str = "7";
/// Other levels to compare.
const LEVELS: [&str; 5] = ["1", "3", "6", "9", "12"];
const POLL: Duration = Duration::from_millis(5);
/// The number of rows of module state for each session.
const MODULE_ROWS: u64 = 20;

/// The clock ticks per second in which Linux counts processor time for programs.
const TICKS: u32 = 100;
/// The password that restic requires; nothing here is secret.
const PASSWORD: (&str, &str) = ("RESTIC_PASSWORD", "bench");

/// The best wall-clock time, the best processor time, and the most memory of any run.
#[derive(Clone, Copy)]
struct Best {
    time: Duration,
    cpu: Duration,
    kib: u64,
}

/// Returns the processor time of all children that have ended.
fn children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("a process has a status");
    let fields = stat.rsplit(')').next().unwrap_or_default();
    // Fields 16 and 17, counted from the process id: user and system time of children.
    let ticks = fields.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<u32>().ok());
    Duration::from_secs(1) * ticks.sum() / TICKS
}

fn run(command: &mut Command) -> Best {
    let (start, before) = (Instant::now(), children());
    let mut child = command.stdout(Stdio::null()).spawn().expect("the program starts");
    let status_file = format!("/proc/{}/status", child.id());
    let mut kib = 0;
    loop {
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        kib = kib.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            assert!(status.success(), "{command:?} ended with {status}");
            return Best { time: start.elapsed(), cpu: children().saturating_sub(before), kib };
        }
        sleep(POLL);
    }
}

/// Runs the jobs in turns; each makes its own target, which `clear` removes first.
fn in_turns<const N: usize>(turns: u32, jobs: [&dyn Fn() -> Command; N], clear: &dyn Fn()) -> [Best; N] {
    let mut best = [Best { time: Duration::MAX, cpu: Duration::MAX, kib: 0 }; N];
    for _ in 0..turns {
        clear();
        for (job, best) in jobs.iter().zip(&mut best) {
            let turn = run(&mut job());
            let (time, cpu) = (best.time.min(turn.time), best.cpu.min(turn.cpu));
            *best = Best { time, cpu, kib: best.kib.max(turn.kib) };
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

/// Returns a database with a history of sessions, its index, and module state.
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
        // Half of a value is random, half is not: like keys and amounts as modules store them.
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
    drop(forged);
    fs::remove_dir_all(dir.join("forged/database")).expect("it is not needed any more");
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

fn show(name: &str, best: Best) {
    let (time, cpu) = (best.time.as_secs_f64(), best.cpu.as_secs_f64());
    println!("  {name:24} {time:8.2} s {cpu:8.2} s of processors {:8} KiB", best.kib);
}

fn ratio(name: &str, ours: Best, theirs: Best) {
    let of = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
    println!("  {name}: {:.2}, of processors {:.2}", of(ours.time, theirs.time), of(ours.cpu, theirs.cpu));
}

/// The paths of all files.
struct Bench {
    home: tempfile::TempDir,
    checkpoint: PathBuf,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn ours(&self, words: &[&Path], options: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).args(options);
        command
    }

    fn export(&self, name: &str, with_keys: bool) -> Command {
        let keys = self.path("forged/keys.json");
        let mut command = self.export_at(name, LEVEL);
        if with_keys {
            command.arg("--keys").arg(keys);
        }
        command
    }

    fn export_at(&self, name: &str, level: &str) -> Command {
        let target = self.path(name);
        let words = [Path::new("export"), &self.checkpoint, Path::new("--to"), &target];
        self.ours(&words, &["--level", level])
    }

    fn pack_at(&self, name: &str, level: &str) -> Command {
        let (from, target) = (self.checkpoint.display(), self.path(name));
        let to = target.display();
        shell(format!("tar -C {from} -c . | zstd -q -T0 -{level} -o {to} && sync -f {to}"))
    }

    fn import(&self) -> Command {
        let words = [&self.path("plain.fmar"), Path::new("--to"), &self.path("imported")];
        self.ours(&[Path::new("import"), words[0], words[1], words[2]], &[])
    }

    fn verify(&self, with_keys: bool) -> Command {
        let mut command = self.ours(&[Path::new("verify"), &self.path("plain.fmar")], &[]);
        match with_keys {
            true => command.arg("--keys").arg(self.path("forged/keys.json")),
            false => command.arg("--quick"),
        };
        command
    }

    fn restic(&self, words: &[&str]) -> Command {
        let mut command = Command::new("restic");
        command.env(PASSWORD.0, PASSWORD.1).args(["-q", "--no-cache", "-r"]).arg(self.path("repository"));
        command.args(words);
        command
    }

    fn clear(&self, names: &[&str]) {
        for path in names.iter().map(|name| self.path(name)) {
            // A target that does not exist need not be removed.
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }

    fn alone(&self) {
        let jobs: [(&str, Command); 4] = [
            ("export", self.export("plain.fmar", true)),
            ("verify", self.verify(true)),
            ("verify --quick", self.verify(false)),
            ("import", self.import()),
        ];
        for (name, mut command) in jobs {
            show(name, run(&mut command));
        }
        println!("  archive {} bytes", size(&self.path("plain.fmar")));
    }

    fn against_tar(&self) -> [Best; 2] {
        let (tar, untarred) = (self.path("tar.zst"), self.path("untarred"));
        let [plain, proven, tarred] = in_turns(
            TURNS,
            [&|| self.export("plain.fmar", false), &|| self.export("proven.fmar", true), &|| {
                self.pack_at("tar.zst", LEVEL)
            }],
            &|| self.clear(&["plain.fmar", "proven.fmar", "tar.zst"]),
        );
        let unpack = || {
            fs::create_dir_all(&untarred).expect("a directory");
            let (from, to) = (tar.display(), untarred.display());
            shell(format!("zstd -q -dc {from} | tar -C {to} -x && sync -f {to}"))
        };
        let [imported, unpacked, verified, quickly] = in_turns(
            TURNS,
            [&|| self.import(), &unpack, &|| self.verify(true), &|| self.verify(false)],
            &|| self.clear(&["imported", "untarred"]),
        );
        show("export", plain);
        show("export with signatures", proven);
        show(&format!("tar | zstd -{LEVEL} -T0"), tarred);
        show("import", imported);
        show("zstd -d | tar x", unpacked);
        show("verify", verified);
        show("verify --quick", quickly);
        ratio("export to tar", plain, tarred);
        ratio("import to untar", imported, unpacked);
        self.smaller("tar.zst");
        [plain, imported]
    }

    /// Measures what a level costs each side.
    fn at_levels(&self) {
        for level in LEVELS {
            let jobs: [&dyn Fn() -> Command; 2] =
                [&|| self.export_at("level.fmar", level), &|| self.pack_at("level.zst", level)];
            let [ours, theirs] = in_turns(TURNS, jobs, &|| self.clear(&["level.fmar", "level.zst"]));
            show(&format!("export, level {level}"), ours);
            show(&format!("tar | zstd -{level} -T0"), theirs);
            ratio("export to tar", ours, theirs);
        }
    }

    fn against_restic(&self, [export, import]: [Best; 2]) {
        if Command::new("restic").arg("version").output().is_err() {
            println!("  restic is MISSING (apt-get install restic): not compared");
            return;
        }
        let from = self.checkpoint.to_str().expect("a plain path").to_owned();
        let to = self.path("restored").to_str().expect("a plain path").to_owned();
        let fresh = || {
            self.clear(&["repository"]);
            run(&mut self.restic(&["init"]));
        };
        let [backup] = in_turns(TURNS, [&|| self.restic(&["backup", &from])], &fresh);
        let [restore] = in_turns(TURNS, [&|| self.restic(&["restore", "latest", "--target", &to])], &|| {
            self.clear(&["restored"])
        });
        show("restic backup", backup);
        show("restic restore", restore);
        ratio("export to restic backup", export, backup);
        ratio("import to restic restore", import, restore);
        self.smaller("repository");
    }

    fn smaller(&self, other: &str) {
        let (ours, theirs) = (size(&self.path("plain.fmar")), size(&self.path(other)));
        let percent = 100.0 - 100.0 * ours as f64 / theirs as f64;
        println!("  archive {ours} bytes, {other} {theirs} bytes: {percent:.1} % smaller");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sessions = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let home = tempfile::tempdir().expect("a temporary directory");
    let checkpoint = database(sessions, home.path());
    let bench = Bench { home, checkpoint };
    println!("{sessions} sessions, checkpoint of {} bytes", size(&bench.checkpoint));
    if arguments.iter().any(|argument| argument == "alone") {
        return bench.alone();
    }
    let ours = bench.against_tar();
    bench.against_restic(ours);
    bench.at_levels();
}
