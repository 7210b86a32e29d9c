//! A guardian.
mod config;
mod setup;
mod units;
pub use config::*;
pub use setup::*;
