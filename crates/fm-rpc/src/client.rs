//! The client: one connection, many requests at a time.
//!
//! Invariants: an answer above the length in [`Dial`] is not read. One answer of a connection is in memory at
//! a time, until the caller has read it. A server that sends what nobody requested is disconnected. A
//! connection without waiting requests holds no more than a named number of bytes.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, Utf8Bytes, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use zeroize::Zeroizing;

use crate::certificate::distrust;
use crate::http::PASS_HEADER;
use crate::message::{RpcError, encode_params, read_response, read_response_id, write_request};

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The most requests without an answer; a server that leaves more unanswered is not worth asking.
const MAX_OPEN: usize = 256;
/// The size of one read from a connection.
const READ_BYTES: usize = 32 << 10;

/// The user in whose name an API secret is shown.
const API_USER: &str = "fedimint";
/// A connection keeps the memory of its longest answer. After an answer above this size it is closed, unless
/// another request is waiting.
const KEPT_BYTES: usize = 1 << 20;

/// The reason that there is no answer.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server cannot be reached.
    #[error("cannot connect to {url}")]
    Connect { url: String, source: Box<SocketError> },
    /// The certificate of the server is not trusted.
    #[error("the certificate of {url} is not trusted: {reason}")]
    Untrusted { url: String, reason: &'static str },
    /// The server cannot be reached by something other than a WebSocket.
    #[error("cannot connect to {url}")]
    Reach { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The server lets only those in who know the federation's API secret, and was given none or another one.
    #[error("{url} wants the federation's API secret, or another one than it was given")]
    Unauthorized { url: String },
    /// The server did not answer in time.
    #[error("{url} does not answer in time")]
    TimedOut { url: String },
    /// The connection broke.
    #[error("the connection to {url} is closed")]
    Closed { url: String },
    /// An answer is longer than [`Dial::longest_answer`]; the connection is closed.
    #[error("{url} answers with more than is taken")]
    TooLong { url: String },
    /// The server answered with an error.
    #[error("{url} refuses: {source}")]
    Refused { url: String, source: RpcError },
    /// The answer does not have the requested type.
    #[error("{url} answers {method} with something else than it was asked for")]
    Unreadable { url: String, method: String },
}

/// The parameters of a connection.
#[derive(Clone, Default)]
pub struct Dial {
    /// The longest answer that is read, in bytes of its text.
    pub longest_answer: usize,
    /// A guardian's pass for another guardian.
    pub pass: Option<String>,
    /// The API secret of a federation that lets only those in who know it. It goes only to the server that is
    /// dialled, in the handshake.
    pub api_secret: Option<Arc<Zeroizing<String>>>,
}

/// Leaves the secrets out.
impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("longest_answer", &self.longest_answer).finish_non_exhaustive()
    }
}

/// An answer; the connection reads the next answer when this value is dropped.
pub struct Answer {
    text: Utf8Bytes,
    _held: oneshot::Sender<()>,
}

type Waiting = oneshot::Sender<Answer>;

