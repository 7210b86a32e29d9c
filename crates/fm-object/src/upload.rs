//! An archive on its way into a store.
//!
//! Bytes go in parts to the key with the ending `.partial`. Until they are whole a note is there that names the upload,
//! so that the same job finds what a killed run left, and gives it up. A whole upload is read back from there; then the
//! store copies it to its key.
//! Invariants: nothing is at the key before it was read back whole; at most a few parts are in memory.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fm_backup::{BackupError, Draft, Location};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{Error, MultipartId, PutPayload};
use tokio::task::JoinHandle;

use crate::client::{Client, Stat, failed, runtime, wait};
use crate::object::Object;

/// Ending of the key of unfinished work.
pub(crate) const PARTIAL: &str = ".partial";
/// Length of a part. All but the last are equal, as some stores ask for.
const PART: usize = 8 << 20;
/// Parts that a store takes.
const MOST_PARTS: usize = 10_000;
/// Parts under way at a time.
const UNDER_WAY: usize = 3;
/// Largest object that stores copy by one request.
const MOST_COPIED: u64 = 5 << 30;
/// How a note begins; the name of the upload follows.
const NOTE: &str = "unfinished upload of the fm tools: ";
/// Longest note, or beginning of something else, that is read.
const MOST_NOTED: u64 = 4 << 10;
/// Longest time that giving up may take.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Bytes on their way to a key.
pub(crate) struct Upload {
    /// Name of the target, for people.
    name: PathBuf,
    target: Client,
    partial: Client,
    id: MultipartId,
    part: Vec<u8>,
    under_way: VecDeque<JoinHandle<object_store::Result<PartId>>>,
    parts: Vec<PartId>,
    begun: usize,
    written: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Parts,
    Whole,
    Published,
}

