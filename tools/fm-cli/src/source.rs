//! The source that a command reads.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use fm_store::quoted;

use crate::{Exit, Failure};

/// The variable that names a source.
const FROM: &str = "FM_FROM";

/// The source of a command: its first argument, or `--from`.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// What is read; the same as --from.
    #[arg(value_name = "SOURCE", required_unless_present = "from")]
    source: Option<PathBuf>,
    /// A guardian's data directory, a database, an archive, or a directory that convert made: what the command reads.
    #[arg(long, value_name = "SOURCE", env = FROM)]
    from: Option<PathBuf>,
}

impl SourceArgs {
    /// Returns the source. An option or argument takes precedence over the variable.
    ///
    /// # Errors
    /// If two sources are named.
    pub fn path(&self) -> Result<&Path, Failure> {
        match (&self.source, &self.from) {
            (Some(source), Some(from)) if source != from && !is_from_environment(from) => {
                let message = format!("two sources: {} and --from {}", quoted(source), quoted(from));
                Err(Failure::new(Exit::Usage, message).hint("give one of them"))
            }
            (Some(path), _) | (None, Some(path)) => Ok(path),
            // The parser requires one.
            (None, None) => Err(Failure::new(Exit::Usage, "no source was given")),
        }
    }
}

fn is_from_environment(path: &Path) -> bool {
    env::var_os(FROM).is_some_and(|value| value == path.as_os_str())
}
