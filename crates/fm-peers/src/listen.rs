//! Strangers and guardians at the door.
//!
//! Invariant: a connection costs at most one of [`MAX_HANDSHAKES`] places for [`HANDSHAKE_TIME`]; when all are taken
//! the oldest is dropped, so nobody holds the door shut by waiting in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsStream;
use tracing::debug;

use crate::tls::Tls;

const MAX_HANDSHAKES: usize = 64;
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// After the system refused a connection, for instance for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) type Stream = TlsStream<TcpStream>;

/// Lets guardians in.
pub(crate) async fn accept(listener: TcpListener, tls: Tls, links: BTreeMap<u16, mpsc::Sender<Stream>>) {
    let (tls, links) = (Arc::new(tls), Arc::new(links));
    let mut handshakes: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        handshakes.retain(|handshake| !handshake.is_finished());
        if handshakes.len() >= MAX_HANDSHAKES {
            handshakes.pop_front().inspect(AbortHandle::abort);
        }
        let (tls, links) = (tls.clone(), links.clone());
        let handshake = tokio::spawn(async move {
            match timeout(HANDSHAKE_TIME, greet(stream, &tls, &links)).await {
                Ok(Ok(())) => (),
                Ok(Err(reason)) => debug!(%address, reason, "connection refused"),
                Err(_) => debug!(%address, "connection refused: no handshake in time"),
            }
        });
        handshakes.push_back(handshake.abort_handle());
    }
}

async fn greet(
    stream: TcpStream,
    tls: &Tls,
    links: &BTreeMap<u16, mpsc::Sender<Stream>>,
) -> Result<(), String> {
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream = tls.acceptor().accept(stream).await.map_err(|error| error.to_string())?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let peer = certificate.and_then(|certificate| tls.peer(certificate));
    let link = peer.and_then(|peer| links.get(&peer)).ok_or("no guardian's certificate")?;
    link.send(stream.into()).await.map_err(|_| "the link has ended".to_owned())
}
