//! The upload of an archive to a store.
//!
//! The parts go to a key of their own beside the target, `KEY.partial-` and the name of the run. The note at
//! `KEY.partial` names the upload and its parts, so that the same job finds what a killed run left and does
//! not send it again. The whole upload is read back from there. Then the store copies it to its key, or, if
//! it is too large for the store's copy request, this machine does.
//!
//! Invariants: nothing appears at the key before it was read back whole. At most a few parts are in memory.
//! The note names no part before the store has it. An upload begins only when the note names its key.

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

use crate::answer::failed;
use crate::claim::{Claim, busy, take};
use crate::client::Client;
use crate::copy::copy_in_parts;
use crate::note::{Note, Part};
use crate::object::Object;
use crate::orphans;
use crate::owner::Life;
use crate::waiting::{runtime, wait, wait_at_most};

/// The ending of the key of unfinished work.
pub(crate) const PARTIAL: &str = ".partial";
/// The length of a part. All parts except the last are equal, as some stores require.
const PART: usize = 8 << 20;
/// The most parts that a store accepts; the number of the last one is used to test whether an upload still
/// exists.
const MOST_PARTS: usize = 10_000;
/// Parts under way at a time.
const UNDER_WAY: usize = 3;
/// The number of parts for which the note is written after each; later it is written after every [`NOTED`]th
/// part, so that notes stay a small share of the sent bytes.
const NOTED_EACH: usize = 256;
const NOTED: usize = 16;
/// The longest time for cleaning up after a failure, even if the store does not answer.
const GIVE_UP: Duration = Duration::from_secs(3);

/// An upload to a key.
pub(crate) struct Upload {
    /// The name of the target in messages.
    name: PathBuf,
    target: Client,
    /// The key of the parts.
    partial: Client,
    id: MultipartId,
    /// The store's parts, in order.
    parts: Vec<Part>,
    claim: Claim,
    /// The parts that an earlier run sent, from the current part on.
    remembered: std::vec::IntoIter<Part>,
    /// The number of bytes that were not sent again.
    kept: u64,
    part: Vec<u8>,
    under_way: VecDeque<JoinHandle<object_store::Result<Part>>>,
    written: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Parts,
    /// A request failed permanently: the next run finds what the store has.
    Broken,
    Whole,
    Published,
}

/// Removes what a run left beside a key if it was killed after the archive had its name.
pub(crate) async fn clear(target: &Client) -> io::Result<()> {
    let key = target.beside(PARTIAL)?;
    let Some(note) = Note::at(&key).await? else { return Ok(()) };
    if note.owner.life() != Life::Ended {
        return Ok(());
    }
    discard(target, &note).await?;
    allowed(key.remove().await)
}

/// Returns the key of a note's parts.
fn data_of(target: &Client, note: &Note) -> io::Result<Client> {
    target.beside(&format!("{PARTIAL}-{}", note.data))
}

/// Ends the upload of a note, and removes its object.
async fn discard(target: &Client, note: &Note) -> io::Result<()> {
    let data = data_of(target, note)?;
    if let Some(id) = &note.upload {
        abort(&data, id).await?;
    }
    allowed(data.remove().await)
}

/// Accepts a refused removal: a user without the right to remove objects can still write archives.
fn allowed(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        removed => removed,
    }
}

/// Returns whether the store still accepts parts of an upload. Sends it a part that will not be named when
/// the upload is completed.
fn is_alive(partial: &Client, id: &MultipartId) -> io::Result<bool> {
    match wait(partial.store.put_part(&partial.path, id, MOST_PARTS - 1, PutPayload::from(vec![0])))? {
        Ok(_) => Ok(true),
        // Some stores answer an unknown name like the name of another user's upload.
        Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => Ok(false),
        Err(error) => Err(failed(&error)),
    }
}

