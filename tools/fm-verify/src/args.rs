//! The command line of `fm-verify`: an audit, or a subcommand.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fm_cli::{FederationArgs, KeyArgs, LayoutArgs, Manual, count, number};
use fm_history::Hash;

use crate::audit_args::AuditArgs;
use crate::follow::FollowArgs;

/// Prove a history, or say where it breaks.
///
/// It reads the databases of every version (HoneyBadger epochs, signed blocks, sessions), their provenance archives, and
/// what `fm-migrate convert` made of them, and writes nothing to them.
///
/// Exit status: 0 sound, 1 findings or a difference, 2 bad usage, 3 could not look, 4 consistent but not proven (for want
/// of keys, in part, or by a sample), 11 locked, 13 out of space, 130 interrupted.
#[derive(Parser)]
#[command(name = "fm-verify", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) audit: AuditArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find the first session and item at which two histories part, and explain it.
    ///
    /// Which side is right is not asked: an audit of each says that. Exit status 0 equal, or one is a beginning of the other; 1 different.
    Diff(DiffArgs),
    /// Check a file that diff wrote, by the keys alone, and say what it proves, and of which side.
    ///
    /// Exit status 0 proven of both sides, 1 refused, 4 of one side or of none.
    CheckEvidence(CheckArgs),
    /// Write a proof that one item is in the history: a file that only the keys are needed to check.
    Prove(ProveArgs),
    /// Check a file that prove wrote, by the keys alone.
    ///
    /// Exit status 0 proven, 1 refused, 4 consistent, but not checked for want of keys.
    CheckProof(CheckProofArgs),
    /// Show a federation's keys in a form that can be read over the telephone, and write a file for --keys.
    ///
    /// Every verdict rests on these keys: compare them with what another guardian reads to you before you
    /// trust one.
    Keys(KeysArgs),
    /// Make a key that signs the history roots which --follow publishes, and print its public parts.
    Keygen(KeygenArgs),
    /// Audit a history, and derive from it what the federation owns and owes: notes by denomination, deposits,
    /// withdrawals and contracts, with everything that guardians must not have accepted.
    ///
    /// The configuration (--config) says what the modules are. Exit statuses are those of the audit.
    Money(Box<MoneyArgs>),
    /// Audit a history, and write a page to look at: complete in itself, without scripts or network.
    ///
    /// Exit statuses are those of the audit.
    Report(Box<ReportArgs>),
    /// Show a session, block or epoch, an item or a transaction in it, or a unit of the session in progress.
    Show(ShowArgs),
    #[command(flatten)]
    Manual(Manual),
}

#[derive(Args)]
pub(crate) struct KeygenArgs {
    /// Whose key it is, such as auditor.example: other auditors see it.
    #[arg(long, value_name = "NAME", env = "FM_NAME")]
    pub(crate) name: String,
    /// The file to make; it must not exist, and nobody else may read it.
    #[arg(long, value_name = "FILE", env = "FM_OUT")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct MoneyArgs {
    #[command(flatten)]
    pub(crate) audit: AuditArgs,
}

#[derive(Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) audit: AuditArgs,
    /// The page to write; it must not exist.
    #[arg(long, value_name = "FILE", env = "FM_HTML")]
    pub(crate) html: PathBuf,
}

fn txid(text: &str) -> Result<Hash, String> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash.0).map_err(|_| "a transaction id has 64 hex digits".to_owned())?;
    Ok(hash)
}

fn place(text: &str) -> Result<usize, String> {
    usize::try_from(number(text)?).map_err(|_| "no history has this many items".to_owned())
}

