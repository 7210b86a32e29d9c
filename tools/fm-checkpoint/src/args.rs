//! The command line of `fm-checkpoint`.

use clap::{Args, Parser, Subcommand};
use fm_backup::Location;

use crate::restore_args::{RestoreArgs, StatusArgs, UndoArgs};

/// Checkpoints and archives of a guardian's database, and the way back.
///
/// The source is never written. Exit status: 0 done, 1 findings or a difference, 2 bad usage, 3 could not look,
/// 4 consistent but not proven for want of keys, 11 locked, 12 wrong password or key, 13 out of space, 130 interrupted.
#[derive(Parser)]
#[command(name = "fm-checkpoint", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows what an archive says of itself; proves its header and index, and reads none of its records.
    Inspect(InspectArgs),
    /// Puts a proven checkpoint or archive in the place of a guardian's database, and keeps the old one.
    Restore(RestoreArgs),
    /// Says where a restore stands, and what to do next.
    Status(StatusArgs),
    /// Takes a restore back: the old database takes its place again, and the restored one is kept.
    Undo(UndoArgs),
}

#[derive(Args)]
pub(crate) struct InspectArgs {
    /// The archive: a path or file://….
    pub(crate) archive: Location,
    /// Print one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}
