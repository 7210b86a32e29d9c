//! Programs of the workspace beside this package, with iroh: what they do with guardians over WebSocket they
//! do with guardians over iroh as well.
//!
//! The endpoint (`endpoint.rs`) connects; requests, answers and their limits are those of `fm-client`.

mod endpoint;
mod settings;

use std::env;
use std::process::ExitCode;

use fm_client::speak_iroh;

use crate::endpoint::Endpoint;
use crate::settings::Settings;

/// The exit status for a mistake in what the user named (`docs/operating.md`).
const USAGE: u8 = 2;
/// The exit status of a program that cannot do its work.
const CANNOT_LOOK: u8 = 3;

/// Runs a program that speaks iroh.
pub fn run(program: fn() -> ExitCode) -> ExitCode {
    let settings = match Settings::read(|name| env::var(name).ok()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let endpoint = match Endpoint::new(settings) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            eprintln!("error: cannot set up iroh: {error}");
            return ExitCode::from(CANNOT_LOOK);
        }
    };
    speak_iroh(Box::new(endpoint.clone()));
    let exit = program();
    endpoint.close();
    exit
}
