//! The log of a running guardian, on standard error.
//!
//! Invariant: foreign text (names, addresses, reasons) cannot end a line or reach the terminal as control
//! sequences.

use std::io::IsTerminal as _;

use fm_cli::{Exit, Failure, Verbosity, verbosity, wants_colour};
use fm_history::printable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// The target that the default filter leaves out: the library reports at the end of every session that its
/// tasks failed. Source: fedimint-aleph-bft 0.36.0, src/consensus.rs.
const LEFT_OUT: &str = "AlephBFT=off";

/// Starts logging to standard error, filtered by `FM_LOG`, or else by the command line.
pub(crate) fn to_stderr() -> Result<(), Failure> {
    let filter = match EnvFilter::try_from_env("FM_LOG") {
        Ok(filter) => filter,
        Err(_) if std::env::var_os("FM_LOG").is_none() => {
            let level = match verbosity() {
                Verbosity::Quiet => "warn",
                Verbosity::Normal => "info",
                Verbosity::Verbose => "debug",
            };
            EnvFilter::new(format!("{level},{LEFT_OUT}"))
        }
        Err(error) => {
            return Err(Failure::from_error(Exit::Usage, &error).hint("FM_LOG is for instance `debug`"));
        }
    };
    let colours = wants_colour(std::io::stderr().is_terminal());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.fmt_fields(fields()).with_writer(std::io::stderr).init();
    Ok(())
}

/// Formats the fields of a line: one line, whatever they contain.
fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    let field = debug_fn(|writer, field, value| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", printable(&text)),
            // The origin of another crate's log line.
            name if name.starts_with("log.") => Ok(()),
            name => write!(writer, "{name}={}", printable(&text)),
        }
    });
    field.delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing::warn;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_others_wrote_stays_in_its_line() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).fmt_fields(fields());
        let log = log.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || {
            let reason = "no\n2026 INFO started\u{1b}[2J\u{202e}";
            warn!(guardian = 2, %reason, text = reason, "refused: {reason}");
        });
        let text = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with('\n') && !text.trim_end().contains(fm_history::is_hidden), "{text:?}");
        assert!(
            text.contains("refused: no\\n2026") && text.contains(" guardian=2 reason=no\\n2026"),
            "{text}"
        );
    }
}
