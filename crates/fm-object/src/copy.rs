//! Copies an object that is too large for the store's own copy request, in the parts in which it was sent.
//!
//! Invariants: nothing appears at the new key before every part has the bytes that were once sent. Only a few
//! parts are in memory.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use object_store::multipart::{MultipartStore, PartId};
use object_store::{MultipartId, PutPayload};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::answer::failed;
use crate::client::{Client, Stat};
use crate::note::Part;
use crate::waiting::{runtime, wait, wait_at_most};

/// The longest time for cleaning up after a failure.
const GIVE_UP: Duration = Duration::from_secs(3);

/// Copies the object at `from`, in parts of `length` bytes (the last may be shorter), to the key `to` of the
/// same store; `under_way` parts at a time.
pub(crate) fn copy_in_parts(
    from: &Client,
    to: &Client,
    parts: &[Part],
    length: u64,
    under_way: usize,
) -> io::Result<()> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "what was sent is not there any more");
    let stat = from.stat()?.ok_or_else(missing)?;
    let id = wait(to.store.create_multipart(&to.path))?.map_err(|error| failed(&error))?;
    let copy = Copy { from, to, id: &id, stat: &stat, length };
    let copied = copy.parts(parts, under_way).and_then(|copied| {
        let done = wait(to.store.complete_multipart(&to.path, &id, copied))?.map(drop);
        // The answer to a successful request may be lost, and its repetition refused.
        let is_there = to.stat()?.is_some_and(|found| found.size == stat.size);
        if is_there { Ok(()) } else { done.map_err(|error| failed(&error)) }
    });
    if copied.is_err() {
        // Best effort: the note names the upload, and the next run ends it.
        let _ = wait_at_most(GIVE_UP, to.store.abort_multipart(&to.path, &id));
    }
    copied
}

struct Copy<'a> {
    from: &'a Client,
    to: &'a Client,
    id: &'a MultipartId,
    stat: &'a Stat,
    length: u64,
}

impl Copy<'_> {
    fn parts(&self, parts: &[Part], most: usize) -> io::Result<Vec<PartId>> {
        let mut under_way = VecDeque::new();
        let mut copied = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            if under_way.len() >= most {
                copied.extend(settle(&mut under_way)?);
            }
            under_way.push_back(self.start(number, part)?);
        }
        while let Some(part) = settle(&mut under_way)? {
            copied.push(part);
        }
        Ok(copied)
    }

    fn start(&self, number: usize, part: &Part) -> io::Result<JoinHandle<io::Result<PartId>>> {
        let (from, to, id, stat) = (self.from.clone(), self.to.clone(), self.id.clone(), self.stat.clone());
        let (start, sha256) = (number as u64 * self.length, part.sha256);
        let end = start.saturating_add(self.length).min(stat.size);
        let task = async move {
            let bytes = from.fetch(&stat, start..end).await?;
            if Sha256::digest(&bytes).as_slice() != sha256 {
                return Err(io::Error::other("the store has not kept what was sent"));
            }
            let put = to.store.put_part(&to.path, &id, number, PutPayload::from(bytes)).await;
            put.map_err(|error| failed(&error))
        };
        Ok(runtime()?.spawn(task))
    }
}

/// Waits for the oldest part under way; returns `None` if there is no such part.
fn settle(under_way: &mut VecDeque<JoinHandle<io::Result<PartId>>>) -> io::Result<Option<PartId>> {
    let Some(task) = under_way.pop_front() else { return Ok(None) };
    wait(task)?.map_err(io::Error::other)?.map(Some)
}
