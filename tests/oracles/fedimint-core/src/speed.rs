//! How fast upstream's types decode and verify the sessions of a database, and `fm-verify` the whole database, in turns.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    let [mut oldest, mut newest, mut ours] = [Duration::MAX; 3];
    for _ in 0..TURNS {
        oldest = oldest.min(theirs::<V0_5>(&records, keys)?);
        newest = newest.min(theirs::<V0_13>(&records, keys)?);
        ours = ours.min(audit(fm_verify, database, path)?);
    }
    let line = |name: &str, time: Duration| {
        let rate = records.len() as f64 / time.as_secs_f64();
        format!("{name:<36} {time:>9.3?} {rate:>8.0} sessions/s")
    };
    let ratio = |time: Duration| time.as_secs_f64() / ours.as_secs_f64();
    Ok([
        line("fedimint-core 0.5.0, one thread", oldest),
        line("fedimint-core 0.13.0, one thread", newest),
        line("fm-verify, the whole database", ours),
        format!("ratio {:.2} to 0.5.0, {:.2} to 0.13.0", ratio(oldest), ratio(newest)),
    ]
    .join("\n"))
}

/// Decodes every session, hashes its header and verifies its signatures, one after the other.
fn theirs<U: Upstream>(records: &[&[u8]], keys: &Keys) -> Result<Duration, String> {
    let ring = U::ring(keys);
    let start = Instant::now();
    for (index, record) in (0..).zip(records) {
        if !U::verify(&U::decode(record)?, &ring, index) {
            return Err(format!("{}: the signatures of session {index} do not verify", U::VERSION));
        }
    }
    Ok(start.elapsed())
}

/// Runs the program from its start to its end.
fn audit(fm_verify: &Path, database: &Path, keys: &Path) -> Result<Duration, String> {
    let mut command = Command::new(fm_verify);
    command.arg(database).arg("--config").arg(keys).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{}: {error}", fm_verify.display()))?;
    let took = start.elapsed();
    if status.success() { Ok(took) } else { Err(format!("fm-verify ended with {status}")) }
}
