//! `fm-forge`: makes a history of HoneyBadger epochs or of sessions on the command line, for benchmarks and for trying the tools by hand.

use std::error::Error;
use std::io::{Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use fm_eras::hbbft::EpochLayout;
use fm_forge::{BlockSpec, ForgeSpec, forge, forge_blocks};
use serde_json::json;
use sha2::{Digest, Sha256};

#[derive(Parser)]
#[command(about = "Make a history from a seed")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a database of HoneyBadger epochs and a consensus.json.
    Make(Make),
    /// Make a database of current sessions and a file of the guardians' public keys.
    Sessions(Sessions),
    /// Print the number of rows and SHA-256 over all of them, as `truth.json` states it.
    Digest {
        /// The database.
        database: PathBuf,
    },
    /// Print all rows, one a line: key and value in hex. For an oracle that cannot read our databases.
    #[command(hide = true)]
    Rows {
        /// The database.
        database: PathBuf,
    },
    /// Open a database for writing and hold it until standard input ends.
    #[command(hide = true)]
    Hold {
        /// The database.
        database: PathBuf,
    },
}

#[derive(Args)]
struct Make {
    /// Directory for `database` and `consensus.json`.
    dir: PathBuf,
    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of epochs.
    #[arg(long, default_value_t = 100)]
    epochs: u64,
    /// Number of guardians.
    #[arg(long, default_value_t = 4)]
    guardians: u16,
    /// Mean number of items in an epoch, signature shares not counted.
    #[arg(long, default_value_t = 10)]
    items: u32,
    /// Largest body of a module value, in bytes.
    #[arg(long, default_value_t = 80)]
    body_bytes: u32,
    /// Number of newest epochs that are not signed.
    #[arg(long, default_value_t = 1)]
    tip: u64,
    /// The interval, in epochs, at which an epoch stays unsigned for ever; 0 for never.
    #[arg(long, default_value_t = 17)]
    gap_every: u64,
    /// The interval, in epochs, at which an epoch is signed.
    #[arg(long, default_value_t = 1)]
    sign_every: u64,
    /// Leave the signature shares out of the epochs (much faster).
    #[arg(long)]
    no_shares: bool,
    /// Layout: fixed-le, fixed-be, fixed-be-length32, fixed-be-length32-v0.1-tables or bigsize.
    #[arg(long, default_value = "bigsize", value_parser = layout)]
    layout: EpochLayout,
    /// Rows of each module.
    #[arg(long, default_value_t = 5)]
    module_rows: u64,
}

#[derive(Args)]
struct Sessions {
    /// Directory for `database` and `keys.json`.
    dir: PathBuf,
    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of sessions.
    #[arg(long, default_value_t = 100)]
    sessions: u64,
    /// Number of guardians; a threshold of them signs each session.
    #[arg(long, default_value_t = 4)]
    guardians: u16,
    /// Most items in a session.
    #[arg(long, default_value_t = 20)]
    items: usize,
    /// Largest body of a module value, in bytes.
    #[arg(long, default_value_t = 80)]
    body_bytes: usize,
}

fn layout(name: &str) -> Result<EpochLayout, String> {
    EpochLayout::by_name(name).ok_or_else(|| format!("no layout is called {name}"))
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Make(arguments) => make(arguments),
        Command::Sessions(arguments) => sessions(arguments),
        Command::Digest { database } => digest(&database),
        Command::Rows { database } => rows(&database),
        Command::Hold { database } => hold(&database),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            // If standard error is closed, nothing else can be done.
            let _ = writeln!(std::io::stderr(), "fm-forge: {text}");
            ExitCode::FAILURE
        }
    }
}

fn make(arguments: Make) -> Result<(), Box<dyn Error>> {
    let spec = ForgeSpec {
        seed: arguments.seed,
        epochs: arguments.epochs,
        guardians: arguments.guardians,
        items_per_epoch: arguments.items,
        body_bytes: arguments.body_bytes,
        tip: arguments.tip,
        gap_every: arguments.gap_every,
        sign_every: arguments.sign_every,
        with_shares: !arguments.no_shares,
        layout: arguments.layout,
        module_rows: arguments.module_rows,
        ..ForgeSpec::default()
    };
    let forged = forge(&spec, &arguments.dir)?;
    let keys: Vec<String> = forged.coefficients.iter().map(hex::encode).collect();
    let summary = json!({
        "epochs": forged.epochs,
        "signed": forged.signed,
        "covered": forged.covered,
        "tip": forged.tip,
        "last_signed": forged.last_signed,
        "last_hash": forged.last_hash.to_string(),
        "items": forged.items,
        "kept": forged.kept,
        "transactions": forged.transactions,
        "rejected_ids": forged.rejected_ids,
        "dropped": forged.dropped,
        "rows": forged.rows.rows,
        "bytes": forged.rows.key_bytes + forged.rows.value_bytes,
        "epoch_pk_set": keys,
    });
    writeln!(stdout(), "{summary:#}")?;
    Ok(())
}

fn sessions(arguments: Sessions) -> Result<(), Box<dyn Error>> {
    let spec = BlockSpec {
        seed: arguments.seed,
        guardians: arguments.guardians,
        items: arguments.items,
        body_bytes: arguments.body_bytes,
        ..BlockSpec::new(fm_eras::session::modern(), arguments.sessions)
    };
    let forged = forge_blocks(&spec, &arguments.dir)?;
    let summary = json!({
        "sessions": arguments.sessions,
        "items": forged.items,
        "transactions": forged.transactions,
        "rows": forged.rows.rows,
        "bytes": forged.rows.key_bytes + forged.rows.value_bytes,
    });
    writeln!(stdout(), "{summary:#}")?;
    Ok(())
}

/// Reads a database with our own reader; the oracles print the same for what they read.
fn digest(database: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let store = fm_store::ReadStore::open(database)?;
    let mut hasher = Sha256::new();
    let mut rows = 0u64;
    for row in store.scan() {
        let (key, value) = row?;
        for part in [key, value] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(&part);
        }
        rows += 1;
    }
    writeln!(stdout(), "{rows} {}", hex::encode(hasher.finalize()))?;
    Ok(())
}

fn rows(database: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let store = fm_store::ReadStore::open(database)?;
    let mut out = std::io::BufWriter::new(stdout().lock());
    for row in store.scan() {
        let (key, value) = row?;
        writeln!(out, "{} {}", hex::encode(key), hex::encode(value))?;
    }
    out.flush()?;
    Ok(())
}

/// Holds the lock of a database, as a running server does.
fn hold(database: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(false);
    let held = rocksdb::DB::open(&options, database)?;
    writeln!(stdout(), "held")?;
    std::io::copy(&mut stdin(), &mut std::io::sink())?;
    drop(held);
    Ok(())
}