/// Removes what an interrupted run left beside a key; anything else there is refused.
pub(crate) fn clear(partial: &Client, is_ours: fn(&[u8]) -> bool) -> io::Result<()> {
    let Some(stat) = partial.stat()? else { return Ok(()) };
    let start = start_of(partial, &stat)?;
    if let Some(id) = noted(&start) {
        wait(abort(partial, &id))??;
    } else if !is_ours(&start) {
        let what = format!("something else is at {}, where unfinished work goes", partial.path);
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    wait(partial.remove())?
}

fn start_of(partial: &Client, stat: &Stat) -> io::Result<Bytes> {
    if stat.size == 0 {
        return Ok(Bytes::new());
    }
    wait(partial.fetch(stat, 0..stat.size.min(MOST_NOTED)))?
}

/// The upload that a note names.
fn noted(note: &[u8]) -> Option<MultipartId> {
    let id = std::str::from_utf8(note).ok()?.strip_prefix(NOTE)?.strip_suffix('\n')?;
    (!id.is_empty()).then(|| id.to_owned())
}

async fn abort(partial: &Client, id: &MultipartId) -> io::Result<()> {
    match partial.store.abort_multipart(&partial.path, id).await {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        // Some stores answer like this for an upload that was completed just before the run was killed; and who may write
        // but not abort can go on as well: what is left is told by the store's own list of uploads.
        Err(Error::PermissionDenied { .. }) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

impl Upload {
    pub(crate) fn create(name: &Path, target: &Client, is_ours: fn(&[u8]) -> bool) -> io::Result<Self> {
        let partial = target.beside(PARTIAL)?;
        clear(&partial, is_ours)?;
        let id = wait(partial.store.create_multipart(&partial.path))?.map_err(|error| failed(&error))?;
        let upload = Self {
            name: name.to_owned(),
            target: target.clone(),
            partial,
            id,
            part: Vec::new(),
            under_way: VecDeque::new(),
            parts: Vec::new(),
            begun: 0,
            written: 0,
            state: State::Parts,
        };
        upload.partial.put(format!("{NOTE}{}\n", upload.id).into_bytes())?;
        Ok(upload)
    }

    /// Sends the part that was gathered.
    fn send(&mut self) -> io::Result<()> {
        if self.begun == MOST_PARTS || self.written > MOST_COPIED {
            let what =
                "an object of more than 5 GiB cannot get its name in one step: write a file, or an increment";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        while self.under_way.len() >= UNDER_WAY {
            self.settle()?;
        }
        let (partial, id, number) = (self.partial.clone(), self.id.clone(), self.begun);
        let payload = PutPayload::from(std::mem::take(&mut self.part));
        let task = runtime()?
            .spawn(async move { partial.store.put_part(&partial.path, &id, number, payload).await });
        self.under_way.push_back(task);
        self.begun += 1;
        Ok(())
    }

    /// Waits for the oldest part under way.
    fn settle(&mut self) -> io::Result<()> {
        let Some(task) = self.under_way.pop_front() else { return Ok(()) };
        let part = wait(task)?.map_err(io::Error::other)?;
        self.parts.push(part.map_err(|error| failed(&error))?);
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.capacity() == 0 {
            self.part.reserve_exact(PART);
        }
        let count = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..count]);
        self.written += count as u64;
        if self.part.len() == PART {
            self.send()?;
        }
        Ok(count)
    }

    /// Nothing: a part goes when it is full, the last one at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload {
    fn complete(&mut self) -> io::Result<()> {
        if !self.part.is_empty() || self.begun == 0 {
            self.send()?;
        }
        while !self.under_way.is_empty() {
            self.settle()?;
        }
        let parts = std::mem::take(&mut self.parts);
        let done = wait(self.partial.store.complete_multipart(&self.partial.path, &self.id, parts))?;
        // The answer to a request that was carried out may be lost, and its repetition refused. What is there is read
        // back in any case.
        let is_there = self.partial.stat()?.is_some_and(|stat| stat.size == self.written);
        match done {
            _ if is_there => self.state = State::Whole,
            Err(error) => return Err(failed(&error)),
            Ok(_) => return Err(io::Error::other("the store has not kept all that was sent")),
        }
        Ok(())
    }

    fn copy(&mut self) -> io::Result<()> {
        self.partial.copy_to(&self.target)?;
        if self.target.stat()?.is_none_or(|stat| stat.size != self.written) {
            return Err(io::Error::other("the store has not copied all of it"));
        }
        self.state = State::Published;
        wait(self.partial.remove())?
    }

    /// Removes the note, if it is still this upload's.
    fn remove_note(&self) {
        let is_own = || -> io::Result<bool> {
            let Some(stat) = self.partial.stat()? else { return Ok(false) };
            Ok(noted(&start_of(&self.partial, &stat)?).as_ref() == Some(&self.id))
        };
        if is_own().unwrap_or(false) {
            let _ = wait(self.partial.remove());
        }
    }
}

impl Draft for Upload {
    fn complete(&mut self) -> Result<(), BackupError> {
        Self::complete(self).map_err(BackupError::remote(&self.name))
    }

    fn written(&self) -> Location {
        Location::remote(self.name.clone(), Arc::new(Object::new(self.partial.clone())))
    }

    fn publish(mut self: Box<Self>) -> Result<(), BackupError> {
        let name = self.name.clone();
        if self.target.stat().map_err(BackupError::remote(&name))?.is_some() {
            return Err(BackupError::OtherTarget {
                path: name,
                difference: "it appeared while this ran".to_owned(),
            });
        }
        self.copy().map_err(BackupError::remote(&name))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.under_way.iter().for_each(JoinHandle::abort);
        let give_up = async {
            match self.state {
                State::Published => Ok(()),
                State::Whole => self.partial.remove().await,
                State::Parts => abort(&self.partial, &self.id).await,
            }
        };
        // Best effort: what is left names itself, and the next run removes it.
        let ended =
            runtime().map(|runtime| runtime.block_on(async { tokio::time::timeout(GIVE_UP, give_up).await }));
        if self.state == State::Parts && matches!(ended, Ok(Ok(Ok(())))) {
            self.remove_note();
        }
    }
}
