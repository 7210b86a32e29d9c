//! The command line of `fm-checkpoint`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand};
use fm_backup::{DEFAULT_LEVEL, Location, Profile};
use fm_cli::{
    Failure, FederationArgs, KeyArgs, LayoutArgs, Manual, Names, PasswordArgs, StrictArgs, count, number,
};

use crate::move_args::MoveArgs;
use crate::restore_args::{RestoreArgs, StatusArgs, UndoArgs};

/// Make, prove and restore checkpoints and archives of a guardian's database.
///
/// What a command reads from is never written. `create`, `prune`, `restore`, `undo` and `move` change the
/// data directory that is named; all others change nothing but the file that they make.
///
/// Exit status: 0 done, 1 findings or a difference, 2 bad usage, 3 could not look, 4 consistent but not
/// proven for want of keys, 11 locked, 12 wrong password or key, 13 out of space, 130 interrupted.
#[derive(Parser)]
#[command(name = "fm-checkpoint")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the database and the checkpoints of a data directory, and what each would lose.
    List(ListArgs),
    /// Make a checkpoint of a guardian's database: of a stopped one by copying, of a running fm-node by asking it.
    Create(CreateArgs),
    /// Remove checkpoints by number, age or free space; never the last good one.
    Prune(PruneArgs),
    /// Write a database or a checkpoint as an archive (.fmar).
    Export(ExportArgs),
    /// Show what an archive says of itself: prove its header and index, and read none of its records.
    Inspect(InspectArgs),
    /// Check an archive: every frame, every record, its history, and what it says of itself.
    Verify(VerifyArgs),
    /// Write an archive as a database again, and prove it.
    Import(ImportArgs),
    /// Print one session or one record, reading only the frame that holds it.
    Get(GetArgs),
    /// Print a range of records (NDJSON), reading only the frames that hold it.
    Cat(CatArgs),
    /// Write a damaged archive whole again, with what other copies of it hold.
    Repair(RepairArgs),
    /// Compare several guardians' databases, checkpoints and archives: which of them agree, which differ, and
    /// since when.
    Compare(CompareArgs),
    /// Put a proven checkpoint or archive in the place of a guardian's database, and keep the old one.
    Restore(RestoreArgs),
    /// Say how far a restore is, and what to do next.
    Status(StatusArgs),
    /// Take a restore back: the old database takes its place again, and the restored one is kept.
    Undo(UndoArgs),
    /// Move a guardian to another place: archive its last state, and keep everything from starting at the old place.
    Move(MoveArgs),
    #[command(flatten)]
    Manual(Manual),
}

