//! Guardians that serve a given history over their interfaces: honest ones, and ones that lie or break off.
//!
//! What an honest one answers is what servers of 0.5 and 0.13 answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use fm_client::{wrap_base64, wrap_bytes};
use fm_codec::{Dialect, Encode, Writer, decode_exact};
use fm_crypto::ConsensusConfig;
use fm_eras::session::SIGNED_SESSION_OUTCOME;
use fm_history::{AcceptedItem, HistoryRoot, SessionParts, SignedSession};
use fm_rows::RowSource;
use fm_rpc::{Limits, Request, RpcError, Service, Turn, serve};
use fm_store::ReadStore;
use futures::future::BoxFuture;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// How a guardian behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It serves what it has.
    None,
    /// It is not there.
    Down,
    /// A signature of every record is another one.
    ForgedSignature,
    /// The last item of every record is missing.
    CutList,
    /// It returns the record of the session before.
    OtherSession,
    /// Its answers are of another type.
    Nonsense,
    /// It claims to have finished every session.
    FarAhead,
    /// It has finished this many sessions less.
    Lags(u64),
    /// It never answers when it is asked for a record.
    Silent,
    /// It states other keys than the others.
    OtherKeys,
    /// It states no keys, as guardians before v0.4.
    NoKeys,
    /// It states one key, its own, as if it were the only guardian.
    OwnKey,
    /// It repeats the last items of a list so that the header stays the same.
    Repeats,
    /// It sends one byte a second once it was asked for a record.
    Drip,
    /// It sends without end once it was asked for a record.
    Endless,
    /// It closes the connection in the middle of every large answer.
    ClosesMidFrame,
    /// It answers after this many milliseconds.
    Slow(u64),
    /// It wants a secret that nobody knows.
    Secret,
    /// It is reached over TLS, with a certificate that it made itself for this host.
    OwnCertificate,
    /// It serves what it has, and states history roots, as `fm-node` does.
    Roots,
    /// It also states history roots. From this session on, it repeats the last items of lists.
    PartsAt(u64),
    /// It states history roots that are not those of what it serves.
    WrongRoots,
}

/// The guardians of one federation; they serve until this value is dropped.
pub struct Served {
    /// Their addresses, by number.
    pub urls: Vec<String>,
    /// The federation's id.
    pub federation: Vec<u8>,
    /// How many records were requested of each.
    pub asked: Vec<Arc<AtomicU64>>,
    /// How many history roots were requested of each.
    pub asked_roots: Vec<Arc<AtomicU64>>,
    _runtime: Runtime,
}

struct Guardian {
    lie: Lie,
    records: Arc<Vec<Vec<u8>>>,
    config: Value,
    /// The minor version of the interface.
    api: u32,
    asked: Arc<AtomicU64>,
    asked_roots: Arc<AtomicU64>,
}

impl Served {
    /// Serves the sessions of a database, as guardians with these keys and an interface of version 0.`api`.
    pub fn start(database: &Path, keys: &Path, api: u32, lies: &[Lie]) -> Self {
        Self::of(records_of(database), keys, api, lies)
    }

    /// Serves the same, but not the newest session.
    pub fn without_newest(database: &Path, keys: &Path, api: u32, lies: &[Lie]) -> Self {
        let mut records = records_of(database);
        records.pop();
        Self::of(records, keys, api, lies)
    }

