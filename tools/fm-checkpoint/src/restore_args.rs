//! The command line of `restore`, `status` and `undo`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgGroup, Args};
use fm_backup::Location;
use fm_cli::{KeyArgs, number};

use crate::args::IdentityArgs;

#[derive(Args)]
#[command(group = ArgGroup::new("source").required(true))]
pub(crate) struct RestoreArgs {
    /// The guardian's data directory; the node must be stopped. With --backup: the directory to make, absent or empty.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Make a whole guardian: its configuration from this backup tar of its server, or from what --with-config wrote; its
    /// database from the archive.
    #[arg(long, value_name = "FILE|URL", env = "FM_BACKUP", requires = "archive", conflicts_with = "checkpoint", value_parser = crate::place::parser())]
    pub(crate) backup: Option<Location>,
    /// Restore the checkpoint of this name in DIR/db_checkpoints; `latest` is the newest good one, as `list` shows it.
    #[arg(long, value_name = "NAME", env = "FM_CHECKPOINT", group = "source")]
    pub(crate) checkpoint: Option<String>,
    /// Restore an archive of this guardian's full state: a path, file://… or s3://bucket/key.
    #[arg(long, value_name = "FILE|URL", env = "FM_ARCHIVE", group = "source", value_parser = crate::place::parser())]
    pub(crate) archive: Option<Location>,
    /// The archive that an increment continues.
    #[arg(long, value_name = "FILE", env = "FM_BASE", requires = "archive", value_parser = crate::place::parser())]
    pub(crate) base: Option<Location>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    /// Restore an archive that claims to be another guardian's, or does not say whose it is.
    #[arg(long, env = "FM_ACCEPT_OTHER_GUARDIAN", value_parser = FalseyValueParser::new())]
    pub(crate) accept_other_guardian: bool,
    /// Another guardian's archive, checkpoint or database, to agree with; may be given several times.
    #[arg(long, value_name = "DIR|FILE|URL", env = "FM_COMPARE", value_delimiter = ',', value_parser = crate::place::parser())]
    pub(crate) compare: Vec<Location>,
    /// Keys; those of the data directory if none are named.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// The last session in which this guardian can have signed units, where the old database cannot say it: the highest
    /// session count of the other guardians, and 1 more.
    #[arg(long, value_name = "SESSION", env = "FM_GUARD_UNTIL", value_parser = number)]
    pub(crate) guard_until: Option<u64>,
    /// Accept the permanent loss of what the plan lists as lost. Needed in a federation of one, where no
    /// other guardian has it.
    #[arg(long, env = "FM_ACCEPT_PERMANENT_LOSS", value_parser = FalseyValueParser::new())]
    pub(crate) accept_permanent_loss: bool,
    /// Read the guardian's password from this file. With --backup: to check private keys that are encrypted; without it they
    /// are checked if FM_PASSWORD holds the password.
    #[arg(long, value_name = "FILE", env = "FM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, env = "FM_YES", value_parser = FalseyValueParser::new())]
    pub(crate) yes: bool,
    /// Prove and compare everything, print the plan, and change nothing.
    #[arg(long, env = "FM_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
    /// Print the plan and the verdict as NDJSON.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// The guardian's data directory.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Print one JSON object.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct UndoArgs {
    /// The guardian's data directory; the node must be stopped.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Keys; those of the data directory if none are named.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Undo the restore although the node has written to the restored database since.
    #[arg(long, env = "FM_DISCARD_WRITTEN", value_parser = FalseyValueParser::new())]
    pub(crate) discard_written: bool,
    /// As for restore, of the database that is taken back.
    #[arg(long, value_name = "SESSION", env = "FM_GUARD_UNTIL", value_parser = number)]
    pub(crate) guard_until: Option<u64>,
    /// Do not ask.
    #[arg(long, env = "FM_YES", value_parser = FalseyValueParser::new())]
    pub(crate) yes: bool,
    /// Print what would be done, and change nothing.
    #[arg(long, env = "FM_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
    /// Print the verdict as JSON.
    #[arg(long, env = "FM_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}
