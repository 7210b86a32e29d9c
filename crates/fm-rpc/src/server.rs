//! The server: every new connection either gets a page or becomes a WebSocket connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::http::{Page, Wish, answer, wish};
use crate::message::RpcError;
use crate::metered::{Meter, Metered};
use crate::places::{Holder, Places, Ticket};
use crate::talk::{Talk, Turn};

/// The time after which a client without a request is dropped.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// The size of one read from a connection.
const READ_BYTES: usize = 4 << 10;

/// A request to the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The guardian's password, if there is one; not checked yet.
    pub auth: Option<String>,
    /// The parameters.
    pub params: Value,
    /// The source address; for IPv6 the network.
    pub from: IpAddr,
}

/// A service that answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers a request, within [`Limits::wait`]; the future is dropped when the client disconnects.
    ///
    /// An implementation first waits for the event, then for its [`Turn`], and only then makes the answer: an
    /// answer that is made but not sent takes memory.
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        turn: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>>;

    /// Returns the page at a path, if there is one.
    fn page(&self, _path: &str) -> Option<Page> {
        None
    }

    /// Returns the guardian of a pass; its connections do not take the places of other clients.
    fn guardian(&self, _pass: &str) -> Option<u16> {
        None
    }
}

/// The limits for clients. Guardians and clients without a guardian's pass are bounded separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Simultaneous connections; for a further one, the longest silent connection of the address with the
    /// most is closed.
    pub connections: usize,
    /// Requests of a connection that are answered at a time; further ones are answered with "busy".
    pub in_flight: usize,
    /// Requests of a connection per second, on average; faster ones wait.
    pub per_second: u32,
    /// Bytes of a request.
    pub request_bytes: usize,
    /// Bytes of all requests of an address, or of a guardian, that arrive or wait for an answer.
    pub requests_of_one: usize,
    /// The same for all addresses together, and for all guardians together.
    pub requests_in_all: usize,
    /// Bytes of all answers to an address, or to a guardian, that are made or wait to be sent.
    pub answers_of_one: usize,
    /// The same for all addresses together, and for all guardians together.
    pub answers_in_all: usize,
    /// The longest time for which a request may wait for its event.
    pub wait: Duration,
    /// The time after which a connection without messages and without waiting requests is closed.
    pub idle: Duration,
    /// The time after which a client that does not take the next piece of an answer is dropped.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            in_flight: 64,
            per_second: 1000,
            request_bytes: 1 << 20,
            requests_of_one: 4 << 20,
            requests_in_all: 16 << 20,
            answers_of_one: 8 << 20,
            answers_in_all: 16 << 20,
            wait: Duration::from_secs(300),
            idle: Duration::from_secs(120),
            stall: Duration::from_secs(5),
        }
    }
}

/// Serves all clients, until the future is dropped.
pub async fn serve(listener: TcpListener, service: Arc<impl Service>, limits: Limits) {
    let places = Places::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // The system refused, for instance because there are no free file descriptors.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let from = fm_peers::network_of(address.ip());
        let ticket = places.enter(Holder::Address(from));
        let number = ticket.number();
        let connection = connections.spawn(greet(stream, from, service.clone(), limits, ticket));
        places.held_by(number, connection);
    }
}

async fn greet(
    mut stream: TcpStream,
    from: IpAddr,
    service: Arc<impl Service>,
    limits: Limits,
    mut ticket: Ticket,
) {
    let hello = async {
        stream.set_nodelay(true).ok()?;
        match wish(&mut stream).await.ok()? {
            Wish::Page(path) => answer(&mut stream, service.page(&path)).await.ok().and(None),
            Wish::Nothing => None,
            Wish::Upgrade { pass } => {
                if let Some(guardian) = pass.and_then(|pass| service.guardian(&pass)) {
                    ticket.is_guardian(guardian);
                }
                let config = WebSocketConfig::default()
                    .read_buffer_size(READ_BYTES)
                    .write_buffer_size(0)
                    .max_message_size(Some(limits.request_bytes))
                    .max_frame_size(Some(limits.request_bytes));
                let meter = Meter::new(ticket.budgets.requests.clone());
                let stream = Metered { stream, meter: meter.clone() };
                let socket = accept_async_with_config(stream, Some(config)).await.ok()?;
                Some((socket, meter))
            }
        }
    };
    if let Ok(Some((socket, meter))) = timeout(HELLO_TIME, hello).await {
        Talk { service, limits, from, meter, ticket }.run(socket).await;
    }
}
