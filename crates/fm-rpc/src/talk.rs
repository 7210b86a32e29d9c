//! A connection: its requests are answered concurrently, but their answers are made and sent one at a time.
//!
//! Invariant: at most one answer of a connection is in memory until the client has taken it; it is charged to
//! the client before it is made. A client that takes no answers is disconnected.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::aside::aside;
use crate::budget::{Budget, Charge};
use crate::message::{Call, RpcError, read_call, write_response};
use crate::metered::{Meter, Metered};
use crate::places::Ticket;
use crate::server::{Limits, Request, Service};

/// Refusals under way at a time, in addition to the answered requests; beyond that nothing more is read.
const REFUSALS: usize = 16;
/// The requests that may be saved up, as a time.
const BURST: Duration = Duration::from_secs(1);
/// The longest time for which an answer waits for room; then the client gets "busy".
const ROOM_TIME: Duration = Duration::from_secs(10);
/// Longer answers are sent in pieces of this size: a connection's send buffer keeps its size.
const PIECE: usize = 64 << 10;
/// An answer that takes more memory than this is made on a low-priority thread.
const LARGE: usize = 256 << 10;

type Sink = SplitSink<WebSocketStream<Metered>, Message>;

/// The right to make an answer: to hold it in memory, and to send it next.
#[derive(Debug)]
pub struct Turn {
    sink: Arc<Mutex<Sink>>,
    budget: Arc<Budget>,
    held: Option<(OwnedMutexGuard<Sink>, Arc<Charge>)>,
}

impl Turn {
    /// Waits for the turn, and for room for an answer that takes this many bytes of memory while it is made.
    ///
    /// # Errors
    /// Fails if there is no room for too long, because other clients do not take their answers.
    pub async fn take(&mut self, bytes: usize) -> Result<(), RpcError> {
        if self.held.is_none() {
            let sink = self.sink.clone().lock_owned().await;
            let charge = timeout(ROOM_TIME, self.budget.wait(bytes)).await;
            let busy = |_| RpcError::new(RpcError::BUSY, "too many answers wait to be taken");
            self.held = Some((sink, Arc::new(charge.map_err(busy)?)));
        }
        Ok(())
    }

    /// Runs a part of making the answer. A large answer is made on a low-priority thread, so that many
    /// requests for large answers delay nothing else. Its charge stays until the work is done, even if the
    /// client disconnects. Returns `None` if the work fails.
    pub async fn make<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let charge = self.held.as_ref().map(|(_, charge)| charge).filter(|charge| charge.bytes() > LARGE);
        let Some(charge) = charge.cloned() else { return Some(work()) };
        let charged = move || {
            let made = work();
            drop(charge);
            made
        };
        aside(charged).await
    }

    /// Sends the answer; returns false if the client does not take it.
    async fn send(self, text: String, stall: Duration) -> bool {
        let Some((mut sink, mut charge)) = self.held else {
            return write(&mut *self.sink.lock().await, text, stall).await;
        };
        // There is no other holder, unless the work was given up.
        if let Some(charge) = Arc::get_mut(&mut charge) {
            charge.shrink_to(text.len());
        }
        write(&mut sink, text, stall).await
    }
}

async fn write(sink: &mut Sink, text: String, stall: Duration) -> bool {
    if text.len() <= PIECE {
        return taken(sink.send(Message::text(text)), stall).await;
    }
    let text = Bytes::from(text);
    for start in (0..text.len()).step_by(PIECE) {
        let end = text.len().min(start + PIECE);
        let kind = if start == 0 { Data::Text } else { Data::Continue };
        let piece = Frame::message(text.slice(start..end), OpCode::Data(kind), end == text.len());
        if !taken(sink.send(Message::Frame(piece)), stall).await {
            return false;
        }
    }
    true
}

async fn taken(sent: impl Future<Output = Result<(), Error>>, stall: Duration) -> bool {
    matches!(timeout(stall, sent).await, Ok(Ok(())))
}

/// The environment of a connection.
pub(crate) struct Talk<S> {
    pub(crate) service: Arc<S>,
    pub(crate) limits: Limits,
    pub(crate) from: IpAddr,
    pub(crate) meter: Meter,
    pub(crate) ticket: Ticket,
}

impl<S: Service> Talk<S> {
    pub(crate) async fn run(self, socket: WebSocketStream<Metered>) {
        let limits = self.limits;
        let (to, mut from) = socket.split();
        let to = Arc::new(Mutex::new(to));
        let mut tasks = JoinSet::new();
        let step = Duration::from_secs(1) / limits.per_second.max(1);
        let mut allowed = Instant::now();
        loop {
            tokio::select! {
                message = from.next(), if tasks.len() < limits.in_flight + REFUSALS => {
                    let Some(Ok(message)) = message else { return };
                    let charge = self.meter.take();
                    self.ticket.active();
                    let now = Instant::now();
                    allowed = allowed.max(now.checked_sub(BURST).unwrap_or(now)) + step;
                    sleep_until(allowed).await;
                    match message {
                        Message::Text(text) => {
                            let is_busy = tasks.len() >= limits.in_flight;
                            tasks.spawn(self.answer(&text, is_busy, &to, charge));
                        }
                        Message::Close(_) => return,
                        // The library answers pings; the protocol uses no other messages.
                        _ => (),
                    }
                }
                Some(done) = tasks.join_next() => {
                    if !matches!(done, Ok(true)) {
                        return;
                    }
                }
                () = sleep(limits.idle), if tasks.is_empty() => return,
            }
        }
    }

    /// Answers a request; returns false if the connection must be closed.
    fn answer(
        &self,
        text: &str,
        is_busy: bool,
        to: &Arc<Mutex<Sink>>,
        charge: Option<Charge>,
    ) -> impl Future<Output = bool> + Send + use<S> {
        let (service, limits, from) = (self.service.clone(), self.limits, self.from);
        let budget = self.ticket.budgets.answers.clone();
        let mut turn = Turn { sink: to.clone(), budget, held: None };
        let call = match read_call(text) {
            Ok(call) if is_busy => Err((call.id, RpcError::new(RpcError::BUSY, "too many requests at once"))),
            call => call,
        };
        async move {
            let (id, result) = match call {
                Err((id, error)) => (id, Err(error)),
                Ok(Call { id, method, auth, params }) => {
                    let request = Request { method, auth, params, from };
                    (id, ask(service, request, &mut turn, limits.wait).await)
                }
            };
            // The request is no longer in memory.
            drop(charge);
            let Some(text) = turn.make(move || write_response(&id, result)).await else { return false };
            turn.send(text, limits.stall).await
        }
    }
}

async fn ask(
    service: Arc<impl Service>,
    request: Request,
    turn: &mut Turn,
    wait: Duration,
) -> Result<Value, RpcError> {
    let not_yet = |_| RpcError::new(RpcError::NOT_YET, "it has not happened yet; ask again");
    timeout(wait, service.call(request, turn)).await.unwrap_or_else(|late| Err(not_yet(late)))
}
