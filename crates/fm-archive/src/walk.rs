//! Walks over an archive's frames from the start, by the Zstandard frame format alone.
//!
//! Invariant: a frame is read piece by piece as its own structure requires, so a wrong length costs no
//! memory, and at most one frame is held.

use std::io::{self, Read};

use crate::Fault;
use crate::format::{INDEX_FRAME_MAGIC, wide};
use crate::zstandard::{Progress, Scan};

/// What was found where a frame should begin.
pub(crate) enum Step {
    /// A data frame with a whole structure; its contents are not checked.
    Frame(Vec<u8>),
    /// The magic of the index frame; the source is positioned after it.
    Index,
    /// The source ends here or inside the frame.
    Cut,
    /// Something else, or a frame that this format does not allow; `seen` bytes of it were read.
    Foreign { seen: u64, fault: Fault },
}

/// Reads the next frame.
pub(crate) fn next_frame<R: Read>(source: &mut R) -> io::Result<Step> {
    let mut frame = Vec::new();
    if !fill(source, &mut frame, INDEX_FRAME_MAGIC.len())? {
        return Ok(Step::Cut);
    }
    if frame == INDEX_FRAME_MAGIC {
        return Ok(Step::Index);
    }
    let mut scan = Scan::new();
    loop {
        match scan.advance(&frame) {
            Err(fault) => {
                return Ok(Step::Foreign { seen: wide(frame.len()), fault });
            }
            Ok(Progress::Whole(_)) => return Ok(Step::Frame(frame)),
            Ok(Progress::Need(length)) => {
                if !fill(source, &mut frame, length)? {
                    return Ok(Step::Cut);
                }
            }
        }
    }
}

/// Reads until `bytes` holds `length` bytes; returns false if the source ends before.
pub(crate) fn fill<R: Read>(source: &mut R, bytes: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    let missing = wide(length.saturating_sub(bytes.len()));
    source.take(missing).read_to_end(bytes)?;
    Ok(bytes.len() >= length)
}
