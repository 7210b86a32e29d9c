//! The parts of a damaged archive that identify it.
//!
//! Invariant: the metadata is returned only if the header's own hash matches. The identity comes from an
//! index whose root was not checked: it can show that two files belong together, never that they do not.

use std::io::{Read, Seek};

use crate::locate::{Search, Source};
use crate::{ArchiveError, Metadata};

/// What can still be read about a damaged archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// The metadata, if the header is sound.
    pub metadata: Option<Metadata>,
    /// The identity, if there is an index that decodes.
    pub identity: Option<[u8; 32]>,
}

/// Reads what is left of an archive's header and index.
///
/// # Errors
/// If the source fails, or is not an archive of this version.
pub fn remains<R: Read + Seek>(mut read: R) -> Result<Remains, ArchiveError> {
    let mut source = Source::new(&mut read)?;
    let head = match source.head() {
        Err(ArchiveError::Truncated { .. }) => return Ok(Remains::default()),
        head => head?,
    };
    let identity = match source.tail(&head)? {
        Search::Found(tail) => tail.index(head.header.as_ref()).ok().map(|index| index.identity),
        Search::Lost(_) | Search::Cut => None,
    };
    Ok(Remains { metadata: head.header.map(|header| header.metadata), identity })
}
