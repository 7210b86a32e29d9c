//! The server: who connects is greeted, gets a page or becomes a connection that talks.

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

/// A client that does not say what it wants is dropped after this.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// What is read from a connection at a time.
const READ_BYTES: usize = 4 << 10;

/// A question to the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The guardian's password, if one was given; not checked yet.
    pub auth: Option<String>,
    /// The parameters.
    pub params: Value,
    /// Where it comes from; of IPv6 addresses the network.
    pub from: IpAddr,
}

/// What answers.
pub trait Service: Send + Sync + 'static {
    /// Answers a request, within [`Limits::wait`]; is dropped when the client goes.
    ///
    /// It waits first for whatever has to happen, then for its [`Turn`], and only then makes the answer: what is made and
    /// not sent takes memory.
    fn call<'a>(
        self: Arc<Self>,
        request: Request,
        turn: &'a mut Turn,
    ) -> BoxFuture<'a, Result<Value, RpcError>>;

    /// The page at a path, if there is one.
    fn page(&self, path: &str) -> Option<Page>;

    /// The guardian that a pass is of; its connections do not take the places of other clients.
    fn guardian(&self, _pass: &str) -> Option<u16> {
        None
    }
}

/// What clients may cost. What is held by those without a guardian's pass, and by guardians, is bounded each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; for a further one the longest silent one of the address with the most is closed.
    pub connections: usize,
    /// Requests of a connection that are being answered at a time; further ones are answered with "busy".
    pub in_flight: usize,
    /// Requests of a connection in a second, in the long run; faster ones wait.
    pub per_second: u32,
    /// Bytes of a request.
    pub request_bytes: usize,
    /// Bytes of all requests of an address, or of a guardian, that arrive or wait to be answered.
    pub requests_of_one: usize,
    /// The same of all addresses, and of all guardians.
    pub requests_in_all: usize,
    /// Bytes of all answers to an address, or to a guardian, that are made or wait to be taken.
    pub answers_of_one: usize,
    /// The same to all addresses, and to all guardians.
    pub answers_in_all: usize,
    /// How long a request may wait for what it asks.
    pub wait: Duration,
    /// A connection on which nothing is said and nothing waits is closed after this.
    pub idle: Duration,
    /// A client that does not take the next piece of an answer is dropped after this.
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

/// Serves whoever connects, until it is dropped.
pub async fn serve(listener: TcpListener, service: Arc<impl Service>, limits: Limits) {
    let places = Places::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            // The system refuses, for instance for want of file descriptors.
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
