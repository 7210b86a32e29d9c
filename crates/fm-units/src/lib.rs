//! Backups of AlephBFT units: what a guardian stores of the session in progress, in every form that existed.
//!
//! Rows are joined ([`UnitTable`]), read as records in one form ([`read_in_form`]), and put into a graph in
//! which every unit's hash, parents and signatures are checked ([`Dag`]).
//!
//! Invariants: no I/O, no clock, no threads; no input makes a function panic. Memory is a small multiple of
//! the bytes of the backup, which are bounded. The differences between versions are data ([`UnitForm`]).
//!
//! # Example
//!
//! ```
//! use fm_codec::Dialect;
//! use fm_units::{Joined, UnitTable};
//!
//! // The units of a v0.2 database are pieces of one stream, under numbered keys.
//! let table = UnitTable { prefix: 0x05, session_in_key: false, dialect: Dialect::MODERN };
//! let mut joined = Joined::new(table);
//! joined.push(&[0x05, 0], &[2, 7, 7])?;
//! joined.push(&[0x05, 1], &[1, 8])?;
//! let backups = joined.finish();
//! assert_eq!(backups[0].stream, [7, 7, 8]);
//! assert!(backups[0].gaps().is_empty());
//! # Ok::<(), fm_units::UnitBackupError>(())
//! ```

mod alert;
mod backup;
mod dag;
mod detect;
mod dot;
mod form;
mod items;
mod losses;
mod records;
mod scale;
mod shape;
mod unit;

pub use alert::{Alert, MAX_ALERT_UNITS};
pub use backup::{Backup, Gap, Joined, MAX_BACKUP_BYTES, MAX_ROWS, Row, UnitBackupError, UnitTable};
pub use dag::{Dag, Node, Parents};
pub use detect::{FormError, read_in_form};
pub use dot::write_dots;
pub use form::{
    ALEPH_0_20_BYTES, ALEPH_0_20_ITEMS, ALEPH_0_30, ALEPH_0_36, DataShape, FORMS, Framing, HashRule, Joining,
    UnitForm,
};
pub use items::{ItemEncoding, ProposedItem, items};
pub use records::{Content, Damage, Expected, MAX_SPAN, Record, Records};
pub use scale::{
    ScaleError, ScaleErrorKind, ScaleReader, Subset, subset_bits, write_bytes, write_compact, write_subset,
};
pub use shape::{CreatorShape, PastEnd, Proposal, Shape};
pub use unit::{Authored, MAX_BATCH_ITEMS, MAX_NODES, Unit, UnitData, UnitFields};
