//! The command line of `fm-migrate`.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use fm_cli::{KeyArgs, LayoutArgs, Manual, Names, PasswordArgs, SourceArgs, StrictArgs, number};
use fm_eras::block::Version;
use fm_eras::session;

/// Bring a federation's old history into the current schema without losing anything, and back.
///
/// The source is never written.
///
/// Exit status: 0 done, 1 findings, 2 bad usage, 3 could not look, 11 locked,
/// 12 wrong password or key, 13 out of space, 130 interrupted.
#[derive(Parser)]
#[command(name = "fm-migrate")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what a database is: era, layout, tables, range.
    Inspect(InspectArgs),
    /// Do everything that convert would do, and write nothing.
    Check(CheckArgs),
    /// Write the history as a modern database, with its provenance and a manifest.
    Convert(ConvertArgs),
    /// Print where everything of the old history is in the new one (NDJSON).
    Map(MapArgs),
    /// Prove a migrated directory, and sign its sessions with this guardian's key.
    Attest(AttestArgs),
    /// Put the signatures of a threshold of guardians under the sessions of a migrated directory.
    Seal(SealArgs),
    /// Write the old database back from a provenance archive.
    Revert(RevertArgs),
    /// Show the units of the session in progress: their graph, what is wrong with it, and the items inside.
    Units(UnitsArgs),
    #[command(flatten)]
    Manual(Manual),
}

/// The names of the forms of units.
const FORMS: Names = Names::new(|| fm_units::FORMS.iter().map(|form| form.name).collect());

/// Reads a version whose tables are known: how another version starts cannot be said.
fn target_version(text: &str) -> Result<Version, String> {
    let version: Version = text.parse()?;
    if (session::FIRST..=session::NEWEST).contains(&version) {
        return Ok(version);
    }
    Err(format!("the versions known are {} to {}", session::FIRST, session::NEWEST))
}

#[derive(Args)]
pub(crate) struct InspectArgs {
    /// The guardian's data directory, or its database directory.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Print one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The guardian's data directory, or its database directory.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Last epoch or block to convert (default: the last signed one).
    #[arg(long, value_name = "EPOCH", env = "FM_UNTIL", value_parser = number)]
    pub(crate) until: Option<u64>,
    /// Version of the server that the result is for, 0.2 to 0.13 (default: the newest of them).
    #[arg(long, value_name = "VERSION", env = "FM_TARGET_VERSION", value_parser = target_version)]
    pub(crate) target_version: Option<Version>,
    /// Continue although the database has lost files (log-missing, file-list-torn, tables-unnamed); the manifest says so.
    #[arg(long, env = "FM_ACCEPT_INCOMPLETE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) accept_incomplete: bool,
    /// Print findings and the manifest-to-be as NDJSON.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub(crate) check: CheckArgs,
    /// The directory to make; it must not exist.
    #[arg(long, value_name = "DIR", env = "FM_TO")]
    pub(crate) to: PathBuf,
}

#[derive(Args)]
pub(crate) struct MapArgs {
    /// A directory that convert made.
    #[arg(value_name = "SOURCE", required_unless_present_any = ["from", "dir"])]
    source: Option<PathBuf>,
    /// The same as SOURCE.
    #[arg(long, value_name = "SOURCE", conflicts_with = "source")]
    from: Option<PathBuf>,
    /// The same as SOURCE.
    #[arg(long, value_name = "DIR", env = "FM_DIR")]
    dir: Option<PathBuf>,
}

impl MapArgs {
    /// Returns the directory; SOURCE and --from take precedence over the variable of --dir.
    pub(crate) fn directory(&self) -> &Path {
        let named = self.source.as_ref().or(self.from.as_ref()).or(self.dir.as_ref());
        named.map_or(Path::new("."), PathBuf::as_path)
    }
}

#[derive(Args)]
pub(crate) struct RevertArgs {
    /// A provenance archive, or the directory that convert made.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The directory to make; the database is put into `database` inside it.
    #[arg(long, value_name = "DIR", env = "FM_TO")]
    pub(crate) to: PathBuf,
    /// Print the result as JSON.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct AttestArgs {
    /// A directory that convert made.
    #[arg(long, value_name = "DIR", env = "FM_DIR")]
    pub(crate) dir: PathBuf,
    /// Keys, and with --config the guardian's data directory or backup (tar): its private.json holds its own key, or its
    /// private.encrypt and private.salt, which the guardian's password opens.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// A file with the guardian's broadcast secret key, 64 hex digits, in place of its private files.
    #[arg(long, value_name = "FILE", env = "FM_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// The attestation to make; nothing is overwritten.
    #[arg(long, value_name = "FILE", env = "FM_OUT")]
    pub(crate) out: PathBuf,
    /// Print findings and the result as NDJSON.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct SealArgs {
    /// A directory that convert made.
    #[arg(long, value_name = "DIR", env = "FM_DIR")]
    pub(crate) dir: PathBuf,
    /// The attestations of at least a threshold of guardians.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The federation's consensus.json, or the directory that holds it.
    #[arg(long, value_name = "DIR|FILE", env = "FM_CONFIG", conflicts_with = "keys")]
    pub(crate) config: Option<PathBuf>,
    /// A small JSON file of the guardians' public keys: {"0": "<66 hex>", …}.
    #[arg(long, value_name = "FILE", env = "FM_KEYS")]
    pub(crate) keys: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct UnitsArgs {
    /// Guardians' data directories, databases or archives; several are joined into one graph.
    #[arg(required = true, value_name = "DIR|FILE")]
    pub(crate) databases: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Overrule the detected form.
    #[arg(long, value_name = "NAME", env = "FM_FORM", value_parser = FORMS)]
    pub(crate) form: Option<String>,
    /// Order the units again with the library whose format they are in, and compare the order with the
    /// accepted items.
    #[arg(long, env = "FM_REPLAY", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) replay: bool,
    /// Write the accepted items of the open session, found in the order, as an unsigned outcome (an archive).
    #[arg(long, value_name = "FILE", env = "FM_OUTCOME", requires = "replay")]
    pub(crate) out: Option<PathBuf>,
    /// Write the graph for Graphviz; the file must not exist.
    #[arg(long, value_name = "FILE", env = "FM_DOT")]
    pub(crate) dot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) strict: StrictArgs,
    /// Print NDJSON.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}
