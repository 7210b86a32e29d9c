//! The outer structure of a Zstandard frame: where it ends and how large its contents are, without
//! decompressing it.
//!
//! Invariants: only frames that this format allows pass (content size and checksum, no dictionary, no
//! reserved bit); the declared content size is within the limit before anything is allocated for it.

use crate::Fault;
use crate::format::{DATA_FRAME_MAGIC, MAX_FRAME_LEN, most_compressed, wide};

/// The bytes of magic and frame header descriptor.
const START_LEN: usize = 5;
const BLOCK_HEADER_LEN: usize = 3;
const CHECKSUM_LEN: usize = 4;
/// The largest block that the Zstandard format allows.
const MAX_BLOCK_LEN: usize = 128 << 10;

/// The progress of a frame's scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The scan continues when this many bytes of the frame are there.
    Need(usize),
    /// The frame has this many bytes.
    Whole(usize),
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Start,
    Header,
    Block { at: usize },
    End,
}

/// A scan over the bytes of one frame as they arrive.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    stage: Stage,
    need: usize,
    content_size: u64,
}

impl Scan {
    /// Creates a scan at the first byte of a frame.
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Start, need: START_LEN, content_size: 0 }
    }

    /// Returns the declared uncompressed size, once the frame's header was seen.
    pub(crate) fn content_size(&self) -> u64 {
        self.content_size
    }

    /// Continues over `frame`, which begins at the frame's first byte and never gets shorter.
    pub(crate) fn advance(&mut self, frame: &[u8]) -> Result<Progress, Fault> {
        while frame.len() >= self.need {
            match self.stage {
                Stage::Start => self.start(frame)?,
                Stage::Header => self.header(frame)?,
                Stage::Block { at } => self.block(frame, at)?,
                Stage::End => return Ok(Progress::Whole(self.need)),
            }
        }
        Ok(Progress::Need(self.need))
    }

    fn start(&mut self, frame: &[u8]) -> Result<(), Fault> {
        if frame[..4] != DATA_FRAME_MAGIC {
            return Err(Fault::Zstandard { at: 0, what: "no Zstandard frame begins here" });
        }
        let descriptor = frame[4];
        let refuse = |what| Err(Fault::Zstandard { at: 4, what });
        match descriptor {
            d if d & 0b0001_1000 != 0 => return refuse("a reserved bit is set"),
            d if d & 0b0000_0011 != 0 => return refuse("the frame needs a dictionary"),
            d if d & 0b0000_0100 == 0 => return refuse("the frame has no checksum"),
            d if d & 0b1110_0000 == 0 => return refuse("the frame does not state its content size"),
            _ => {}
        }
        self.need = START_LEN + window_len(descriptor) + content_size_len(descriptor);
        self.stage = Stage::Header;
        Ok(())
    }

    fn header(&mut self, frame: &[u8]) -> Result<(), Fault> {
        let descriptor = frame[4];
        let field = &frame[START_LEN + window_len(descriptor)..self.need];
        let mut bytes = [0; 8];
        bytes[..field.len()].copy_from_slice(field);
        // The two-byte form counts from 256, because the one-byte form ends there.
        self.content_size = u64::from_le_bytes(bytes).saturating_add(if field.len() == 2 { 256 } else { 0 });
        let limit = wide(MAX_FRAME_LEN);
        if self.content_size > limit {
            return Err(Fault::OverLimit { what: "a data frame", length: self.content_size, limit });
        }
        self.stage = Stage::Block { at: self.need };
        self.need += BLOCK_HEADER_LEN;
        Ok(())
    }

    fn block(&mut self, frame: &[u8], at: usize) -> Result<(), Fault> {
        let [flags, low, high] = [frame[at], frame[at + 1], frame[at + 2]].map(usize::from);
        let size = flags >> 3 | low << 5 | high << 13;
        if size > MAX_BLOCK_LEN {
            return Err(Fault::Zstandard { at: wide(at), what: "the block is larger than a block can be" });
        }
        let body = match flags >> 1 & 3 {
            // A run of one byte: the size is that of the run, but the block holds only the byte.
            1 => 1,
            3 => {
                return Err(Fault::Zstandard { at: wide(at), what: "a block of a reserved type" });
            }
            _ => size,
        };
        let end = at + BLOCK_HEADER_LEN + body;
        if flags & 1 == 1 {
            self.stage = Stage::End;
            self.need = end + CHECKSUM_LEN;
        } else {
            self.stage = Stage::Block { at: end };
            self.need = end + BLOCK_HEADER_LEN;
        }
        let limit = most_compressed(self.content_size);
        if wide(self.need) > limit {
            return Err(Fault::OverLimit { what: "a compressed frame", length: wide(self.need), limit });
        }
        Ok(())
    }
}

/// Returns the length of the window field; a single-segment frame has no such field.
fn window_len(descriptor: u8) -> usize {
    usize::from(descriptor & 0b0010_0000 == 0)
}

fn content_size_len(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 8,
    }
}
