//! Recovers what belongs to a key from a federation's history.
//!
//! A client that lost its database, but not its key, reads the history from session 0 on and keeps what is its
//! own. [`recover`] does it for several modules in one pass, over any [`Sessions`]: a running federation, an
//! archive, a database; it may begin with one and continue with another.
//!
//! Invariants:
//!
//! - The end is fixed first, and stored before anything else: what was accepted after that is not this
//!   recovery's. It is proven by the last session's signatures.
//! - Every session is proven before a module sees it, and modules see each once, in order. What is in a
//!   session that is not finished is never seen.
//! - State and next session are stored in one write, so that a kill loses no more than the time since the last
//!   one. A recovery that is finished stays so: running it again returns the same results.
//! - Nothing that a guardian or a file says makes it panic or wait for ever.
//!
//! # Example
//!
//! ```
//! use fm_recovery::{ModuleRecovery, Place};
//! use fm_codec::ModuleValue;
//!
//! /// Counts the outputs of a module.
//! #[derive(Default)]
//! struct Outputs(u64);
//!
//! impl ModuleRecovery for Outputs {
//!     fn name(&self) -> &str {
//!         "outputs"
//!     }
//!     fn load(&mut self, state: &[u8]) -> Result<(), String> {
//!         let number = state.try_into().map_err(|_| "not eight bytes".to_owned())?;
//!         self.0 = u64::from_be_bytes(number);
//!         Ok(())
//!     }
//!     fn store(&self) -> Vec<u8> {
//!         self.0.to_be_bytes().to_vec()
//!     }
//!     fn on_output(&mut self, _: Place, _: &ModuleValue) -> Result<(), String> {
//!         self.0 += 1;
//!         Ok(())
//!     }
//!     fn finalise(&self) -> serde_json::Value {
//!         self.0.into()
//!     }
//! }
//!
//! let mut outputs = Outputs::default();
//! outputs.load(&[0, 0, 0, 0, 0, 0, 0, 7])?;
//! assert_eq!(outputs.finalise(), 7);
//! # Ok::<(), String>(())
//! ```

mod engine;
mod error;
mod module;
mod sessions;
mod state;

pub use engine::{Options, Progress, Recovered, recover};
pub use error::RecoveryError;
pub use module::{ModuleRecovery, Place};
pub use sessions::{Sessions, StoredSessions};
pub use state::StateFile;
