//! The command line of `move`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgGroup, Args};
use fm_backup::{DEFAULT_LEVEL, Location};
use fm_cli::{KeyArgs, number};
use fm_restore::Stated;

#[derive(Args)]
#[command(group = ArgGroup::new("way").required(true))]
pub(crate) struct MoveArgs {
    /// The data directory of the old place; the guardian must be stopped.
    #[arg(long, value_name = "DIR", env = "FM_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// The archive to make of its last state: a path, file://… or s3://bucket/key.
    #[arg(long, value_name = "FILE|URL", env = "FM_TO", group = "way", value_parser = crate::place::parser())]
    pub(crate) to: Option<Location>,
    /// Take the move back: the guardian runs at the old place again.
    #[arg(long, group = "way")]
    pub(crate) undo: bool,
    /// Encrypt the archive to this public key (age1…); may be given more than once.
    #[arg(long, value_name = "KEY", env = "FM_RECIPIENT")]
    pub(crate) recipient: Vec<String>,
    /// Write the guardian's configuration and private keys as well, encrypted to the recipients, to this file or object: the
    /// backup tar of its server. Needs --recipient.
    #[arg(long, value_name = "FILE|URL", env = "FM_WITH_CONFIG", value_parser = crate::place::parser())]
    pub(crate) with_config: Option<Location>,
    /// Keys; those of the data directory if none are named.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// The last session in which this guardian can have signed units: the highest session count of the other guardians, and 1
    /// more. `none` if its database is the one that ran last; with --undo, if it never ran at the new place.
    #[arg(long, value_name = "SESSION", value_parser = stated)]
    pub(crate) guard_until: Option<Stated>,
    /// The address at which clients reach the guardian at the new place, for the next steps.
    #[arg(long, value_name = "URL", env = "FM_NEW_ADDRESS")]
    pub(crate) new_address: Option<String>,
    /// Zstandard level.
    #[arg(long, value_name = "N", env = "FM_LEVEL", allow_hyphen_values = true, default_value_t = DEFAULT_LEVEL)]
    pub(crate) level: i32,
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

fn stated(text: &str) -> Result<Stated, String> {
    if text == "none" { Ok(Stated::None) } else { number(text).map(Stated::Session) }
}
