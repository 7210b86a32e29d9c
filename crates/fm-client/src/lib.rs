//! Queries guardians over their interfaces, for a guardian that was away and for the tools.
//!
//! [`Guardian`] is one of them. [`Guardians`] polls all others for how many sessions they have finished, and
//! fetches these from several at a time.
//!
//! Invariants: a record that this crate returns was proven by the guardians' signatures; a guardian whose
//! answer was not valid, or that does not return what it claims to have, is not asked for a while; a guardian
//! that stalls delays no caller longer than [`HEDGE`]; memory for what is fetched ahead is bounded.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use fm_client::{Guardian, wait_for};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guardian = Guardian::new("ws://127.0.0.1:1");
//! let patience = Duration::from_secs(1);
//! // Nobody listens there, so the request fails and says which address it tried.
//! let answer = wait_for(guardian.ask_for::<u64>("session_count", None, &json!(null), patience))?;
//! assert!(answer.unwrap_err().to_string().contains("127.0.0.1:1"));
//! # Ok(())
//! # }
//! ```

mod address;
mod announcement;
mod catch_up;
mod encoding;
mod federation;
mod guardian;
mod guardians;
mod iroh;
mod latency;
mod link;
mod live;
mod live_epochs;
mod metadata;
mod method;
mod own;
mod source;
mod stated_root;
mod submit;
mod window;

pub use address::{authority, iroh_key, is_over_iroh};
pub use announcement::Announcement;
pub use catch_up::CatchUp;
pub use encoding::{unwrap_base64, unwrap_bytes, wrap_base64, wrap_bytes};
pub use federation::{ApiSecret, Federation, FindError, Named};
pub use fm_rpc::{ClientError, RpcError};
pub use guardian::{Guardian, MakePass, Room};
pub use guardians::{Fetched, Guardians, HEDGE, Refusal};
pub use iroh::{
    API_PROTOCOL, Iroh, IrohConnection, IrohError, IrohFailure, IrohStream, speak_iroh, speaks_iroh,
};
pub use live::{Answers, LiveError, LiveHistory};
pub use live_epochs::LiveEpochs;
pub use own::{AddressError, address_of, own_address, wait_for};
pub use source::{Ambiguous, AskError};
pub use submit::SubmitError;

/// The most sessions that are fetched ahead.
pub const AHEAD: usize = 64;
/// The most requests to one guardian that wait for their answers.
pub const AT_A_TIME: usize = 16;
