//! Requests to a store about one object of a bucket.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, ObjectMeta, ObjectStore, PutMode, PutPayload,
    UpdateVersion,
};

use crate::answer::{failed, is_passing, is_refusal, is_unknown_to_store, replaced};
use crate::waiting::wait;

/// The pause before the first repetition of an interrupted answer; it doubles up to the longest pause.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Size and version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub(crate) size: u64,
    meta: ObjectMeta,
}

impl Stat {
    fn of(meta: ObjectMeta) -> Self {
        Self { size: meta.size, meta }
    }

    /// Returns whether an answer is about the same version. Not every server names it in every answer.
    fn is_of(&self, answer: &ObjectMeta) -> bool {
        let same_tag = match (&self.meta.e_tag, &answer.e_tag) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        same_tag && (self.size, self.meta.last_modified) == (answer.size, answer.last_modified)
    }

    /// Returns whether two answers are about the same version.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_of(&other.meta)
    }

    pub(crate) fn tag(&self) -> Option<String> {
        self.meta.e_tag.clone()
    }
}

/// The state of the key that a write requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Free,
    /// The version with this tag.
    Version(String),
    /// Any state.
    None,
}

/// The result of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was written; with the tag, if the store names it.
    Done(Option<String>),
    /// The key is in another state.
    Refused,
}

/// An object of a bucket, whether it exists or not.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) store: Arc<AmazonS3>,
    /// The same store, for requests that not every store supports: they are hardly repeated.
    pub(crate) soon: Arc<AmazonS3>,
    pub(crate) path: Path,
    /// Size of the largest object that the store copies by one request, in bytes.
    pub(crate) most_copied: u64,
    /// The time for which a failing request is repeated.
    pub(crate) patience: Duration,
    /// Whether the store is known not to support conditions.
    pub(crate) knows_no_conditions: Arc<AtomicBool>,
}

impl Client {
    /// Returns another object of the same bucket, whose key has this additional ending.
    pub(crate) fn beside(&self, ending: &str) -> io::Result<Self> {
        let path = Path::parse(format!("{}{ending}", self.path)).map_err(io::Error::other)?;
        Ok(Self { path, ..self.clone() })
    }

    /// Returns size and version; `None` if there is no such object.
    pub(crate) fn stat(&self) -> io::Result<Option<Stat>> {
        wait(self.stat_now())?
    }

    pub(crate) async fn stat_now(&self) -> io::Result<Option<Stat>> {
        let head = GetOptions { head: true, ..GetOptions::default() };
        let found = match self.meta(head).await {
            // The answer to a HEAD request has no text with the reason: a GET request is sent to get it.
            Err(error) if is_refusal(&error) && !matches!(error, Error::NotFound { .. }) => {
                let first = Some(GetRange::Bounded(0..1));
                match self.meta(GetOptions { range: first, ..GetOptions::default() }).await {
                    // An empty object has no such range.
                    Err(other) if is_range_refused(&other) => Err(error),
                    other => other,
                }
            }
            found => found,
        };
        match found {
            Ok(meta) => Ok(Some(Stat::of(meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn meta(&self, options: GetOptions) -> object_store::Result<ObjectMeta> {
        Ok(self.store.get_opts(&self.path, options).await?.meta)
    }

    async fn is_replaced(&self, stat: &Stat) -> bool {
        let head = GetOptions { head: true, ..GetOptions::default() };
        self.meta(head).await.is_ok_and(|found| !stat.is_of(&found))
    }

    /// Returns the bytes in a range of this version.
    pub(crate) async fn fetch(&self, stat: &Stat, range: Range<u64>) -> io::Result<Bytes> {
        let (began, mut pause) = (Instant::now(), PAUSE);
        loop {
            match self.fetch_once(stat, range.clone()).await {
                // Some servers refuse a range that the new version does not have, instead of reporting the
                // replacement.
                Err(error) if is_passing(&error) && self.is_replaced(stat).await => return Err(replaced()),
                Err(error) if is_passing(&error) && began.elapsed() < self.patience => {
                    tokio::time::sleep(pause).await;
                }
                done => return done,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn fetch_once(&self, stat: &Stat, range: Range<u64>) -> io::Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: stat.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let answer = self.store.get_opts(&self.path, options).await.map_err(|error| failed(&error))?;
        // Not every server respects the condition.
        if !stat.is_of(&answer.meta) {
            return Err(replaced());
        }
        let bytes = answer.bytes().await.map_err(|error| failed(&error))?;
        if bytes.len() as u64 != wanted {
            return Err(io::Error::new(
                io::ErrorKind::HostUnreachable,
                "the store answered with fewer or more bytes",
            ));
        }
        Ok(bytes)
    }

    /// Returns whether the store is known not to support conditions.
    pub(crate) fn has_no_conditions(&self) -> bool {
        self.knows_no_conditions.load(Ordering::Relaxed)
    }

    /// Writes the object if the condition holds; a store without conditions writes it in any case.
    pub(crate) async fn put_if(&self, bytes: Vec<u8>, condition: &Condition) -> io::Result<Written> {
        let mode = match condition {
            Condition::Free => PutMode::Create,
            Condition::Version(tag) => {
                PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version: None })
            }
            Condition::None => PutMode::Overwrite,
        };
        let (began, mut pause) = (Instant::now(), PAUSE);
        while mode != PutMode::Overwrite && !self.has_no_conditions() {
            let payload = PutPayload::from(bytes.clone());
            match self.soon.put_opts(&self.path, payload, mode.clone().into()).await {
                Ok(done) => return Ok(Written::Done(done.e_tag)),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => {
                    return self.is_written(&bytes).await;
                }
                Err(error) if is_unknown_to_store(&error) => {
                    self.knows_no_conditions.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    let error = failed(&error);
                    if !is_passing(&error) || began.elapsed() >= self.patience {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        let done = self.store.put_opts(&self.path, PutPayload::from(bytes), PutMode::Overwrite.into()).await;
        done.map(|done| Written::Done(done.e_tag)).map_err(|error| failed(&error))
    }

    /// Checks whether the object has exactly these bytes. The answer to a successful write may be lost, and
    /// its repetition refused.
    async fn is_written(&self, bytes: &[u8]) -> io::Result<Written> {
        let Some(stat) = self.stat_now().await? else { return Ok(Written::Refused) };
        let is_same = stat.size == bytes.len() as u64 && self.fetch(&stat, 0..stat.size).await? == bytes;
        Ok(if is_same { Written::Done(stat.tag()) } else { Written::Refused })
    }

    /// Removes the object, if it exists.
    pub(crate) async fn remove(&self) -> io::Result<()> {
        use object_store::ObjectStoreExt as _;
        match self.store.delete(&self.path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Copies the object to a free key of its bucket, inside the store; returns false if the key is not free,
    /// as far as the store checks that.
    pub(crate) fn copy_to(&self, other: &Self) -> io::Result<bool> {
        let copy = |store: Arc<AmazonS3>, mode| async move {
            store.copy_opts(&self.path, &other.path, CopyOptions { mode, ..CopyOptions::default() }).await
        };
        if !self.has_no_conditions() {
            match wait(copy(Arc::clone(&self.soon), CopyMode::Create))? {
                Ok(()) => return Ok(true),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => return Ok(false),
                // The other request shows whether the condition or the connection failed.
                Err(_) => {}
            }
        }
        let done = wait(copy(Arc::clone(&self.store), CopyMode::Overwrite))?;
        done.map(|()| true).map_err(|error| failed(&error))
    }
}

/// Returns whether the store has the object, but not the requested range of it.
fn is_range_refused(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("InvalidRange") || text.contains("status code: 416")
}
