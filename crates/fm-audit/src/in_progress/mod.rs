//! The session in progress: its units and accepted items as they are stored, and how many units are whose.

mod open;
mod stored;

pub use open::OpenUnits;
pub use stored::StoredUnits;
