//! An object read like a file, by ranges.
//!
//! Invariants: scattered small reads are cheap: a range has the requested size, at least 64 KiB, and doubles
//! only while reading continues where it ended. For a sequential reader the next ranges are fetched ahead.
//! Memory holds a few ranges.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::client::{Client, Stat};
use crate::object::Known;
use crate::waiting::{runtime, wait};

/// The size of the first range, and the alignment of its start.
const LEAST: u64 = 64 << 10;
/// The largest range.
const MOST: u64 = 4 << 20;
/// The number of largest ranges that are fetched ahead.
const AHEAD: usize = 2;

/// Bytes of the object, from a position on.
#[derive(Clone, Default)]
pub(crate) struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    pub(crate) fn holds(&self, place: u64) -> bool {
        (self.start..self.end()).contains(&place)
    }
}

/// A range under way.
struct Pending {
    start: u64,
    end: u64,
    task: JoinHandle<io::Result<Bytes>>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A version of an object as a file.
pub(crate) struct Ranged {
    client: Client,
    stat: Stat,
    known: Arc<Known>,
    position: u64,
    window: Window,
    /// Length of the newest range.
    step: u64,
    ahead: VecDeque<Pending>,
}

impl Ranged {
    pub(crate) fn new(client: Client, stat: Stat, known: Arc<Known>) -> Self {
        Self { client, stat, known, position: 0, window: Window::default(), step: 0, ahead: VecDeque::new() }
    }

    /// Loads the window at the current position, for a read of `asked` bytes.
    fn load(&mut self, asked: u64) -> io::Result<()> {
        let goes_on = self.step > 0 && self.position == self.window.end();
        if let Some(window) = self.known.window(self.position) {
            self.step = if goes_on { self.step } else { LEAST };
            self.window = window;
            return Ok(());
        }
        let doubled = if goes_on { self.step.saturating_mul(2) } else { 0 };
        self.step = doubled.max(asked).clamp(LEAST, MOST);
        let aligned = self.position - self.position % LEAST;
        let start = if self.step == LEAST && !goes_on { aligned } else { self.position };
        let bytes = self.fetch(start)?;
        self.window = Window { start, bytes };
        if self.step == LEAST {
            self.known.keep(self.window.clone());
        }
        if self.step == MOST {
            self.fetch_ahead()?;
        }
        Ok(())
    }

    fn fetch(&mut self, start: u64) -> io::Result<Bytes> {
        if self.ahead.front().is_some_and(|pending| pending.start != start) {
            self.ahead.clear();
        }
        match self.ahead.pop_front() {
            Some(mut pending) => wait(&mut pending.task)?.map_err(io::Error::other)?,
            None => wait(self.client.fetch(&self.stat, start..self.end_of(start)))?,
        }
    }

    fn end_of(&self, start: u64) -> u64 {
        start.saturating_add(self.step).min(self.stat.size)
    }

    fn fetch_ahead(&mut self) -> io::Result<()> {
        while self.ahead.len() < AHEAD {
            let start = self.ahead.back().map_or(self.window.end(), |pending| pending.end);
            if start >= self.stat.size {
                break;
            }
            let (end, client, stat) = (self.end_of(start), self.client.clone(), self.stat.clone());
            let task = runtime()?.spawn(async move { client.fetch(&stat, start..end).await });
            self.ahead.push_back(Pending { start, end, task });
        }
        Ok(())
    }
}

impl Read for Ranged {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.position >= self.stat.size {
            return Ok(0);
        }
        if !self.window.holds(self.position) {
            self.load(into.len() as u64)?;
        }
        let skipped = usize::try_from(self.position - self.window.start).map_err(io::Error::other)?;
        let found = self.window.bytes.get(skipped..).unwrap_or_default();
        let count = found.len().min(into.len());
        into[..count].copy_from_slice(&found[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Ranged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.stat.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the first byte");
        self.position = place.ok_or_else(outside)?;
        Ok(self.position)
    }
}
