//! Archives in object stores that speak S3: read by ranges, and written so that they appear whole.
//!
//! Invariants: nothing appears at the key before all of it was stored, read back and found correct. A read
//! stays with the version of the object with which it began. A failing request is repeated with growing
//! pauses, for a limited time. No message contains a credential, or the answer of a server that may repeat
//! one.
//!
//! # Example
//!
//! ```
//! use fm_object::Address;
//!
//! let address = Address::parse("s3://backups/guardian-0/state.fmar").expect("the scheme is s3")?;
//! assert_eq!(Address::parse("S3://backups/guardian-0/state.fmar").expect("in any case")?, address);
//! // Any other text is a path.
//! assert!(Address::parse("backups/state.fmar").is_none());
//! assert!(Address::parse("s3://backups/").expect("the scheme is s3").is_err());
//! # Ok::<(), fm_object::ObjectError>(())
//! ```

mod address;
mod answer;
mod claim;
mod client;
mod copy;
mod environment;
mod note;
mod object;
mod orphans;
mod owner;
mod profile;
mod read;
mod settings;
mod upload;
mod waiting;

pub use address::Address;
pub use object::location;
pub use settings::{ObjectError, Settings};
pub use waiting::interrupted_by;