    fn of(records: Vec<Vec<u8>>, keys: &Path, api: u32, lies: &[Lie]) -> Self {
        let records = Arc::new(records);
        let keys = fs::read_to_string(keys).expect("there are keys");
        let keys: Value = serde_json::from_str(&keys).expect("keys are JSON");
        let runtime = Runtime::new().expect("there are threads");
        let _inside = runtime.enter();
        let listeners: Vec<TcpListener> = lies
            .iter()
            .map(|_| runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a port"))
            .collect();
        let url = |(listener, lie): (&TcpListener, &Lie)| {
            let scheme = if *lie == Lie::OwnCertificate { "wss" } else { "ws" };
            format!("{scheme}://{}/", listener.local_addr().expect("it listens"))
        };
        let urls: Vec<String> = listeners.iter().zip(lies).map(url).collect();
        let (mut asked, mut asked_roots) = (Vec::new(), Vec::new());
        let honest = ConsensusConfig::of_client(&client_config(&urls, &keys, Lie::None));
        let federation = honest.ok().and_then(|config| config.federation()).expect("plain addresses");
        for (listener, lie) in listeners.into_iter().zip(lies) {
            let [count, roots] = [(); 2].map(|()| Arc::<AtomicU64>::default());
            asked.push(count.clone());
            asked_roots.push(roots.clone());
            let config = client_config(&urls, &keys, *lie);
            let records = records.clone();
            let guardian = Guardian { lie: *lie, records, config, api, asked: count, asked_roots: roots };
            match lie {
                Lie::Down => drop(listener),
                Lie::Drip | Lie::Endless | Lie::ClosesMidFrame => {
                    runtime.spawn(badly(listener, guardian, *lie));
                }
                Lie::Secret => drop(runtime.spawn(unauthorized(listener))),
                Lie::OwnCertificate => drop(runtime.spawn(self_signed(listener))),
                _ => drop(runtime.spawn(serve(listener, Arc::new(guardian), Limits::default()))),
            }
        }
        Self { urls, federation, asked, asked_roots, _runtime: runtime }
    }
}

fn records_of(database: &Path) -> Vec<Vec<u8>> {
    let store = ReadStore::open(database).expect("the database opens");
    let rows = RowSource::scan_prefix(&store, SIGNED_SESSION_OUTCOME);
    rows.map(|row| row.expect("a row").1).collect()
}

fn client_config(urls: &[String], keys: &Value, lie: Lie) -> Value {
    let endpoint = |(peer, url): (usize, &String)| {
        (peer.to_string(), json!({ "url": url, "name": format!("guardian-{peer}") }))
    };
    let endpoints: BTreeMap<String, Value> = urls.iter().enumerate().map(endpoint).collect();
    let mut keys = keys.clone();
    if lie == Lie::OtherKeys {
        let first = keys["0"].clone();
        keys["0"] = keys["1"].clone();
        keys["1"] = first;
    }
    if lie == Lie::NoKeys {
        keys = Value::Null;
    }
    if lie == Lie::OwnKey {
        keys = json!({ "0": keys["0"] });
    }
    json!({
        "api_endpoints": endpoints,
        "broadcast_public_keys": keys,
        "consensus_version": { "major": 2, "minor": 0 },
        "meta": { "federation_name": "served" },
        "modules": { "0": { "kind": "dummy", "version": { "major": 0, "minor": 0 }, "config": "00" } },
    })
}

impl Guardian {
    fn count(&self) -> u64 {
        let count = self.records.len() as u64;
        match self.lie {
            Lie::FarAhead => u64::MAX,
            Lie::Lags(lag) => count - lag,
            _ => count,
        }
    }

    async fn record(&self, session: u64) -> Result<Vec<u8>, RpcError> {
        self.asked.fetch_add(1, Relaxed);
        let missing = || RpcError::new(RpcError::NOT_FOUND, "there is no such session");
        let number = usize::try_from(session).ok().filter(|_| session < self.count());
        let mut record = number.and_then(|number| self.records.get(number)).cloned().ok_or_else(missing)?;
        match self.lie {
            Lie::Silent => std::future::pending().await,
            // The last bytes are those of a signature.
            Lie::ForgedSignature => *record.last_mut().expect("a record has bytes") ^= 1,
            Lie::OtherSession => {
                let number = number.unwrap_or_default().saturating_sub(1);
                record.clone_from(&self.records[number]);
            }
            Lie::Repeats => record = with_items(&record, repeat_last).unwrap_or(record),
            Lie::PartsAt(first) if session >= first => {
                record = with_items(&record, repeat_last).unwrap_or(record);
            }
            Lie::CutList => {
                record = with_items(&record, |items| items.pop().map(drop)).unwrap_or(record);
            }
            Lie::Slow(millis) => sleep(Duration::from_millis(millis)).await,
            _ => {}
        }
        Ok(record)
    }

