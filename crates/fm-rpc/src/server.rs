//! The server: a task per connection, a task per request.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use tracing::debug;

use crate::http::{Page, Wish, answer, wish};
use crate::message::{RpcError, read_call, write_response};

/// A client that does not say what it wants is dropped after this.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// A client that does not take an answer is dropped after this.
const STALL: Duration = Duration::from_secs(30);
/// Answers that wait for a client to take them.
const ANSWERS_AHEAD: usize = 4;
/// Requests that may be saved up, as time.
const BURST: Duration = Duration::from_secs(1);

/// A question to the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The guardian's password, if one was given; not checked yet.
    pub auth: Option<String>,
    /// The parameters.
    pub params: Value,
}

/// What answers.
pub trait Service: Send + Sync + 'static {
    /// Answers a request; may take as long as it wants, and is dropped when the client goes.
    fn call(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Value, RpcError>>;

    /// The page at a path, if there is one.
    fn page(&self, path: &str) -> Option<Page>;
}

/// What clients may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones are closed.
    pub connections: usize,
    /// Requests of a connection that are being answered at a time; further ones are answered with "busy".
    pub in_flight: usize,
    /// Requests of a connection in a second, in the long run; faster ones wait.
    pub per_second: u32,
    /// Bytes of a request.
    pub request_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 1000, in_flight: 64, per_second: 1000, request_bytes: 1 << 20 }
    }
}

/// Serves whoever connects, until it is dropped.
pub async fn serve(listener: TcpListener, service: Arc<impl Service>, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // The system refuses, for instance for want of file descriptors.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().try_acquire_owned() else {
            debug!(%address, "connection refused: too many");
            continue;
        };
        connections.spawn(greet(stream, service.clone(), limits, place));
    }
}

async fn greet(
    mut stream: TcpStream,
    service: Arc<impl Service>,
    limits: Limits,
    _place: OwnedSemaphorePermit,
) {
    let hello = async {
        stream.set_nodelay(true).ok()?;
        match wish(&mut stream).await.ok()? {
            Wish::Page(path) => answer(&mut stream, service.page(&path)).await.ok().and(None),
            Wish::Nothing => None,
            Wish::Upgrade => {
                let config = WebSocketConfig::default()
                    .max_message_size(Some(limits.request_bytes))
                    .max_frame_size(Some(limits.request_bytes));
                accept_async_with_config(stream, Some(config)).await.ok()
            }
        }
    };
    if let Ok(Some(socket)) = timeout(HELLO_TIME, hello).await {
        talk(socket, service, limits).await;
    }
}

async fn talk(socket: WebSocketStream<TcpStream>, service: Arc<impl Service>, limits: Limits) {
    let (mut to, mut from) = socket.split();
    let (answers, mut ready) = mpsc::channel::<Message>(ANSWERS_AHEAD);
    let mut tasks = JoinSet::new();
    let step = Duration::from_secs(1) / limits.per_second.max(1);
    let mut allowed = Instant::now();
    let read = async {
        while let Some(Ok(message)) = from.next().await {
            let now = Instant::now();
            allowed = allowed.max(now.checked_sub(BURST).unwrap_or(now)) + step;
            sleep_until(allowed).await;
            while tasks.try_join_next().is_some() {}
            let text = match &message {
                Message::Text(text) => text.as_str(),
                Message::Close(_) => return,
                // The library answers pings; nothing else is part of the protocol.
                _ => continue,
            };
            let (id, early) = match read_call(text) {
                Err((id, error)) => (id, error),
                Ok(call) if tasks.len() >= limits.in_flight => {
                    (call.id, RpcError::new(RpcError::BUSY, "too many requests at once"))
                }
                Ok(call) => {
                    let request = Request { method: call.method, auth: call.auth, params: call.params };
                    let (answer, answers) = (service.clone().call(request), answers.clone());
                    tasks.spawn(async move {
                        let answer = write_response(&call.id, answer.await);
                        // The client went away: nobody needs the answer.
                        let _ = answers.send(Message::text(answer)).await;
                    });
                    continue;
                }
            };
            if answers.send(Message::text(write_response(&id, Err(early)))).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some(answer) = ready.recv().await {
            if !matches!(timeout(STALL, to.send(answer)).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    tokio::select! {
        () = read => (),
        () = write => (),
    }
}