/// A connection to a server; it is closed when this value is dropped.
#[derive(Debug)]
pub struct Client {
    url: String,
    requests: mpsc::Sender<(u64, String, Waiting)>,
    next: AtomicU64,
    was_too_long: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Client {
    /// Connects to the server at a `ws://` or `wss://` address.
    ///
    /// # Errors
    /// Fails if the server cannot be reached.
    pub async fn connect(url: &str, dial: &Dial) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { url: url.to_owned(), source: Box::new(source) };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(dial.longest_answer))
            .max_frame_size(Some(dial.longest_answer));
        let mut request = url.into_client_request().map_err(failed)?;
        if let Some(secret) = &dial.api_secret {
            request.headers_mut().insert(AUTHORIZATION, basic(secret));
        }
        if let Some(pass) = dial.pass.as_ref().and_then(|pass| HeaderValue::from_str(pass).ok()) {
            request.headers_mut().insert(PASS_HEADER, pass);
        }
        let connect = connect_async_with_config(request, Some(config), true);
        let (socket, _) = timeout(CONNECT_TIME, connect)
            .await
            .map_err(|_| ClientError::TimedOut { url: url.to_owned() })?
            .map_err(|error| match error {
                SocketError::Http(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
                    ClientError::Unauthorized { url: url.to_owned() }
                }
                error => match distrust(&error) {
                    Some(reason) => ClientError::Untrusted { url: url.to_owned(), reason },
                    None => failed(error),
                },
            })?;
        let (requests, queue) = mpsc::channel(16);
        let was_too_long = Arc::<AtomicBool>::default();
        let task = tokio::spawn(talk(socket, queue, was_too_long.clone()));
        Ok(Self { url: url.to_owned(), requests, next: AtomicU64::new(0), was_too_long, task })
    }

    /// Sends a request, and waits for the answer for at most this time.
    ///
    /// # Errors
    /// Fails if there is no answer, or if it is an error or does not have the requested type.
    pub async fn request<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<T, ClientError> {
        self.request_and_hold(method, auth, params, patience).await.map(|(result, _)| result)
    }

    /// Does the same, and also returns a value that holds the next answer back: for large answers.
    ///
    /// # Errors
    /// Fails as [`request`](Self::request) does.
    pub async fn request_and_hold<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<(T, Answer), ClientError> {
        let closed = || match self.was_too_long.load(Relaxed) {
            true => ClientError::TooLong { url: self.url.clone() },
            false => ClientError::Closed { url: self.url.clone() },
        };
        let id = self.next.fetch_add(1, Relaxed);
        let (answer, wait) = oneshot::channel();
        let text = write_request(id, method, &encode_params(auth, params));
        let ask = async {
            self.requests.send((id, text, answer)).await.map_err(|_| closed())?;
            wait.await.map_err(|_| closed())
        };
        let answer = timeout(patience, ask).await;
        let mut answer = answer.map_err(|_| ClientError::TimedOut { url: self.url.clone() })??;
        let (url, method) = (self.url.clone(), method.to_owned());
        let result = match read_response(&answer.text) {
            None => Err(ClientError::Unreadable { url, method }),
            Some(read) => read.map_err(|source| ClientError::Refused { url, source }),
        };
        // The value holds the next answer back; the text of this answer is no longer needed.
        answer.text = Utf8Bytes::default();
        Ok((result?, answer))
    }

    /// Returns the server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether the connection is closed.
    pub fn is_closed(&self) -> bool {
        self.task.is_finished()
    }
}

/// Returns the header that shows an API secret. Source: fedimint-api-client 0.13.0, src/api/mod.rs.
fn basic(secret: &str) -> HeaderValue {
    let credentials = Zeroizing::new(format!("{API_USER}:{secret}"));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(credentials.as_bytes())));
    let mut value = HeaderValue::from_str(&text).expect("base64 is text that a header may hold");
    value.set_sensitive(true);
    value
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    mut requests: mpsc::Receiver<(u64, String, Waiting)>,
    was_too_long: Arc<AtomicBool>,
) {
    let (mut to, mut from) = socket.split();
    let waiting: Mutex<HashMap<u64, Waiting>> = Mutex::default();
    let table = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let write = async {
        while let Some((id, text, answer)) = requests.recv().await {
            // Entries of callers that no longer wait stay: their answers may still come.
            table().insert(id, answer);
            if table().len() > MAX_OPEN || to.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        while let Some(message) = from.next().await {
            let text = match message {
                Ok(Message::Text(text)) => text,
                Ok(_) => continue,
                Err(error) => {
                    was_too_long.store(matches!(error, SocketError::Capacity(_)), Relaxed);
                    return;
                }
            };
            let Some(waiting) = read_response_id(&text).and_then(|id| table().remove(&id)) else { return };
            let length = text.len();
            let (held, looked_at) = oneshot::channel();
            // The caller may no longer wait; then the answer is dropped.
            let _ = waiting.send(Answer { text, _held: held });
            let _ = looked_at.await;
            if length > KEPT_BYTES && table().values().all(Waiting::is_closed) {
                return;
            }
        }
    };
    tokio::select! {
        () = write => (),
        () = read => (),
    }
}