/// The item of a history that is meant.
#[derive(Args)]
#[group(id = "place", required = true, multiple = true)]
pub(crate) struct PlaceArgs {
    /// The session or block.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["epoch", "txid"], value_parser = number)]
    pub(crate) session: Option<u64>,
    /// The epoch; of a migrated directory, the old one that a session was made from.
    #[arg(long, value_name = "NUMBER", conflicts_with = "txid", value_parser = number)]
    pub(crate) epoch: Option<u64>,
    /// The item in it, counted from 0.
    #[arg(long, value_name = "NUMBER", conflicts_with = "txid", value_parser = place)]
    pub(crate) item: Option<usize>,
    /// The transaction with this id.
    #[arg(long, value_name = "HEX", value_parser = txid)]
    pub(crate) txid: Option<Hash>,
}

/// The unit of the session in progress that is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnitName {
    pub(crate) creator: u64,
    pub(crate) round: u16,
}

fn unit(text: &str) -> Result<UnitName, String> {
    let parts = text.split_once(':').map(|(creator, round)| (number(creator), count(round)));
    match parts {
        Some((Ok(creator), Ok(round))) => Ok(UnitName { creator, round }),
        _ => Err("a unit is named by its guardian and its round, as 2:17".to_owned()),
    }
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// A database, a guardian's data directory, an archive, a migrated directory, or a running federation: its
    /// invite code, or a guardian's address (wss://…).
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// A unit of the session in progress: its guardian and its round.
    #[arg(long, value_name = "PEER:ROUND", value_parser = unit, group = "place",
          conflicts_with_all = ["session", "epoch", "item", "txid"])]
    pub(crate) unit: Option<UnitName>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) federation: FederationArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Show the bytes of every item.
    #[arg(long, env = "FM_HEX", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) hex: bool,
    /// Print one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DiffArgs {
    /// A database, a guardian's data directory, an archive, a migrated directory (its sessions), or a guardian's
    /// address (wss://…).
    #[arg(value_name = "A")]
    pub(crate) left: PathBuf,
    /// What it is compared with: of the same era, or of another by the conversion rule.
    #[arg(value_name = "B")]
    pub(crate) right: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) federation: FederationArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Write the first difference to a file that proves it to somebody who has neither side; it must not exist.
    #[arg(long, value_name = "FILE", env = "FM_EVIDENCE")]
    pub(crate) evidence: Option<PathBuf>,
    /// Compare all sessions of two guardians that run; otherwise, if both state history roots (as fm-node does), the
    /// sessions are not read for which they state the same root.
    #[arg(long, env = "FM_ALL_SESSIONS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) all_sessions: bool,
    /// Show the bytes of the items that differ.
    #[arg(long, env = "FM_HEX", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) hex: bool,
    /// Print NDJSON: the difference, and the verdict as the last line.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

/// The keys of a configuration that are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeyKind {
    /// Those that sign HoneyBadger epochs.
    Epochs,
    /// Those that sign blocks and sessions.
    Sessions,
}

#[derive(Args)]
pub(crate) struct KeysArgs {
    /// A guardian's consensus.json, the directory that holds it, or a file for --keys.
    #[arg(value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// Write the public keys to a file that --keys takes; it must not exist.
    #[arg(long, value_name = "FILE", env = "FM_OUT")]
    pub(crate) out: Option<PathBuf>,
    /// Which keys to write, where the config has both [default: epochs if it has them].
    #[arg(long, value_name = "KIND", requires = "out")]
    pub(crate) of: Option<KeyKind>,
    /// Print one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The file.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Show the bytes of the items.
    #[arg(long, env = "FM_HEX", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) hex: bool,
    /// Print NDJSON, the verdict as the last line.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CheckProofArgs {
    #[command(flatten)]
    pub(crate) check: CheckArgs,
    /// The layout that the federation's records have, if you know it: the few items that read differently in another one
    /// are refused without it.
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
}

#[derive(Args)]
pub(crate) struct ProveArgs {
    /// A database, a guardian's data directory, an archive, a migrated directory, or a running federation: its
    /// invite code, or a guardian's address (wss://…).
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) federation: FederationArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// The file to make; it must not exist (default: standard output).
    #[arg(long, value_name = "FILE", env = "FM_OUT")]
    pub(crate) out: Option<PathBuf>,
}
