//! The audit of a converted directory: its sessions, its old records, and all other files in it.

mod audit;
mod carried;
mod directory;
mod manifest;
mod seal;

pub use audit::{MigratedAudit, SourceRequest, audit_migrated};
pub use manifest::{ManifestFacts, manifest, manifest_differences, provenance_metadata};
pub use seal::SealAudit;
