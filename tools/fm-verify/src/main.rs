//! `fm-verify`: is this history whole and signed; if not, where exactly does it break.

mod verdict;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fm_cli::KeyArgs;

/// Proves a history, or says where it breaks.
///
/// Reads the databases of every version (HoneyBadger epochs, signed blocks, sessions), their provenance archives, and
/// what `fm-migrate convert` made of them. Nothing is written. Exit status: 0 sound, 1 findings, 2 bad usage, 3 could not look,
/// 4 consistent but not proven for want of keys, 11 locked, 130 interrupted.
#[derive(Parser)]
#[command(name = "fm-verify", version)]
struct Arguments {
    /// A database, a guardian's data directory, an archive, or a migrated directory.
    source: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
    /// Overrule the detected layout, by its name or the commit that made it (docs/formats name them).
    #[arg(long, value_name = "NAME", env = "FM_LAYOUT")]
    layout: Option<String>,
    /// Print NDJSON: findings, and the verdict as the last line.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    json: bool,
}

/// Epochs are decoded on one thread and dropped on another, which fragments the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    fm_cli::run("fm-verify", || verify::run(&arguments))
}