/// Print NDJSON.
#[derive(Args, Clone, Copy)]
pub(crate) struct JsonArgs {
    /// Print JSON, the verdict as the last line.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

/// Returns the parser of what an archive can hold, by name.
fn profile() -> impl TypedValueParser<Value = Profile> {
    const PROFILES: Names = Names::new(|| Profile::ALL.map(Profile::name).to_vec());
    PROFILES.try_map(|name| name.parse::<Profile>())
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// The guardian's data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args)]
pub(crate) struct CreateArgs {
    /// The guardian's data directory. A running fm-node is asked for it, with the guardian's password.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// The checkpoint to make (default: in `db_checkpoints` of the data directory, named by the last session and the time).
    #[arg(long, value_name = "DIR", env = "FM_TO")]
    pub(crate) to: Option<PathBuf>,
    /// Share table files with the database (hard links) instead of copying them: quick and small, and a disk error
    /// in one is one in both.
    #[arg(long, env = "FM_LINK", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) link: bool,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("rule").required(true))]
pub(crate) struct PruneArgs {
    /// The guardian's data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Keep this many of the newest.
    #[arg(long, value_name = "N", group = "rule", value_parser = count::<usize>)]
    pub(crate) keep: Option<usize>,
    /// Remove those older than this: 12h, 7d, 4w.
    #[arg(long, value_name = "AGE", group = "rule", value_parser = crate::quantities::age)]
    pub(crate) older_than: Option<std::time::Duration>,
    /// Remove the oldest until this much space is free: 500M, 10G.
    #[arg(long, value_name = "BYTES", group = "rule", value_parser = crate::quantities::bytes)]
    pub(crate) min_free: Option<u64>,
    /// Only say what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// A database, a data directory, a checkpoint, an archive, or a running federation: its invite code, or a guardian's
    /// address (wss://…). Of a federation there is the history alone: --profile history.
    #[arg(value_parser = crate::place::parser_of_sources())]
    pub(crate) source: Location,
    /// The archive to make: a path, file://… or s3://bucket/key.
    #[arg(long, value_name = "FILE|URL", env = "FM_TO", value_parser = crate::place::parser())]
    pub(crate) to: Location,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) federation: FederationArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// What is written: full (every row), history (the records of the history), headers (what is signed of each session).
    #[arg(long, value_name = "NAME", env = "FM_PROFILE", default_value = "full", value_parser = profile())]
    pub(crate) profile: Profile,
    /// Write an increment: only what is new, changed or gone since this archive of a whole state.
    #[arg(long, value_name = "ARCHIVE", env = "FM_SINCE", value_parser = crate::place::parser())]
    pub(crate) since: Option<Location>,
    /// Encrypt the archive to this public key (age1…); may be given more than once.
    #[arg(long, value_name = "KEY", env = "FM_RECIPIENT")]
    pub(crate) recipient: Vec<String>,
    /// Write the guardian's configuration and private keys as well, encrypted to the recipients, to this file or object: the
    /// backup tar of its server. Needs --recipient.
    #[arg(long, value_name = "FILE|URL", env = "FM_WITH_CONFIG", value_parser = crate::place::parser())]
    pub(crate) with_config: Option<Location>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// The guardian's data directory, whose secret files no row may hold (default: where the database lies).
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Zstandard level.
    #[arg(long, value_name = "N", env = "FM_LEVEL", allow_hyphen_values = true, default_value_t = DEFAULT_LEVEL)]
    pub(crate) level: i32,
    /// Archive a state that has findings that are errors; its rows are kept as they are.
    #[arg(long, env = "FM_ACCEPT_FINDINGS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) accept_findings: bool,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args)]
pub(crate) struct InspectArgs {
    /// The archive: a path, file://… or s3://bucket/key.
    #[arg(value_parser = crate::place::parser())]
    pub(crate) archive: Location,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) kinds: KindArgs,
    /// Read all of it, and count the records of every table.
    #[arg(long)]
    pub(crate) tables: bool,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// Secret keys for encrypted archives.
#[derive(Args)]
pub(crate) struct IdentityArgs {
    /// A file of age secret keys, for archives that are encrypted; may be given more than once.
    #[arg(long, value_name = "FILE", env = "FM_IDENTITY")]
    identity: Vec<PathBuf>,
}

impl IdentityArgs {
    /// Adds the keys to the location.
    pub(crate) fn at(&self, location: &Location) -> Result<Location, Failure> {
        let texts =
            self.identity.iter().map(|path| fm_cli::read_text(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(location.with_keys(&texts)?)
    }
}

/// An archive to read.
#[derive(Args)]
pub(crate) struct ArchiveArgs {
    /// The archive: a path, file://… or s3://bucket/key.
    #[arg(value_parser = crate::place::parser())]
    archive: Location,
    /// The archive that an increment continues.
    #[arg(long, value_name = "ARCHIVE", env = "FM_BASE", value_parser = crate::place::parser())]
    base: Option<Location>,
    #[command(flatten)]
    identity: IdentityArgs,
}

impl ArchiveArgs {
    pub(crate) fn archive(&self) -> Result<Location, Failure> {
        crate::place::check_archive(&self.archive)?;
        self.identity.at(&self.archive)
    }

    pub(crate) fn base(&self) -> Result<Option<Location>, Failure> {
        self.base.as_ref().map(|base| self.identity.at(base)).transpose()
    }
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Check hashes only: the file is what was written.
    #[arg(long, env = "FM_QUICK", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) strict: StrictArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    /// The directory to make; the database is put into `database` inside it.
    #[arg(long, value_name = "DIR", env = "FM_TO")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Import although there are findings that are errors.
    #[arg(long, env = "FM_ACCEPT_FINDINGS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) accept_findings: bool,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// Where the kinds of the modules come from.
#[derive(Args)]
pub(crate) struct KindArgs {
    /// The federation's consensus.json, or the directory that holds it: it names the kinds of the modules.
    #[arg(long, value_name = "DIR|FILE", env = "FM_CONFIG")]
    config: Option<PathBuf>,
}

impl KindArgs {
    /// Returns the kinds that the configuration names; empty without one.
    pub(crate) fn kinds(&self) -> Result<BTreeMap<u16, String>, Failure> {
        let keys = KeyArgs { config: self.config.clone(), keys: None }.load()?;
        Ok(keys.and_then(|keys| keys.config).map(|config| config.modules).unwrap_or_default())
    }
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) kinds: KindArgs,
    /// The session (or epoch) with this number.
    #[arg(long, value_name = "N", group = "what", value_parser = number)]
    pub(crate) session: Option<u64>,
    /// The record with this key, in hex.
    #[arg(long, value_name = "HEX", group = "what", value_parser = crate::quantities::key)]
    pub(crate) key: Option<crate::quantities::Key>,
}

#[derive(Args)]
pub(crate) struct CatArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) kinds: KindArgs,
    /// The first key, in hex.
    #[arg(long, value_name = "HEX", value_parser = crate::quantities::key)]
    pub(crate) from: Option<crate::quantities::Key>,
    /// The key before which it ends, in hex.
    #[arg(long, value_name = "HEX", value_parser = crate::quantities::key)]
    pub(crate) before: Option<crate::quantities::Key>,
}

#[derive(Args)]
pub(crate) struct RepairArgs {
    /// The damaged archive; it is only read.
    #[arg(value_parser = crate::place::parser())]
    pub(crate) broken: Location,
    /// Another copy of the same archive, damaged elsewhere or not at all; several may be given.
    #[arg(long, value_name = "ARCHIVE", num_args = 1.., value_parser = crate::place::parser())]
    pub(crate) from: Vec<Location>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// The archive to make; without it the damage is only reported.
    #[arg(long, value_name = "FILE|URL", env = "FM_TO", value_parser = crate::place::parser())]
    pub(crate) to: Option<Location>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Databases, data directories, checkpoints and archives, one of each guardian.
    #[arg(required = true, num_args = 2.., value_name = "SOURCE", value_parser = crate::place::parser())]
    pub(crate) sources: Vec<Location>,
    /// The federation's consensus.json, or the directory that holds it: it names the kinds of the modules (default: the one
    /// beside a source).
    #[arg(long, value_name = "DIR|FILE", env = "FM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}
