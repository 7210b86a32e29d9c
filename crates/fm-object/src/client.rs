//! Requests to a store, each waited for by the thread that asks.

use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{CopyOptions, Error, GetOptions, GetRange, ObjectMeta, ObjectStore, PutPayload};
use tokio::runtime::{Builder, Runtime};

/// Threads that carry requests; they only wait and copy.
const THREADS: usize = 2;
/// How often an answer that broke off is asked for again, beside the repetitions of each request.
const ATTEMPTS: u32 = 6;
/// Pause before the first of these; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest sentence of the library's that is passed on.
const MAX_REASON: usize = 200;

/// One runtime serves all stores of the process.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

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

    /// Whether an answer is about the same version. Not every server names it in every answer.
    fn is_of(&self, answer: &ObjectMeta) -> bool {
        let same_tag = match (&self.meta.e_tag, &answer.e_tag) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        same_tag && (self.size, self.meta.last_modified) == (answer.size, answer.last_modified)
    }
}

/// An object of a bucket, there or not.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) store: Arc<AmazonS3>,
    pub(crate) path: Path,
    /// Size of the largest object that the store copies by one request, in bytes.
    pub(crate) most_copied: u64,
}

impl Client {
    /// Another object of the same bucket: the key with an ending more.
    pub(crate) fn beside(&self, ending: &str) -> io::Result<Self> {
        let path = Path::parse(format!("{}{ending}", self.path)).map_err(io::Error::other)?;
        Ok(Self { store: Arc::clone(&self.store), path, most_copied: self.most_copied })
    }

    /// Size and version; none if there is no such object.
    pub(crate) fn stat(&self) -> io::Result<Option<Stat>> {
        match wait(self.head())? {
            Ok(meta) => Ok(Some(Stat::of(meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn head(&self) -> object_store::Result<ObjectMeta> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(self.store.get_opts(&self.path, options).await?.meta)
    }

    async fn is_replaced(&self, stat: &Stat) -> bool {
        self.head().await.is_ok_and(|found| !stat.is_of(&found))
    }

    /// The bytes in a range of the version at hand.
    pub(crate) async fn fetch(&self, stat: &Stat, range: Range<u64>) -> io::Result<Bytes> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.fetch_once(stat, range.clone()).await {
                // A place that another version does not have is refused as such by some servers.
                Err(error) if is_passing(&error) && self.is_replaced(stat).await => return Err(replaced()),
                Err(error) if is_passing(&error) => tokio::time::sleep(pause).await,
                done => return done,
            }
            pause *= 2;
        }
        self.fetch_once(stat, range).await
    }

    async fn fetch_once(&self, stat: &Stat, range: Range<u64>) -> io::Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: stat.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let answer = self.store.get_opts(&self.path, options).await.map_err(|error| failed(&error))?;
        // Not every server heeds the condition.
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

    pub(crate) fn put(&self, bytes: Vec<u8>) -> io::Result<()> {
        wait(self.store.put_opts(&self.path, PutPayload::from(bytes), Default::default()))?
            .map(drop)
            .map_err(|error| failed(&error))
    }

    /// Removes the object, if it is there.
    pub(crate) async fn remove(&self) -> io::Result<()> {
        use object_store::ObjectStoreExt as _;
        match self.store.delete(&self.path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Copies the object to another key of its bucket, inside the store.
    pub(crate) fn copy_to(&self, other: &Self) -> io::Result<()> {
        wait(self.store.copy_opts(&self.path, &other.path, CopyOptions::default()))?
            .map_err(|error| failed(&error))
    }
}

/// Waits for a request.
pub(crate) fn wait<T>(request: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime()?.block_on(request))
}

/// The object is not the one any more that was looked at first.
fn replaced() -> io::Error {
    io::Error::new(io::ErrorKind::StaleNetworkFileHandle, "the object was replaced while it was read")
}

/// Whether asking again may help.
fn is_passing(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::StaleNetworkFileHandle
    )
}

/// What went wrong, in words of ours: an answer of the server may repeat what was sent to it.
pub(crate) fn failed(error: &Error) -> io::Error {
    let of = |kind, what: &str| io::Error::new(kind, format!("{what} ({})", reason(error)));
    match error {
        Error::NotFound { .. } => of(io::ErrorKind::NotFound, "there is no such object or bucket"),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            of(io::ErrorKind::PermissionDenied, "the store refuses these credentials")
        }
        Error::Precondition { .. } => replaced(),
        _ => {
            of(io::ErrorKind::HostUnreachable, "the store cannot be reached or does not answer as it should")
        }
    }
}

/// The server's own code for the failure, or the last cause that the library names.
pub(crate) fn reason(error: &Error) -> String {
    let text = error.to_string();
    if let Some((_, rest)) = text.split_once("<Code>")
        && let Some((code, _)) = rest.split_once("</Code>")
        && code.chars().all(|c| c.is_ascii_alphanumeric())
    {
        return code.to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let plain = text.split(['<', '\n']).next().unwrap_or_default().trim_end_matches([':', ' ']);
    plain.chars().take(MAX_REASON).collect()
}
