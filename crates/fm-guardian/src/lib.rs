//! A guardian: sessions over AlephBFT, catch-up, its interface and its files.
//!
//! [`Node`] is the shell around the machine of `fm-consensus`: it moves ordered units and fetched outcomes into it and
//! carries out what it answers. It decides nothing about items.
//!
//! Invariants: the machine and the interface share nothing but the database, the queue of what to propose and
//! counters; a unit is appended to the open session or not at all; when the federation agreed on something else than
//! this node, the node stops and says what is known.

mod actions;
mod ahead;
mod alone;
mod api;
mod beside;
mod bound;
mod carry_over;
mod carry_over_error;
mod config;
mod error;
mod latency;
mod load;
mod loadable;
mod metrics;
mod node;
mod opening;
mod page;
mod pass;
mod ports;
mod recorder;
mod sessions;
mod setup;
mod setup_codes;
mod shared;
mod status;
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
