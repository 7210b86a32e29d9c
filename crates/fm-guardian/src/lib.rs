//! A guardian: sessions over AlephBFT, catch-up, its interface and its files.
//!
//! [`Node`] is the shell around the machine of `fm-consensus`: it passes ordered units and fetched outcomes
//! to the machine, and carries out its actions. It decides nothing about items.
//!
//! Invariants: the machine and the interface share only the database, the queue of proposals and counters. A
//! unit is appended to the open session or not at all. If the federation agrees on another outcome than this
//! node, the node stops and reports all evidence.
//!
//! # Example
//!
//! ```
//! use fm_guardian::{FederationPlan, NodeConfig, free_ports, write_federation};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! let ports = free_ports(8)?.chunks(2).map(|pair| (pair[0], pair[1])).collect();
//! let plan = FederationPlan {
//!     guardians: 4,
//!     rounds_per_session: 60,
//!     round_delay_ms: 100,
//!     ports,
//!     password: "correct horse".to_owned(),
//! };
//! // Writes the data directories 0 to 3, ready for `fm-node run`.
//! write_federation(home.path(), &plan)?;
//! assert!(home.path().join("3/consensus.json").exists());
//! # Ok(())
//! # }
//! ```

mod actions;
mod ahead;
mod alone;
mod api;
mod beside;
mod bound;
mod carry_over;
mod carry_over_error;
mod config;
mod counters;
mod error;
mod history_roots;
mod latency;
mod load;
mod loadable;
mod lock;
mod mempool;
mod metrics;
mod node;
mod opening;
mod page;
mod pass;
mod ports;
mod progress;
mod recorder;
mod sessions;
mod setup;
mod setup_codes;
mod shared;
mod status;
mod telemetry;
mod units;
mod watchdog;

pub use beside::Servers;
pub use carry_over::{CarriedOver, CarryOver, carry_over, carry_over_hash, carry_over_look};
pub use carry_over_error::CarryOverError;
pub use config::{Consensus, Endpoint, IrohEndpoint, Local, NodeConfig, NodeConfigError};
pub use error::NodeError;
pub use load::{LoadReport, generate_load, issue};
pub use node::{Node, NodeOptions, Stop};
pub use opening::GuardUntil;
pub use ports::free_ports;
pub use setup::{FederationPlan, write_federation};
pub use setup_codes::{SetupError, SetupPlan, begin_setup, finish_setup};
