//! What a command reads from, and how paths are shown so that they can be pasted.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;

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
    /// The source.
    ///
    /// # Errors
    /// If two are named. An option or argument wins over the variable.
    pub fn path(&self) -> Result<&Path, Failure> {
        match (&self.source, &self.from) {
            (Some(source), Some(from)) if source != from && !is_from_environment(from) => {
                let message = format!("two sources: {} and --from {}", quoted(source), quoted(from));
                Err(Failure::new(Exit::Usage, message).hint("give one of them"))
            }
            (Some(path), _) | (None, Some(path)) => Ok(path),
            // The parser demands one.
            (None, None) => Err(Failure::new(Exit::Usage, "no source was given")),
        }
    }
}

fn is_from_environment(path: &Path) -> bool {
    env::var_os(FROM).is_some_and(|value| value == path.as_os_str())
}

/// A path as a shell reads it back: in quotes if it has a character that a shell takes for something else.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_from_a_shell_as_they_were() {
        for (path, shown) in [
            ("/srv/guardian-0", "/srv/guardian-0"),
            ("s3://bucket/key", "s3://bucket/key"),
            ("/srv/my guardian", "'/srv/my guardian'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("-rf", "'-rf'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
            let printed =
                std::process::Command::new("sh").arg("-c").arg(format!("printf %s {shown}")).output();
            assert_eq!(printed.unwrap().stdout, path.as_bytes(), "{shown}");
        }
    }
}
