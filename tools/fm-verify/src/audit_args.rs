//! The scope of an audit: the arguments of `fm-verify SOURCE`.

use std::path::{Path, PathBuf};

use clap::Args;
use fm_cli::{Exit, Failure, FederationArgs, KeyArgs, LayoutArgs, StrictArgs};

use crate::opened::Opening;
use crate::scope_args::ScopeArgs;

#[derive(Args)]
pub(crate) struct AuditArgs {
    /// A database, a guardian's data directory, an archive, a migrated directory, or a running federation: its
    /// invite code, or a guardian's address (wss://…). If its name is that of a subcommand, give it as ./NAME.
    #[arg(required = true)]
    source: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) federation: FederationArgs,
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
    /// Loads the keys, and opens a running federation.
    pub(crate) fn begin(&self) -> Result<Opening, Failure> {
        Opening::begin(self.source()?, &self.keys, &self.federation)
    }

    pub(crate) fn source(&self) -> Result<&Path, Failure> {
        // Without a subcommand, the parser requires one.
        self.source.as_deref().ok_or_else(|| Failure::new(Exit::Usage, "no source was given"))
    }
}
