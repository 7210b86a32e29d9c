//! Archives in object stores that speak S3: read by ranges, and written so that they appear whole.
//!
//! Invariants: nothing is at the key before all of it was stored, read back and found right; a read names the version of
//! the object that it began with; a request that fails is repeated with growing pauses, for a limited time; no message
//! holds a credential, nor the answer of a server that may repeat one.

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