    /// Returns the history root after the first sessions.
    fn root(&self, sessions: u64) -> Option<Value> {
        self.asked_roots.fetch_add(1, Relaxed);
        let mut root = HistoryRoot::new();
        for (session, record) in (0..sessions).zip(self.records.iter()) {
            let is_other = matches!(self.lie, Lie::PartsAt(first) if session >= first);
            let other = is_other.then(|| with_items(record, repeat_last)).flatten();
            let record = other.as_ref().unwrap_or(record);
            let mut leaf = SessionParts::read(record).expect("a session").leaf(session);
            leaf.items += u64::from(self.lie == Lie::WrongRoots && session >= 5);
            root.push(leaf);
        }
        let is_there = sessions <= self.count();
        is_there.then(|| json!({ "sessions": sessions, "root": root.root(), "peaks": root.peaks() }))
    }
}

/// Changes the items of a record; `None` if `change` does not apply to them.
fn with_items(record: &[u8], change: impl FnOnce(&mut Vec<AcceptedItem>) -> Option<()>) -> Option<Vec<u8>> {
    let mut session: SignedSession = decode_exact(record, Dialect::MODERN).ok()?;
    change(&mut session.outcome.items)?;
    Some(session.to_bytes(Dialect::MODERN))
}

/// Repeats the last item, which keeps the header if the number of items is odd.
fn repeat_last(items: &mut Vec<AcceptedItem>) -> Option<()> {
    let last = items.last().filter(|_| items.len() % 2 == 1 && items.len() > 1)?.clone();
    items.push(last);
    Some(())
}

impl Service for Guardian {
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        _: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(async move {
            let session = request.params.as_u64().unwrap_or(u64::MAX);
            let is_nonsense = self.lie == Lie::Nonsense;
            match request.method.as_str() {
                "session_count" => Ok(json!(self.count())),
                "client_config" => Ok(self.config.clone()),
                "version" => {
                    let api = json!([{ "major": 0, "minor": self.api }]);
                    Ok(
                        json!({ "core": { "core_consensus": { "major": 2, "minor": 0 }, "api": api }, "modules": {} }),
                    )
                }
                "await_signed_session_outcome" | "signed_session_status" if is_nonsense => Ok(json!(["zz"])),
                "await_signed_session_outcome" => Ok(wrap_bytes(&self.record(session).await?)),
                "signed_session_status" if self.api >= 5 => {
                    let record = self.record(session).await?;
                    let mut status = Writer::new(Dialect::MODERN);
                    status.variant(2, |status| status.raw(&record));
                    Ok(wrap_base64(status.as_bytes()))
                }
                "server_config_consensus_hash" => Ok(json!("ab".repeat(32))),
                "api_announcements" => Ok(json!({})),
                "history_root" if matches!(self.lie, Lie::Roots | Lie::PartsAt(_) | Lie::WrongRoots) => self
                    .root(session)
                    .ok_or_else(|| RpcError::new(RpcError::NOT_FOUND, "the sessions are not finished")),
                _ => Err(RpcError::new(RpcError::NO_METHOD, "no such method")),
            }
        })
    }
}

/// Passes on what an honest guardian says, and spoils what it answers to requests for records.
async fn badly(listener: TcpListener, guardian: Guardian, lie: Lie) {
    let inner = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let to = inner.local_addr().expect("it listens");
    tokio::spawn(serve(inner, Arc::new(guardian), Limits::default()));
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(to).await else { return };
            let _ = spoil(client, server, lie).await;
        });
    }
}

/// Answers with a record are longer than this, in bytes.
const LARGE: usize = 600;

async fn spoil(client: TcpStream, server: TcpStream, lie: Lie) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from_server.read(&mut bytes).await?;
        if count == 0 {
            break;
        }
        // What is said of the federation is longer, and comes over the same kind of connection.
        let is_record = count > LARGE && !bytes[..count].windows(13).any(|part| part == b"api_endpoints");
        match lie {
            Lie::ClosesMidFrame if is_record => {
                to_client.write_all(&bytes[..count / 2]).await?;
                break;
            }
            Lie::Drip if is_record => {
                for byte in &bytes[..count] {
                    to_client.write_all(&[*byte]).await?;
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Lie::Endless if is_record => {
                // A text frame of 2^40 bytes.
                to_client.write_all(&[0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]).await?;
                loop {
                    to_client.write_all(&[b'['; 4096]).await?;
                }
            }
            _ => to_client.write_all(&bytes[..count]).await?,
        }
    }
    up.abort();
    Ok(())
}

/// Refuses every connection as servers with an API secret do.
async fn unauthorized(listener: TcpListener) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut head = [0; 4096];
        let _ = client.read(&mut head).await;
        let _ = client.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    }
}

/// Shows a certificate that nobody else issued.
async fn self_signed(listener: TcpListener) {
    let name = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(name).expect("a certificate can be made");
    let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("key and certificate fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((client, _)) = listener.accept().await {
        let _ = acceptor.accept(client).await;
    }
}
