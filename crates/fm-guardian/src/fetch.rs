//! What other guardians have finished, over their interfaces.
//!
//! Invariants: nothing that is fetched here is believed, the machine proves it; a guardian whose answer did not hold,
//! or that does not give what it says it has, is not asked for a while; memory for what is fetched ahead is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fm_codec::{Dialect, Reader};
use fm_peers::jittered;
use fm_rpc::{Client, ClientError};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tracing::debug;

/// Between two questions how many sessions a guardian has finished.
const ASK_AFTER: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
const FETCH_PATIENCE: Duration = Duration::from_secs(10);
/// Guardians finish a session within so much of each other when all goes well.
const GRACE: Duration = Duration::from_millis(500);
/// How long a guardian that misled is not asked.
const DISTRUST: Duration = Duration::from_secs(60);
/// Sessions that are fetched ahead, at most.
const AHEAD: usize = 16;

struct Source {
    url: String,
    client: Mutex<Option<Arc<Client>>>,
    distrusted: Mutex<Option<Instant>>,
    /// How many sessions it says it has finished.
    count: watch::Sender<u64>,
    /// Whether it answered when it was asked last.
    answers: AtomicBool,
    /// Whether it was asked.
    asked: AtomicBool,
}

/// A record that a guardian gave.
pub(crate) struct Fetched {
    pub(crate) peer: u16,
    pub(crate) session: u64,
    pub(crate) record: Vec<u8>,
}

/// The other guardians as sources.
pub(crate) struct Fetcher {
    /// So many guardians are not all liars.
    honest: usize,
    sources: BTreeMap<u16, Arc<Source>>,
    changed: watch::Receiver<()>,
    _tasks: JoinSet<()>,
}

impl Fetcher {
    /// Asks the guardians at these addresses again and again how far they are.
    ///
    /// Of `honest` guardians one at least says the truth.
    pub(crate) fn start(urls: BTreeMap<u16, String>, honest: usize) -> Self {
        let (change, changed) = watch::channel(());
        let change = Arc::new(change);
        let mut tasks = JoinSet::new();
        let mut sources = BTreeMap::new();
        for (peer, url) in urls {
            let source = Source {
                url,
                client: Mutex::default(),
                distrusted: Mutex::default(),
                count: watch::Sender::new(0),
                answers: AtomicBool::new(true),
                asked: AtomicBool::new(false),
            };
            let source = Arc::new(source);
            tasks.spawn(watch_count(source.clone(), change.clone()));
            sources.insert(peer, source);
        }
        Self { honest, sources, changed, _tasks: tasks }
    }

    /// The guardians that say they have finished that session, furthest ahead first.
    fn ahead(&self, session: u64) -> Vec<u16> {
        let mut ahead: Vec<_> = self
            .sources
            .iter()
            .map(|(peer, source)| (*source.count.borrow(), *peer, source.is_trusted()))
            .filter(|(count, _, trusted)| *trusted && *count > session)
            .collect();
        ahead.sort_unstable_by_key(|(count, ..)| std::cmp::Reverse(*count));
        ahead.into_iter().map(|(_, peer, _)| peer).collect()
    }

    /// How many sessions a guardian says it has finished.
    fn count(&self, peer: u16) -> u64 {
        self.sources.get(&peer).map_or(0, |source| *source.count.borrow())
    }

