//! Accepts connections of guardians, and refuses those of untrusted sources.
//!
//! Invariant: a connection costs at most one of [`MAX_HANDSHAKES`] places for [`HANDSHAKE_TIME`]. If all are
//! taken, the oldest connection from the address with the most is dropped. So waiting connections cannot
//! block others, and many connections from one address shut out no other address. An IPv6 network of 64 bits
//! counts as one address.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
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
/// The pause after the system refused a connection, for instance if there are no free file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) type Stream = TlsStream<TcpStream>;

/// Accepts connections and passes those of guardians to their links.
pub(crate) async fn accept(listener: TcpListener, tls: Tls, links: BTreeMap<u16, mpsc::Sender<Stream>>) {
    let (tls, links) = (Arc::new(tls), Arc::new(links));
    let mut handshakes: Handshakes = Handshakes::new();
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        handshakes.retain(|(_, handshake)| !handshake.is_finished());
        make_room(&mut handshakes);
        let (tls, links) = (tls.clone(), links.clone());
        let handshake = tokio::spawn(async move {
            match timeout(HANDSHAKE_TIME, greet(stream, &tls, &links)).await {
                Ok(Ok(())) => (),
                Ok(Err(reason)) => debug!(%address, reason, "connection refused"),
                Err(_) => debug!(%address, "connection refused: no handshake in time"),
            }
        });
        handshakes.push_back((network_of(address.ip()), handshake.abort_handle()));
    }
}

/// Returns the address by which limits count: the holder of one IPv6 address has the 2^64 addresses of its
/// network.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// The handshakes under way, oldest first, with their source addresses.
type Handshakes = VecDeque<(IpAddr, AbortHandle)>;

/// Ends a handshake if there are too many.
fn make_room(handshakes: &mut Handshakes) {
    if handshakes.len() < MAX_HANDSHAKES {
        return;
    }
    let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (address, _) in handshakes.iter() {
        *counts.entry(*address).or_default() += 1;
    }
    let most = counts.values().copied().max();
    let oldest = handshakes.iter().position(|(address, _)| counts.get(address).copied() == most);
    if let Some((_, handshake)) = oldest.and_then(|place| handshakes.remove(place)) {
        handshake.abort();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_is_one_address() {
        let network = |address: &str| network_of(address.parse().unwrap()).to_string();
        assert_eq!(network("203.0.113.9"), "203.0.113.9");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(network("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_ne!(network("2001:db8:1:3::1"), network("2001:db8:1:2::1"));
    }

    #[tokio::test]
    async fn who_comes_again_and_again_shuts_out_nobody_else() {
        let handshake = |last: u8| {
            let waiting = tokio::spawn(std::future::pending::<()>());
            (IpAddr::from([10, 0, 0, last]), waiting.abort_handle())
        };
        let mut handshakes = Handshakes::from([handshake(1)]);
        for _ in 0..1000 {
            make_room(&mut handshakes);
            handshakes.push_back(handshake(2));
        }
        assert_eq!(handshakes.len(), MAX_HANDSHAKES);
        assert_eq!(handshakes[0].0, IpAddr::from([10, 0, 0, 1]));
        assert!(!handshakes[0].1.is_finished());
    }
}
