//! Checkpoints and archives of whole databases: lists, makes, proves, reads back and compares them.
//!
//! Invariants: a source is only read; a target is made beside its name and renamed after it was read back; no
//! archive holds a secret.
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//! use std::sync::atomic::AtomicBool;
//!
//! use fm_audit::{Control, Silent};
//! use fm_backup::{State, survey};
//!
//! let database = Path::new("../../fixtures/session-v0.5.0/peer-0/database");
//! let interrupted = AtomicBool::new(false);
//! let control = Control { progress: &Silent, interrupted: &interrupted };
//! let state = State::open(database, None, None, control)?;
//! // Without keys this shows that the state is consistent, and proves nothing.
//! let survey = survey(&state, None, control, &mut |finding| println!("{finding}"))?;
//! assert_eq!(survey.classes.records, survey.audit.rows.values().sum::<u64>());
//! # Ok::<(), fm_backup::BackupError>(())
//! ```

mod classes;
mod compare;
mod configuration;
mod continued;
mod create;
mod error;
mod export;
mod guardian;
mod headers;
mod import;
mod increment;
mod joined;
mod kinship;
mod leaves;
mod list;
mod location;
mod overlay;
mod pieces;
mod profile;
mod prune;
mod remote;
mod repair;
mod sealed;
mod secret_forms;
mod secrets;
mod standing;
mod state;
mod statement;
mod survey;
mod tables;
mod unfit;
mod verify;

pub use age::x25519::Recipient;
pub use classes::{Class, Classes};
pub use compare::{Compared, Comparison, compare};
pub use configuration::{configuration, read_backup, write_configuration};
pub use create::{Created, create};
pub use error::BackupError;
pub use export::{DEFAULT_LEVEL, ExportOptions, Exported, export};
pub use fm_audit::ReadSeek;
pub use fm_crypto::BackupTar;
pub use guardian::guardian_of;
pub use import::{ImportOptions, Imported, import, write_database};
pub use list::{Found, KeysFor, Listed, list, newest_good};
pub use location::{Location, recipients};
pub use overlay::Overlay;
pub use profile::Profile;
pub use prune::{PruneRule, Pruned, prune};
pub use remote::{Draft, Refused, Remote};
pub use repair::{FrameLoss, Repaired, repair};
pub use standing::{Doubt, Standing};
pub use state::State;
pub use statement::{Handover, Making};
pub use survey::{Survey, survey};
pub use tables::{ModuleRows, Standing as TableStanding, TableComparison, TableDifference, compare_states};
pub use unfit::Unfit;
pub use verify::{Verified, VerifyOptions, verify};