async fn abort(partial: &Client, id: &MultipartId) -> io::Result<()> {
    match partial.store.abort_multipart(&partial.path, id).await {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        // Some stores answer like this for an upload that was completed just before the run was killed. A
        // user who may write but not abort can also export: the store's own list of uploads shows what
        // remains.
        Err(Error::PermissionDenied { .. }) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

/// The key of the parts, the upload's name, and the parts that the store has.
type Begun = (Client, MultipartId, Vec<Part>);

/// Returns the parts that an ended run sent, if the store still accepts more of that upload.
fn resumable(target: &Client, left: Option<Note>) -> io::Result<Option<Begun>> {
    let Some(note) = left else { return Ok(None) };
    let Some(id) = note.upload.clone() else { return Ok(None) };
    let data = data_of(target, &note)?;
    if is_alive(&data, &id)? {
        return Ok(Some((data, id, note.parts)));
    }
    wait(discard(target, &note))??;
    Ok(None)
}

/// Begins an upload, or resumes that of an ended run; ends all others beside the target.
fn begin(target: &Client, key: &Client, claim: &Claim, left: Option<Note>) -> io::Result<Begun> {
    // Another run may have ended between the first check of the target and this one.
    if target.stat()?.is_some() {
        if let Some(left) = &left {
            wait(discard(target, left))??;
        }
        return Err(busy(key));
    }
    let copied = left.as_ref().is_some_and(|note| note.copies);
    let resumed = resumable(target, left)?;
    let own = resumed.as_ref().map(|(_, id, _)| id.clone());
    wait(orphans::end(target, |orphan, id| {
        let is_beside = orphan
            .strip_prefix(key.path.as_ref())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        let is_copy = copied && orphan == target.path.as_ref();
        (is_beside || is_copy) && Some(id) != own.as_deref()
    }))?;
    if let Some(resumed) = resumed {
        return Ok(resumed);
    }
    let fresh = Note::new();
    let partial = data_of(target, &fresh)?;
    claim.write(|note| *note = Note { run: note.run.clone(), owner: note.owner.clone(), ..fresh })?;
    let id = wait(partial.store.create_multipart(&partial.path))?.map_err(|error| failed(&error))?;
    claim.write(|note| note.upload = Some(id.clone()))?;
    Ok((partial, id, Vec::new()))
}

impl Upload {
    pub(crate) fn create(name: &Path, target: &Client, is_ours: fn(&[u8]) -> bool) -> io::Result<Self> {
        let key = target.beside(PARTIAL)?;
        let (claim, left) = take(&key, is_ours)?;
        let begun = begin(target, &key, &claim, left);
        if begun.is_err() {
            // Best effort: a later run sees that the run of the note has ended.
            let _ = wait_at_most(GIVE_UP, claim.release());
        }
        let (partial, id, remembered) = begun?;
        Ok(Self {
            name: name.to_owned(),
            target: target.clone(),
            partial,
            id,
            parts: Vec::new(),
            claim,
            remembered: remembered.into_iter(),
            kept: 0,
            part: Vec::new(),
            under_way: VecDeque::new(),
            written: 0,
            state: State::Parts,
        })
    }

    /// Writes the parts that the store has into the note.
    fn note_parts(&mut self) -> io::Result<()> {
        let parts = self.parts.clone();
        let noted = self.claim.write(|note| note.parts = parts);
        self.or_broken(noted)
    }

    /// Sends the gathered part, unless the store has it.
    fn send(&mut self) -> io::Result<()> {
        let sent = self.parts.len() + self.under_way.len();
        if sent + 1 == MOST_PARTS {
            let what = "an object of more than 78 GiB has more parts than stores take: write a file, or an increment";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let bytes = std::mem::take(&mut self.part);
        let sha256 = Sha256::digest(&bytes).into();
        if let Some(part) = self.remembered.next() {
            if part.sha256 == sha256 {
                self.kept += bytes.len() as u64;
                self.parts.push(part);
                return Ok(());
            }
            // From here on parts replace those that the note names.
            self.remembered = Vec::new().into_iter();
            self.note_parts()?;
        }
        while self.under_way.len() >= UNDER_WAY {
            self.settle()?;
        }
        let (partial, id) = (self.partial.clone(), self.id.clone());
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
        self.parts.push(part);
        let parts = self.parts.len();
        if parts > NOTED_EACH && !parts.is_multiple_of(NOTED) {
            return Ok(());
        }
        self.note_parts()
    }

    /// Records that a request failed.
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

    /// Does nothing: a part is sent when it is full, the last one at the end.
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
        let parts = self.parts.iter().map(|part| PartId { content_id: part.id.clone() }).collect();
        let done = wait(self.partial.store.complete_multipart(&self.partial.path, &self.id, parts))?;
        // The answer to a successful request may be lost, and its repetition refused. The object is read back
        // in any case.
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
            self.claim.write(|note| note.copies = true)?;
            copy_in_parts(&self.partial, &self.target, &self.parts, PART as u64, UNDER_WAY)?;
        } else {
            self.claim.check()?;
            self.partial.copy_to(&self.target)?;
        }
        // The answer to a successful copy may be lost, and its repetition refused: only this run may have
        // made the copy.
        if self.target.stat()?.is_none_or(|stat| stat.size != self.written) {
            return Err(io::Error::other("the store has not copied all of it"));
        }
        self.state = State::Published;
        Ok(())
    }

    /// Removes everything beside the archive; describes what could not be removed.
    fn clear_up(&self) -> Option<String> {
        let removed = wait(self.partial.remove()).and_then(|removed| removed);
        let released = wait(self.claim.release()).and_then(|released| released);
        let error = removed.err().or(released.err())?;
        Some(format!("{} and {}{PARTIAL} could not be removed: {error}", self.partial.path, self.target.path))
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

    fn publish(mut self: Box<Self>) -> Result<Option<String>, BackupError> {
        let name = self.name.clone();
        if self.target.stat().map_err(BackupError::remote(&name))?.is_some() {
            return Err(BackupError::remote(&name)(busy(&self.target)));
        }
        self.copy().map_err(BackupError::remote(&name))?;
        Ok(self.clear_up())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.under_way.iter().for_each(JoinHandle::abort);
        // Best effort: the note names what remains, and the next run resumes or removes it.
        let _ = wait_at_most(GIVE_UP, async {
            match self.state {
                State::Published | State::Broken => return Ok(()),
                State::Whole => self.partial.remove().await?,
                State::Parts => abort(&self.partial, &self.id).await?,
            }
            self.claim.release().await
        });
    }
}
