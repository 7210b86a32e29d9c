//! The link to one guardian: dialled or waited for, served until it breaks, then established again.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::{debug, info};

use crate::frame::{Head, SignOfLife, read_head, read_message, write_message, write_sign_of_life};
use crate::inbox::Inbox;
use crate::listen::{HANDSHAKE_TIME, Stream};
use crate::outbox::Outbox;
use crate::pace::{Backoff, Pace};

/// The time without sending after which a keep-alive message is sent.
const PING_AFTER: Duration = Duration::from_secs(5);
/// The time without data from the other side, or within a frame, after which the link counts as dead.
const SILENCE: Duration = Duration::from_secs(30);
/// The time without progress in sending after which a guardian is disconnected; meanwhile its queue drops its
/// oldest messages.
const STALL: Duration = Duration::from_secs(10);
/// The least time between two links of a guardian, so that frequent new links cost no more.
const LEAST_BETWEEN: Duration = Duration::from_millis(100);
/// Messages that are written before they are flushed.
const WRITE_AHEAD: usize = 64;

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkState {
    /// Whether it is established.
    pub connected: bool,
    /// The number of times it was established.
    pub connects: u64,
    /// The number of received messages.
    pub messages_in: u64,
    /// The number of sent messages.
    pub messages_out: u64,
    /// Bytes of the received messages.
    pub bytes_in: u64,
    /// Bytes of the sent messages.
    pub bytes_out: u64,
    /// The number of messages that were dropped because the queue was full.
    pub dropped: u64,
    /// The number of ignored messages: malformed, in another guardian's name, or over the sender's budget.
    pub garbage: u64,
    /// The number of messages that wait to be sent.
    pub queued: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    connected: AtomicBool,
    connects: AtomicU64,
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    dropped: AtomicU64,
    garbage: AtomicU64,
}

impl Counters {
    pub(crate) fn dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
    }

    pub(crate) fn garbage(&self) {
        self.garbage.fetch_add(1, Relaxed);
    }

    pub(crate) fn state(&self, queued: usize) -> LinkState {
        LinkState {
            connected: self.connected.load(Relaxed),
            connects: self.connects.load(Relaxed),
            messages_in: self.messages_in.load(Relaxed),
            messages_out: self.messages_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            garbage: self.garbage.load(Relaxed),
            queued,
        }
    }
}

pub(crate) struct Link {
    pub(crate) me: u16,
    pub(crate) peer: u16,
    pub(crate) address: String,
    /// For dialling; `None` if the other side dials.
    pub(crate) connector: Option<TlsConnector>,
    /// Connections that the other guardian made.
    pub(crate) streams: mpsc::Receiver<Stream>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) counters: Arc<Counters>,
    /// The keep-alive message.
    pub(crate) sign_of_life: SignOfLife,
}

impl Link {
    /// Keeps the link up until the listener ends.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new();
        loop {
            let mut stream = tokio::select! {
                stream = self.streams.recv() => stream,
                stream = dial(self.connector.as_ref(), &self.address, &mut backoff) => Some(stream),
            };
            // A newer connection replaces the current one: the other side notices the older's end before this
            // side does.
            while let Some(current) = stream.take() {
                self.counters.connected.store(true, Relaxed);
                self.counters.connects.fetch_add(1, Relaxed);
                info!(guardian = self.peer, "linked");
                let before = self.counters.messages_in.load(Relaxed);
                tokio::select! {
                    end = serve(current, &self.inbox, &self.outbox, &self.counters, self.sign_of_life) => {
                        info!(guardian = self.peer, reason = %end, "link broken");
                    }
                    newer = self.streams.recv() => match newer {
                        Some(newer) => stream = Some(newer),
                        None => return,
                    },
                }
                self.counters.connected.store(false, Relaxed);
                sleep(LEAST_BETWEEN).await;
                if self.counters.messages_in.load(Relaxed) > before {
                    backoff = Backoff::new();
                }
            }
            if self.streams.is_closed() {
                debug!(me = self.me, guardian = self.peer, "link ends");
                return;
            }
        }
    }
}

/// Dials until there is a connection; never returns if the other side dials.
async fn dial(connector: Option<&TlsConnector>, address: &str, backoff: &mut Backoff) -> Stream {
    let Some(connector) = connector else { return std::future::pending().await };
    loop {
        sleep(backoff.next()).await;
        match timeout(HANDSHAKE_TIME, connect(connector, address)).await {
            Ok(Ok(stream)) => return stream,
            Ok(Err(error)) => debug!(address, %error, "not reached"),
            Err(_) => debug!(address, "not reached in time"),
        }
    }
}

async fn connect(connector: &TlsConnector, address: &str) -> Result<Stream, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // Neither sent nor checked: the certificate is pinned.
    let name = ServerName::try_from("guardian").expect("a constant name");
    Ok(connector.connect(name, stream).await?.into())
}

/// Moves messages in both directions; returns the reason for the end.
async fn serve(
    stream: Stream,
    inbox: &Inbox,
    outbox: &Outbox,
    counters: &Counters,
    sign_of_life: SignOfLife,
) -> Error {
    let (from, to) = split(stream);
    let end = tokio::select! {
        end = receive(from, inbox, counters) => end,
        end = send(to, outbox, counters, sign_of_life) => end,
    };
    match end {
        Ok(()) => Error::new(ErrorKind::BrokenPipe, "this guardian stops"),
        // The TLS library's text for this error describes another case.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::new(error.kind(), "closed by the guardian")
        }
        Err(error) => error,
    }
}

async fn receive(mut from: impl AsyncRead + Unpin, inbox: &Inbox, counters: &Counters) -> Result<(), Error> {
    let mut pace = Pace::new(Instant::now());
    loop {
        let Head::Message(length) = within(SILENCE, read_head(&mut from)).await? else { continue };
        sleep(pace.pause(Instant::now(), length)).await;
        let Some(room) = inbox.room(length).await else { return Ok(()) };
        let message = within(SILENCE, read_message(&mut from, length)).await?;
        counters.messages_in.fetch_add(1, Relaxed);
        counters.bytes_in.fetch_add(u64::from(length), Relaxed);
        if !inbox.push(message, room).await {
            return Ok(());
        }
    }
}

async fn send(
    mut to: impl AsyncWrite + Unpin,
    outbox: &Outbox,
    counters: &Counters,
    sign_of_life: SignOfLife,
) -> Result<(), Error> {
    loop {
        let Ok(first) = timeout(PING_AFTER, outbox.take()).await else {
            within(STALL, async {
                write_sign_of_life(&mut to, sign_of_life).await?;
                to.flush().await
            })
            .await?;
            continue;
        };
        let more = std::iter::from_fn(|| outbox.try_take()).take(WRITE_AHEAD);
        for message in std::iter::once(first).chain(more) {
            within(STALL, write_message(&mut to, &message)).await?;
            counters.messages_out.fetch_add(1, Relaxed);
            counters.bytes_out.fetch_add(message.len() as u64, Relaxed);
        }
        within(STALL, to.flush()).await?;
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(time, work).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
