//! Frames that an interrupted run left of an archive, so that they need not be compressed again.
//!
//! Invariant: a frame is reused only if it holds exactly the bytes that were to be compressed, so it does not
//! matter who wrote it.

use std::io::Read;

use crate::ArchiveError;
use crate::frame::{Packed, pack, sha256, unpack};
use crate::header::Header;
use crate::walk::{Step, fill, next_frame};

/// The data frames after a header that equals the one of the new archive.
pub(crate) struct Earlier {
    source: Box<dyn Read + Send>,
}

impl Earlier {
    /// Returns the frames after the header; `None` if the archive in `source` has another header, or cannot
    /// be read.
    pub(crate) fn behind(header: &Header, mut source: Box<dyn Read + Send>) -> Option<Self> {
        let (frame, mut start) = (header.frame(), Vec::new());
        let whole = fill(&mut source, &mut start, frame.len()).unwrap_or(false);
        (whole && start == frame).then_some(Self { source })
    }

    /// Returns the next frame if it is whole.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        match next_frame(&mut self.source) {
            Ok(Step::Frame(frame)) => Some(frame),
            _ => None,
        }
    }
}

/// Returns the frame of `plain`, and whether it is the same as the earlier one.
///
/// Frame 0 is always compressed again: it shows whether level and compressor are the same, and an archive has
/// one of each.
pub(crate) fn pack_or_keep(
    frame: u64,
    plain: &[u8],
    level: i32,
    earlier: Option<Vec<u8>>,
) -> Result<(Packed, bool), ArchiveError> {
    match earlier {
        Some(bytes) if frame > 0 && unpack(&bytes).is_ok_and(|contents| contents.plain() == plain) => {
            let (compressed_sha256, uncompressed_sha256) = (sha256(&bytes), sha256(plain));
            Ok((Packed { bytes, compressed_sha256, uncompressed_sha256 }, true))
        }
        earlier => {
            let packed = pack(frame, plain, level)?;
            let same = frame == 0 && earlier.is_some_and(|earlier| earlier == packed.bytes);
            Ok((packed, same))
        }
    }
}
