//! The client: one connection, many requests at a time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::message::{RpcError, encode_params, read_response, write_request};

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The longest answer that is read: a session of the greatest size that servers read, in hex, and what is around it.
const MAX_ANSWER_BYTES: usize = 33 << 20;

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
    /// The server answers with an error.
    #[error("{url} refuses: {source}")]
    Refused {
        /// Its address.
        url: String,
        /// What it says.
        source: RpcError,
    },
}

type Answer = oneshot::Sender<Result<Value, RpcError>>;

/// A connection to a server; it is closed when this goes.
#[derive(Debug)]
pub struct Client {
    url: String,
    requests: mpsc::Sender<(u64, String, Answer)>,
    next: AtomicU64,
    task: JoinHandle<()>,
}

impl Client {
    /// Connects to the server at a `ws://` or `wss://` address.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_ANSWER_BYTES))
            .max_frame_size(Some(MAX_ANSWER_BYTES));
        let connect = connect_async_with_config(url, Some(config), true);
        let (socket, _) = timeout(CONNECT_TIME, connect)
            .await
            .map_err(|_| ClientError::TimedOut { url: url.to_owned() })?
            .map_err(|source| ClientError::Connect { url: url.to_owned(), source: Box::new(source) })?;
        let (requests, queue) = mpsc::channel(16);
        let task = tokio::spawn(talk(socket, queue));
        Ok(Self { url: url.to_owned(), requests, next: AtomicU64::new(0), task })
    }

    /// Asks, and waits for the answer no longer than that.
    ///
    /// # Errors
    /// If there is no answer, or it is an error.
    pub async fn request(
        &self,
        method: &str,
        auth: Option<&str>,
        params: &Value,
        patience: Duration,
    ) -> Result<Value, ClientError> {
        let closed = || ClientError::Closed { url: self.url.clone() };
        let id = self.next.fetch_add(1, Relaxed);
        let (answer, wait) = oneshot::channel();
        let text = write_request(id, method, &encode_params(auth, params));
        let ask = async {
            self.requests.send((id, text, answer)).await.map_err(|_| closed())?;
            wait.await.map_err(|_| closed())
        };
        let answer = timeout(patience, ask).await;
        answer
            .map_err(|_| ClientError::TimedOut { url: self.url.clone() })??
            .map_err(|source| ClientError::Refused { url: self.url.clone(), source })
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
    mut requests: mpsc::Receiver<(u64, String, Answer)>,
) {
    let (mut to, mut from) = socket.split();
    let waiting: Mutex<HashMap<u64, Answer>> = Mutex::default();
    let table = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let write = async {
        while let Some((id, text, answer)) = requests.recv().await {
            // Those who did not want to wait any longer.
            table().retain(|_, answer| !answer.is_closed());
            table().insert(id, answer);
            if to.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        while let Some(Ok(message)) = from.next().await {
            let Message::Text(text) = message else { continue };
            let Some((id, answer)) = read_response(&text) else { return };
            if let Some(waiting) = table().remove(&id) {
                // It did not want to wait any longer.
                let _ = waiting.send(answer);
            }
        }
    };
    tokio::select! {
        () = write => (),
        () = read => (),
    }
}
