//! Guardians asked over their interfaces, by a guardian that was away and by the tools.
//!
//! [`Guardian`] is one of them. [`Guardians`] asks all others how far they are, and fetches what they finished from several
//! at a time.
//!
//! Invariants: a record that comes out of here was proven by the guardians' signatures; a guardian whose answer did not
//! hold, or that does not give what it says it has, is not asked for a while; a guardian that stalls delays nobody
//! longer than [`HEDGE`]; memory for what is fetched ahead is bounded.

mod catch_up;
mod encoding;
mod guardian;
mod guardians;
mod own;
mod source;
mod submit;

pub use catch_up::CatchUp;
pub use encoding::{unwrap_bytes, wrap_bytes};
pub use fm_rpc::{ClientError, RpcError};
pub use guardian::{Guardian, MakePass, Room};
pub use guardians::{Fetched, Guardians, HEDGE};
pub use own::{AddressError, address_of, own_address, wait_for};
pub use source::{Ambiguous, AskError};
pub use submit::SubmitError;

/// Sessions that are fetched ahead, at most.
pub const AHEAD: usize = 16;
/// Questions to one guardian that wait for their answers, at most.
pub const AT_A_TIME: usize = 8;
