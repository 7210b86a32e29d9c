//! Tables of the session in progress; those of finished sessions are `fm_eras::session`'s.
//!
//! Source: fedimint-server 0.5.0, src/consensus/db.rs.

use fm_codec::{Dialect, Writer};

/// The prefix of the accepted items of the session in progress.
pub const ACCEPTED_ITEM: u8 = 0x01;
/// The prefix of the units of the session in progress. The shell writes them; the end of the session removes
/// them.
pub const ALEPH_UNITS: u8 = 0x05;

/// Returns the key of an accepted item of the session in progress.
pub fn accepted_item_key(index: u64) -> Vec<u8> {
    numbered(ACCEPTED_ITEM, index)
}

/// Returns the key of a unit of the session in progress; its value is the unit's length and bytes.
pub fn unit_key(index: u64) -> Vec<u8> {
    numbered(ALEPH_UNITS, index)
}

fn numbered(prefix: u8, index: u64) -> Vec<u8> {
    let mut key = Writer::new(Dialect::MODERN);
    key.u8(prefix);
    key.u64(index);
    key.into_bytes()
}
