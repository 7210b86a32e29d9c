//! The log of a running guardian, on standard error.
//!
//! Invariant: what others wrote (names, addresses, reasons) cannot end a line or reach the terminal as control sequences.

use std::io::IsTerminal as _;

use fm_cli::{Exit, Failure, Verbosity, verbosity, wants_colour};
use fm_history::printable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

/// What is left out whatever is logged: the library says of every session that ends that its tasks failed.
const LEFT_OUT: &str = "AlephBFT=off";

/// Begins to log to standard error what `FM_LOG` says, or else what the command line does.
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
    let fields = debug_fn(|writer, field, value| {
        let text = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", printable(&text)),
            // Where a line of another crate's log came from.
            name if name.starts_with("log.") => Ok(()),
            name => write!(writer, "{name}={}", printable(&text)),
        }
    });
    let colours = wants_colour(std::io::stderr().is_terminal());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.fmt_fields(fields.delimited(" ")).with_writer(std::io::stderr).init();
    Ok(())
}
