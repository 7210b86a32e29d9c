//! Where a history comes from: databases, archives and converted directories, opened and named.

mod archive_check;
mod identity;
mod log;
mod medium;
mod omissions;
mod open;
mod origin;
mod signers;

pub use archive_check::{check_archive, check_medium, check_written};
pub use identity::{RowIdentity, StateIdentity, state_identity};
pub use log::settle_log;
pub use medium::{Medium, ReadSeek};
pub(crate) use omissions::code_of;
pub use omissions::omission_findings;
pub use open::{
    ArchiveSource, FederationSource, MANIFEST_NAME, MigratedDir, PENDING_KIND, PROVENANCE_NAME, Source,
    check_identity, open_source,
};
pub use origin::{MalformedKeys, NumberedRecords, Origin};
pub use signers::{KeyStanding, Signers, TrustedKeys};
