//! Links over loopback: which guardians are accepted, which messages arrive, what a restart changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fm_peers::{Incoming, Other, Peers, Setup, SignOfLife, TlsKeyPair, new_tls_key_pair};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

fn copy(tls_key_pair: &TlsKeyPair) -> TlsKeyPair {
    TlsKeyPair { certificate: tls_key_pair.certificate.clone(), key: tls_key_pair.key.clone() }
}

async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// Starts a guardian with that key pair that knows one other guardian.
async fn start(
    me: u16,
    tls_key_pair: &TlsKeyPair,
    listen: &str,
    other: (u16, &TlsKeyPair, &str),
) -> (Peers, Incoming) {
    start_with(me, tls_key_pair, listen, other, SignOfLife::default()).await
}

/// Starts the same with this keep-alive message.
async fn start_with(
    me: u16,
    tls_key_pair: &TlsKeyPair,
    listen: &str,
    other: (u16, &TlsKeyPair, &str),
    sign_of_life: SignOfLife,
) -> (Peers, Incoming) {
    let (peer, known, address) = other;
    let known = Other { certificate: known.certificate.clone(), address: address.to_owned() };
    let others = BTreeMap::from([(peer, known)]);
    let listen = listen.to_owned();
    Peers::start(Setup { me, tls_key_pair: copy(tls_key_pair), listen, others, sign_of_life }).await.unwrap()
}

async fn received(incoming: &mut Incoming) -> Option<(u16, Vec<u8>)> {
    timeout(PATIENCE, incoming.next()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_in_both_directions_and_again_after_a_restart() {
    let (first, second) = (new_tls_key_pair("a").unwrap(), new_tls_key_pair("b").unwrap());
    let (first_at, second_at) = (free_address().await, free_address().await);
    let (left, mut left_in) = start(0, &first, &first_at, (1, &second, &second_at)).await;
    let (right, mut right_in) = start(1, &second, &second_at, (0, &first, &first_at)).await;
    let message: Arc<[u8]> = Arc::from(&b"unit"[..]);
    left.broadcast(&message);
    assert_eq!(received(&mut right_in).await, Some((0, b"unit".to_vec())));
    right.send(0, vec![7; 1 << 20].into());
    right.send(0, Arc::from(&[][..]));
    right.send(5, message.clone());
    assert_eq!(received(&mut left_in).await, Some((1, vec![7; 1 << 20])));
    assert_eq!(received(&mut left_in).await, Some((1, Vec::new())));
    let state = left.states()[&1];
    assert!(state.connected && state.messages_in == 2 && state.bytes_in == 1 << 20, "{state:?}");
    drop((right, right_in));
    // Messages for the stopped guardian wait for it.
    sleep(Duration::from_millis(300)).await;
    left.send(1, message);
    let (_right, mut right_in) = start(1, &second, &second_at, (0, &first, &first_at)).await;
    assert_eq!(received(&mut right_in).await, Some((0, b"unit".to_vec())));
    assert!(left.states()[&1].connects >= 2);
}

/// With servers in the federation, nodes use other keep-alive messages; nodes read all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_stays_while_each_side_says_only_that_it_is_there() {
    let mut pairs = Vec::new();
    for sign in [SignOfLife::Ping, SignOfLife::NoBytes, SignOfLife::Question] {
        let (first, second) = (new_tls_key_pair("a").unwrap(), new_tls_key_pair("b").unwrap());
        let (first_at, second_at) = (free_address().await, free_address().await);
        let left = start_with(0, &first, &first_at, (1, &second, &second_at), sign).await;
        let right = start_with(1, &second, &second_at, (0, &first, &first_at), sign).await;
        pairs.push((sign, left, right));
    }
    // Each side has sent one after five seconds.
    sleep(Duration::from_secs(7)).await;
    for (sign, (left, mut left_in), (right, mut right_in)) in pairs {
        left.send(1, Arc::from(&b"unit"[..]));
        assert_eq!(received(&mut right_in).await, Some((0, b"unit".to_vec())), "{sign:?}");
        right.send(0, Arc::from(&b"unit"[..]));
        assert_eq!(received(&mut left_in).await, Some((1, b"unit".to_vec())), "{sign:?}");
        for state in [left.states()[&1], right.states()[&0]] {
            assert_eq!((state.connects, state.messages_in, state.garbage), (1, 1, 0), "{sign:?}: {state:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_not_linked() {
    let [first, second, stranger] = ["a", "b", "b"].map(|name| new_tls_key_pair(name).unwrap());
    let (first_at, second_at) = (free_address().await, free_address().await);
    // The impostor has the second guardian's address, number and name, but another key.
    let (left, _left_in) = start(0, &first, &first_at, (1, &second, &second_at)).await;
    let (fake, _fake_in) = start(1, &stranger, &second_at, (0, &first, &first_at)).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!left.states()[&1].connected && !fake.states()[&0].connected);
    // The same with the impostor as the dialling side.
    let third_at = free_address().await;
    let (waits, _waits_in) = start(3, &first, &third_at, (2, &second, &second_at)).await;
    let (dials, _dials_in) = start(2, &stranger, &free_address().await, (3, &first, &third_at)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(waits.states()[&2].messages_in, 0);
    assert_eq!(waits.states()[&2].connects, 0);
    drop(dials);
}

#[tokio::test]
async fn a_key_of_another_certificate_is_told_before_anything_is_tried() {
    let (first, second) = (new_tls_key_pair("a").unwrap(), new_tls_key_pair("b").unwrap());
    let mixed = [
        TlsKeyPair { certificate: first.certificate.clone(), key: second.key.clone() },
        TlsKeyPair { certificate: first.certificate.clone(), key: vec![1, 2, 3] },
        TlsKeyPair { certificate: vec![0; 40], key: first.key.clone() },
        TlsKeyPair { certificate: Vec::new(), key: Vec::new() },
    ];
    let setup = |tls_key_pair, listen: &str| {
        let (others, sign_of_life) = (BTreeMap::new(), SignOfLife::default());
        Setup { me: 0, tls_key_pair, listen: listen.to_owned(), others, sign_of_life }
    };
    for tls_key_pair in mixed {
        assert!(Peers::start(setup(tls_key_pair, "127.0.0.1:0")).await.is_err());
    }
    assert!(Peers::start(setup(first, "256.0.0.1:x")).await.is_err());
}
