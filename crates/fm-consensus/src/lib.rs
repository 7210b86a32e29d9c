//! The consensus of sessions as a sans-I/O state machine, its modules, and the rows that it writes.
//!
//! [`Engine`] takes ordered units and fetched outcomes and returns [`Action`]s. A shell around it runs
//! AlephBFT, talks to peers and clients, and keeps the time.
//!
//! Invariants:
//! - No clock, no network, no threads, no randomness: the same input on the same rows yields the same rows
//!   and answers.
//! - One ordered unit, one write. A crash between two writes loses nothing that is not ordered or fetched
//!   again.
//! - What peers send never stops the machine, unless a threshold of them signed it; it never panics.
//! - A stored session is never overwritten, and is stored only with exactly a threshold of valid signatures.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use fm_consensus::{Guard, Schedule};
//!
//! // A session of 3,000 rounds, half a second apart.
//! let schedule = Schedule::rounds(3_000).expect("a session has at least one round");
//! assert_eq!(schedule.delay(10, Duration::from_millis(500)), Duration::from_millis(500));
//!
//! // A restored guardian makes no units up to the session that its guard names.
//! let guard = Guard { until_session: Some(7), peer: None };
//! assert!(!guard.may_create_units(7) && guard.may_create_units(8));
//! ```

mod action;
mod audit;
mod balance;
mod batch;
mod dbtx;
mod engine;
mod error;
mod failure;
mod guard;
mod module;
mod modules;
mod order;
mod outcome;
mod proof;
mod queue;
mod rules;
mod schedule;
mod session;
mod storage;
mod tables;
mod transaction;
mod versions;

pub use action::{Action, OutcomeError};
pub use balance::BalanceSheet;
pub use batch::{BATCH_BYTES, BatchError, UnitPayload, check_item, read_batch};
pub use dbtx::{DbTransaction, Savepoint};
pub use engine::{Engine, EngineProgress, check_transaction, proposals};
pub use error::{EngineError, ItemError, Rejection};
pub use failure::{ConsensusFailure, FailureKind, Side};
pub use guard::Guard;
pub use module::{Amounts, ApiError, InputMeta, Module, ModuleState, Modules, OutPoint};
pub use modules::{DUMMY_ISSUER, Ledger, LedgerReplay, Meta, ReplayError, read_posting};
pub use proof::{ProvenRecord, prove_record};
pub use queue::{ProposalQueue, QUEUE_BYTES, QueueError};
pub use rules::{Federation, Orderers, Rules};
pub use schedule::{DEFAULT_ROUNDS_PER_SESSION, SESSION_BYTES, Schedule, SessionEnd};
pub use storage::{Changes, MemoryStorage, Storage};
pub use tables::{ACCEPTED_ITEM, ALEPH_UNITS, accepted_item_key, unit_key};
pub use transaction::process_transaction;
