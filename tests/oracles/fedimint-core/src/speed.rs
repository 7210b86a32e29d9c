//! Measures, in turns, how fast upstream's types decode and verify the sessions of a database, and how fast
//! `fm-verify` audits the whole database.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Wall-clock time, and processor time in ticks of 10 ms: only the latter is meaningful while other things
/// run.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    ticks: u64,
}

impl Took {
    const MAX: Self = Self { wall: Duration::MAX, ticks: u64::MAX };

    fn of(job: impl FnOnce() -> Result<(), String>) -> Result<Self, String> {
        let (start, before) = (Instant::now(), ticks());
        job()?;
        Ok(Self { wall: start.elapsed(), ticks: ticks() - before })
    }

    fn min(self, other: Self) -> Self {
        Self { wall: self.wall.min(other.wall), ticks: self.ticks.min(other.ticks) }
    }
}

/// Returns the processor time of this process and of those that it has waited for. Linux only.
fn ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

use crate::rows::{Rows, sessions};
use crate::upstream::{Keys, Upstream, V0_5, V0_13};

const TURNS: usize = 5;

/// Prints sessions per second and ratios, the best of several turns.
pub fn compare(
    rows: &Rows,
    keys: (&Path, &Keys),
    fm_verify: &Path,
    database: &Path,
) -> Result<String, String> {
    let (path, keys) = keys;
    let records = sessions::<V0_13>(rows)?;
    let [mut oldest, mut newest, mut ours] = [Took::MAX; 3];
    for _ in 0..TURNS {
        oldest = oldest.min(theirs::<V0_5>(&records, keys)?);
        newest = newest.min(theirs::<V0_13>(&records, keys)?);
        ours = ours.min(audit(fm_verify, database, path)?);
    }
    let line = |name: &str, took: Took| {
        let rate = records.len() as f64 / took.wall.as_secs_f64();
        let processor = took.ticks as f64 / 100.0;
        format!("{name:<36} {:>9.3?} {rate:>8.0} sessions/s, processor {processor:.2} s", took.wall)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ratios = |theirs: Took| {
        let wall = theirs.wall.as_secs_f64() / ours.wall.as_secs_f64();
        let processor = theirs.ticks as f64 / ours.ticks as f64;
        format!("{wall:.2} by the clock, {processor:.2} of processor time")
    };
    Ok([
        line("fedimint-core 0.5.0, one thread", oldest),
        line("fedimint-core 0.13.0, one thread", newest),
        line(&format!("fm-verify, {cores} cores, whole database"), ours),
        format!("ratio to 0.5.0: {}", ratios(oldest)),
        format!("ratio to 0.13.0: {}", ratios(newest)),
    ]
    .join("\n"))
}

/// Decodes every session, hashes its header and verifies its signatures, one session at a time.
fn theirs<U: Upstream>(records: &[&[u8]], keys: &Keys) -> Result<Took, String> {
    let ring = U::ring(keys);
    Took::of(|| {
        for (index, record) in (0..).zip(records) {
            if !U::verify(&U::decode(record)?, &ring, index) {
                return Err(format!("{}: the signatures of session {index} do not verify", U::VERSION));
            }
        }
        Ok(())
    })
}

/// Runs the program from start to end.
fn audit(fm_verify: &Path, database: &Path, keys: &Path) -> Result<Took, String> {
    let mut command = Command::new(fm_verify);
    command.arg(database).arg("--keys").arg(keys).stdout(Stdio::null()).stderr(Stdio::null());
    Took::of(|| {
        let status = command.status().map_err(|error| format!("{}: {error}", fm_verify.display()))?;
        if status.success() { Ok(()) } else { Err(format!("fm-verify ended with {status}")) }
    })
}
