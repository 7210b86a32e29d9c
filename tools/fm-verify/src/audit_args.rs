//! The scope of an audit: the arguments of `fm-verify SOURCE`.

use std::path::{Path, PathBuf};

use clap::Args;
use fm_cli::{Exit, Failure, KeyArgs, LayoutArgs, StrictArgs};

use crate::scope_args::ScopeArgs;

#[derive(Args)]
pub(crate) struct AuditArgs {
    /// A database, a guardian's data directory, an archive, or a migrated directory. If its name is that of a
    /// subcommand, give it as ./NAME.
    #[arg(required = true)]
    source: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    #[command(flatten)]
    pub(crate) strict: StrictArgs,
    /// Print NDJSON: findings, and the verdict as the last line.
    #[arg(long, env = "FM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

impl AuditArgs {
    pub(crate) fn source(&self) -> Result<&Path, Failure> {
        // Without a subcommand, the parser requires one.
        self.source.as_deref().ok_or_else(|| Failure::new(Exit::Usage, "no source was given"))
    }
}
