//! Frames of an archive that an interrupted run left, so that they need not be compressed again.
//!
//! Invariant: a frame is taken over only if it holds exactly the bytes that were to be compressed; so nothing depends on
//! who wrote what was left.

use std::io::Read;

use crate::ArchiveError;
use crate::frame::{Packed, pack, sha256, unpack};
use crate::header::Header;
use crate::walk::{Step, fill, next_frame};

/// The data frames behind a header that is the one of the new archive.
pub(crate) struct Earlier {
    source: Box<dyn Read + Send>,
}

impl Earlier {
    /// None if the archive in `source` begins otherwise, or cannot be read.
    pub(crate) fn behind(header: &Header, mut source: Box<dyn Read + Send>) -> Option<Self> {
        let (frame, mut start) = (header.frame(), Vec::new());
        let whole = fill(&mut source, &mut start, frame.len()).unwrap_or(false);
        (whole && start == frame).then_some(Self { source })
    }

    /// The next frame, if there is a whole one.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        match next_frame(&mut self.source) {
            Ok(Step::Frame(frame)) => Some(frame),
            _ => None,
        }
    }
}

/// The frame of `plain`, and whether the earlier one is as good.
///
/// Frame 0 is compressed in any case: another level or compressor shows there, and an archive has one of each.
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
