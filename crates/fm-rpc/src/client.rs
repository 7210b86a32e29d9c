//! The client: one connection, many requests at a time.
//!
//! Invariants: no answer is read that is longer than whoever connected takes; one answer of a connection is in memory at
//! a time, until it was looked at; who sends what nobody asked for is closed; a connection that nobody waits for holds no
//! more than a named number of bytes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, Utf8Bytes, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::http::PASS_HEADER;
use crate::message::{RpcError, encode_params, read_response, read_response_id, write_request};

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Requests without an answer, at most; a server that leaves more of them is not worth asking.
const MAX_OPEN: usize = 256;
/// What is read from a connection at a time.
const READ_BYTES: usize = 32 << 10;

/// A connection keeps the room that its longest answer took. After an answer of more than this it is closed, unless
/// somebody waits for another one.
const KEPT_BYTES: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server cannot be reached.
    #[error("cannot connect to {url}")]
    Connect {
        /// Its address.
        url: String,
        /// Why not.
        source: Box<SocketError>,
    },
    /// The server does not answer in time.
    #[error("{url} does not answer in time")]
    TimedOut {
        /// Its address.
        url: String,
    },
    /// The connection broke.
    #[error("the connection to {url} is closed")]
    Closed {
        /// Its address.
        url: String,
    },
    /// An answer is longer than whoever connected takes; the connection is closed.
    #[error("{url} answers with more than is taken")]
    TooLong {
        /// Its address.
        url: String,
    },
    /// The server answers with an error.
    #[error("{url} refuses: {source}")]
    Refused {
        /// Its address.
        url: String,
        /// What it says.
        source: RpcError,
    },
    /// The answer is not what was asked for.
    #[error("{url} answers {method} with something else than it was asked for")]
    Unreadable {
        /// Its address.
        url: String,
        /// What it was asked.
        method: String,
    },
}

/// How to connect.
#[derive(Debug, Clone, Default)]
pub struct Dial {
    /// The longest answer that is read, in bytes of its text.
    pub longest_answer: usize,
    /// A guardian's pass, to be shown to another one.
    pub pass: Option<String>,
}

/// An answer; the connection gives the next one when this is dropped.
pub struct Answer {
    text: Utf8Bytes,
    _held: oneshot::Sender<()>,
}

type Waiting = oneshot::Sender<Answer>;

/// A connection to a server; it is closed when this goes.
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
    /// If it cannot be reached.
    pub async fn connect(url: &str, dial: &Dial) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { url: url.to_owned(), source: Box::new(source) };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(dial.longest_answer))
            .max_frame_size(Some(dial.longest_answer));
        let mut request = url.into_client_request().map_err(failed)?;
        if let Some(pass) = dial.pass.as_ref().and_then(|pass| HeaderValue::from_str(pass).ok()) {
            request.headers_mut().insert(PASS_HEADER, pass);
        }
        let connect = connect_async_with_config(request, Some(config), true);
        let (socket, _) = timeout(CONNECT_TIME, connect)
            .await
            .map_err(|_| ClientError::TimedOut { url: url.to_owned() })?
            .map_err(failed)?;
        let (requests, queue) = mpsc::channel(16);
        let was_too_long = Arc::<AtomicBool>::default();
        let task = tokio::spawn(talk(socket, queue, was_too_long.clone()));
        Ok(Self { url: url.to_owned(), requests, next: AtomicU64::new(0), was_too_long, task })
    }

    /// Asks, and waits for the answer no longer than that.
    ///
    /// # Errors
    /// If there is no answer, it is an error, or not of that type.
    pub async fn request<T: DeserializeOwned>(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<T, ClientError> {
        self.request_and_hold(method, auth, params, patience).await.map(|(result, _)| result)
    }

    /// The same, and what keeps the next answer back: for answers that are large.
    ///
    /// # Errors
    /// As above.
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
        // What is held back is the next answer, not this one's text.
        answer.text = Utf8Bytes::default();
        Ok((result?, answer))
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.task.is_finished()
    }
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
            // Those who did not want to wait any longer stay: their answers may still come.
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
            // Whoever asked may not wait any longer; then nobody looks at it.
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
