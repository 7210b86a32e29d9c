//! An archive on its way into a store.
//!
//! Bytes go in parts to the key with the ending `.partial`. Until they are whole a note is there that names the upload and
//! its parts, so that the same job finds what a killed run left, and goes on with it: a part whose bytes come again is not
//! sent again. A whole upload is read back from there; then the store copies it to its key, or this machine does what is too
//! large for the store.
//! Invariants: nothing is at the key before it was read back whole; at most a few parts are in memory; the note names no
//! part before the store has it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fm_backup::{BackupError, Draft, Location};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{Error, MultipartId, PutPayload};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::client::{Client, failed, runtime, wait};
use crate::copy::copy_in_parts;
use crate::note::{Note, Part, start_of};
use crate::object::Object;

/// Ending of the key of unfinished work.
pub(crate) const PARTIAL: &str = ".partial";
/// Length of a part. All but the last are equal, as some stores ask for.
const PART: usize = 8 << 20;
/// Parts that a store takes; the number of the last one is used to ask whether an upload is still there.
const MOST_PARTS: usize = 10_000;
/// Parts under way at a time.
const UNDER_WAY: usize = 3;
/// Parts up to which the note is written for each; behind them for every [`NOTED`]th, so that notes stay a small share of
/// what is sent.
const NOTED_EACH: usize = 256;
const NOTED: usize = 16;
/// Longest time that giving up may take.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Bytes on their way to a key.
pub(crate) struct Upload {
    /// Name of the target, for people.
    name: PathBuf,
    target: Client,
    partial: Client,
    note: Note,
    /// What a run before this one has sent, from the part at hand on.
    remembered: std::vec::IntoIter<Part>,
    /// Bytes that were not sent again.
    kept: u64,
    part: Vec<u8>,
    under_way: VecDeque<JoinHandle<object_store::Result<Part>>>,
    written: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Parts,
    /// A request failed for good: what the store has waits for the next run.
    Broken,
    Whole,
    Published,
}

/// Removes what an interrupted run left beside a key; anything else there is refused.
pub(crate) fn clear(partial: &Client, is_ours: fn(&[u8]) -> bool) -> io::Result<()> {
    let Some(stat) = partial.stat()? else { return Ok(()) };
    let start = start_of(partial, &stat)?;
    if let Some(note) = Note::read(&start) {
        wait(abort(partial, &note.id))??;
    } else if !is_ours(&start) {
        let what = format!("something else is at {}, where unfinished work goes", partial.path);
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    wait(partial.remove())?
}

/// Whether the store still takes parts of an upload: it is sent one that will not be named when the upload is completed.
fn is_alive(partial: &Client, id: &MultipartId) -> io::Result<bool> {
    match wait(partial.store.put_part(&partial.path, id, MOST_PARTS - 1, PutPayload::from(vec![0])))? {
        Ok(_) => Ok(true),
        // Some stores answer a name that they do not know as one that is somebody else's.
        Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(false),
        Err(error) => Err(failed(&error)),
    }
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
        let left = Note::at(&partial)?;
        let (id, remembered) = match left {
            Some(note) if is_alive(&partial, &note.id)? => (note.id, note.parts),
            _ => {
                clear(&partial, is_ours)?;
                let id = wait(partial.store.create_multipart(&partial.path))?;
                (id.map_err(|error| failed(&error))?, Vec::new())
            }
        };
        let upload = Self {
            name: name.to_owned(),
            target: target.clone(),
            partial,
            note: Note { id, parts: Vec::new() },
            remembered: remembered.into_iter(),
            kept: 0,
            part: Vec::new(),
            under_way: VecDeque::new(),
            written: 0,
            state: State::Parts,
        };
        if upload.remembered.as_slice().is_empty() {
            upload.note.put(&upload.partial)?;
        }
        Ok(upload)
    }

    /// Sends the part that was gathered, unless the store has it.
    fn send(&mut self) -> io::Result<()> {
        let sent = self.note.parts.len() + self.under_way.len();
        if sent + 1 == MOST_PARTS {
            let what = "an object of more than 78 GiB has more parts than stores take: write a file, or an increment";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let bytes = std::mem::take(&mut self.part);
        let sha256 = Sha256::digest(&bytes).into();
        if let Some(part) = self.remembered.next() {
            if part.sha256 == sha256 {
                self.kept += bytes.len() as u64;
                self.note.parts.push(part);
                return Ok(());
            }
            // From here on parts take the place of those that the note names.
            self.remembered = Vec::new().into_iter();
            self.or_broken(self.note.put(&self.partial))?;
        }
        while self.under_way.len() >= UNDER_WAY {
            self.settle()?;
        }
        let (partial, id) = (self.partial.clone(), self.note.id.clone());
        let task = runtime()?.spawn(async move {
            let part = partial.store.put_part(&partial.path, &id, sent, PutPayload::from(bytes)).await?;
            Ok(Part { sha256, id: part.content_id })
        });
        self.under_way.push_back(task);
        Ok(())
    }

    /// Waits for the oldest part under way, and notes it.
    fn settle(&mut self) -> io::Result<()> {
        let Some(task) = self.under_way.pop_front() else { return Ok(()) };
        let part = wait(task)?.map_err(io::Error::other)?;
        let part = self.or_broken(part.map_err(|error| failed(&error)))?;
        self.note.parts.push(part);
        let parts = self.note.parts.len();
        if parts > NOTED_EACH && !parts.is_multiple_of(NOTED) {
            return Ok(());
        }
        self.or_broken(self.note.put(&self.partial))
    }

    /// Remembers that a request failed.
    fn or_broken<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.state = State::Broken;
        }
        result
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
        if !self.part.is_empty() || self.written == 0 {
            self.send()?;
        }
        while !self.under_way.is_empty() {
            self.settle()?;
        }
        let parts = self.note.parts.iter().map(|part| PartId { content_id: part.id.clone() }).collect();
        let done = wait(self.partial.store.complete_multipart(&self.partial.path, &self.note.id, parts))?;
        // The answer to a request that was carried out may be lost, and its repetition refused. What is there is read
        // back in any case.
        let there = self.or_broken(self.partial.stat())?;
        let is_there = there.is_some_and(|stat| stat.size == self.written);
        match done {
            _ if is_there => self.state = State::Whole,
            Err(error) => return Err(failed(&error)),
            Ok(_) => return Err(io::Error::other("the store has not kept all that was sent")),
        }
        Ok(())
    }

    fn copy(&mut self) -> io::Result<()> {
        if self.written > self.target.most_copied {
            copy_in_parts(&self.partial, &self.target, &self.note.parts, PART as u64, UNDER_WAY)?;
        } else {
            self.partial.copy_to(&self.target)?;
        }
        if self.target.stat()?.is_none_or(|stat| stat.size != self.written) {
            return Err(io::Error::other("the store has not copied all of it"));
        }
        self.state = State::Published;
        wait(self.partial.remove())?
    }

    /// Removes the note, if it is still this upload's.
    fn remove_note(&self) {
        let is_own =
            Note::at(&self.partial).is_ok_and(|note| note.is_some_and(|note| note.id == self.note.id));
        if is_own {
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

    fn kept(&self) -> u64 {
        self.kept
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
                State::Published | State::Broken => Ok(()),
                State::Whole => self.partial.remove().await,
                State::Parts => abort(&self.partial, &self.note.id).await,
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