    /// Waits until every guardian was asked how far it is, but no longer than that.
    pub(crate) async fn first_look(&self, patience: Duration) {
        let mut changed = self.changed.clone();
        let looked = async {
            while !self.sources.values().all(|source| source.asked.load(Relaxed)) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whether all answered makes no difference.
        let _ = tokio::time::timeout(patience, looked).await;
    }

    /// The record of a session that others finished a while ago; before that, ordering finishes it sooner.
    pub(crate) async fn late_outcome(&self, session: u64) -> Fetched {
        let mut changed = self.changed.clone();
        while self.ahead(session).is_empty() {
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        sleep(jittered(GRACE)).await;
        self.outcome(session).await
    }

    /// The record of a session, once a guardian has it.
    pub(crate) async fn outcome(&self, session: u64) -> Fetched {
        let mut changed = self.changed.clone();
        loop {
            for peer in self.ahead(session) {
                match self.sources[&peer].fetch(session).await {
                    Ok(record) => return Fetched { peer, session, record },
                    Err(reason) => {
                        debug!(guardian = peer, session, reason, "no outcome");
                        self.distrust(peer);
                    }
                }
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until every guardian that answers says it has finished so many sessions.
    pub(crate) async fn all_have(&self, sessions: u64) {
        let mut changed = self.changed.clone();
        let has = |source: &Arc<Source>| *source.count.borrow() >= sessions || !source.answers.load(Relaxed);
        while !self.sources.values().all(has) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Does not ask a guardian for a while.
    pub(crate) fn distrust(&self, peer: u16) {
        if let Some(source) = self.sources.get(&peer) {
            *source.distrusted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// The records from a session on that so many others say they have that it must be true, in order.
    pub(crate) fn catch_up(&self, from: u64) -> CatchUp<'_> {
        CatchUp { fetcher: self, next: from, pending: VecDeque::new() }
    }
}

/// A question that was asked: of whom, about which session, and the answer.
type Asked = (u16, u64, JoinHandle<Result<Vec<u8>, String>>);

/// Fetches ahead, from all guardians that are ahead, each in its turn.
pub(crate) struct CatchUp<'a> {
    fetcher: &'a Fetcher,
    next: u64,
    pending: VecDeque<Asked>,
}

impl CatchUp<'_> {
    /// The next record; none if nobody has one, or who said so does not give it.
    pub(crate) async fn next(&mut self) -> Option<Fetched> {
        self.fill();
        let (peer, session, task) = self.pending.pop_front()?;
        let record = task.await.unwrap_or_else(|error| Err(error.to_string()));
        match record {
            Ok(record) => Some(Fetched { peer, session, record }),
            Err(reason) => {
                debug!(guardian = peer, session, reason, "no outcome");
                self.fetcher.distrust(peer);
                // What was asked of others behind it is asked again.
                self.pending.iter().for_each(|(.., task)| task.abort());
                self.pending.clear();
                self.next = session;
                Box::pin(self.next()).await
            }
        }
    }

    fn fill(&mut self) {
        while self.pending.len() < AHEAD {
            let ahead = self.fetcher.ahead(self.next);
            // Waiting for these keeps the node from ordering: a single guardian must not be able to cause it.
            if ahead.len() < self.fetcher.honest {
                return;
            }
            let turn = usize::try_from(self.next).unwrap_or_default().checked_rem(ahead.len());
            let Some(peer) = turn.map(|turn| ahead[turn]) else { return };
            let (source, session) = (self.fetcher.sources[&peer].clone(), self.next);
            debug_assert!(self.fetcher.count(peer) > session);
            self.pending.push_back((peer, session, tokio::spawn(async move { source.fetch(session).await })));
            self.next += 1;
        }
    }
}

impl Drop for CatchUp<'_> {
    fn drop(&mut self) {
        self.pending.iter().for_each(|(.., task)| task.abort());
    }
}

impl Source {
    fn is_trusted(&self) -> bool {
        let since = *self.distrusted.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_none_or(|since| since.elapsed() > DISTRUST)
    }

    async fn client(&self) -> Result<Arc<Client>, ClientError> {
        let known = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(client) = known.filter(|client| !client.is_closed()) {
            return Ok(client);
        }
        let client = Arc::new(Client::connect(&self.url).await?);
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    async fn ask(&self, method: &str, params: &Value, patience: Duration) -> Result<Value, String> {
        let client = self.client().await.map_err(|error| error.to_string())?;
        client.request(method, None, params, patience).await.map_err(|error| error.to_string())
    }

    async fn fetch(&self, session: u64) -> Result<Vec<u8>, String> {
        let answer = self.ask("await_signed_session_outcome", &json!(session), FETCH_PATIENCE).await?;
        unwrap_encoding(&answer).ok_or_else(|| "the answer is no encoded record".to_owned())
    }
}

async fn watch_count(source: Arc<Source>, change: Arc<watch::Sender<()>>) {
    loop {
        match source.ask("session_count", &Value::Null, PATIENCE).await {
            Ok(count) => {
                source.answers.store(true, Relaxed);
                source.count.send_replace(count.as_u64().unwrap_or_default());
            }
            Err(reason) => {
                debug!(url = source.url, reason, "no answer");
                source.answers.store(false, Relaxed);
            }
        }
        source.asked.store(true, Relaxed);
        change.send_replace(());
        sleep(jittered(ASK_AFTER)).await;
    }
}

/// The bytes in the JSON wrapper of encoded values: a list of one text, the hex of the bytes behind their length.
pub(crate) fn unwrap_encoding(value: &Value) -> Option<Vec<u8>> {
    let [Value::String(text)] = value.as_array()?.as_slice() else { return None };
    let bytes = hex::decode(text).ok()?;
    let mut reader = Reader::new(&bytes, Dialect::MODERN);
    let inner = reader.bytes().ok()?.to_vec();
    reader.finish().ok()?;
    Some(inner)
}

#[cfg(test)]
mod tests {
    use fm_rpc::{Limits, Page, Request, RpcError, Service, serve};
    use futures::future::BoxFuture;
    use tokio::net::TcpListener;

    use super::*;

    /// A guardian that says it is far ahead, and gives nothing that anyone could use.
    struct Liar;

    impl Service for Liar {
        fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Value, RpcError>> {
            Box::pin(async move {
                match request.method.as_str() {
                    "session_count" => Ok(json!(u64::MAX)),
                    _ => Ok(json!(["zz"])),
                }
            })
        }

        fn page(&self, _: &str) -> Option<Page> {
            None
        }
    }

    async fn liars(count: u16) -> Fetcher {
        let mut urls = BTreeMap::new();
        for peer in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.insert(peer, format!("ws://{}/", listener.local_addr().unwrap()));
            tokio::spawn(serve(listener, Arc::new(Liar), Limits::default()));
        }
        let fetcher = Fetcher::start(urls, 2);
        fetcher.first_look(Duration::from_secs(10)).await;
        fetcher
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_gives_nothing_is_not_asked_again_and_one_alone_not_even_waited_for() {
        let fetcher = liars(1).await;
        assert_eq!(fetcher.ahead(7), [0]);
        assert!(fetcher.catch_up(7).next().await.is_none());
        assert_eq!(fetcher.ahead(7), [0], "it was not asked");
        let fetcher = liars(3).await;
        assert!(fetcher.catch_up(7).next().await.is_none());
        assert!(fetcher.ahead(7).len() < 2);
    }

    #[test]
    fn only_wrapped_bytes_are_unwrapped() {
        assert_eq!(unwrap_encoding(&json!(["02abcd"])), Some(vec![0xAB, 0xCD]));
        assert_eq!(unwrap_encoding(&json!(["00"])), Some(Vec::new()));
        for value in [
            json!("00"),
            json!([]),
            json!(["0"]),
            json!(["01"]),
            json!(["0001"]),
            json!(["00", "00"]),
            json!([0]),
        ] {
            assert_eq!(unwrap_encoding(&value), None, "{value}");
        }
    }
}
