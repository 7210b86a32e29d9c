//! Links between guardians: one per pair, TLS with the certificates of the configuration and no others.
//!
//! The protocol is that of v0.4 to v0.13: TLS over TCP, the guardian with the lower number dials, frames as
//! in [`frame`](self). Any other connection is refused in the handshake.
//!
//! Invariants: sending never waits; if a guardian's queue is full, it drops the oldest message there.
//! Received messages of a guardian wait in a queue of their own, which is bounded in messages and bytes. They
//! are read no faster than the named rates, and are taken from all guardians in turn. A guardian that floods,
//! stalls or sends garbage therefore slows only itself.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use fm_peers::{Bucket, jittered, new_tls_key_pair};
//!
//! // A guardian's own certificate and key.
//! let tls_key_pair = new_tls_key_pair("guardian-0")?;
//! assert!(!tls_key_pair.certificate.is_empty());
//!
//! // A remote party may send ten messages a second, and save up the rate of two seconds.
//! let now = Instant::now();
//! let mut bucket = Bucket::new(10, 2.0, now);
//! assert!(bucket.try_take(now, 20));
//! assert!(!bucket.try_take(now, 1));
//! assert!(bucket.try_take(now + Duration::from_secs(1), 10));
//! assert!(jittered(Duration::from_secs(1)) <= Duration::from_secs(2));
//! # Ok::<(), fm_peers::CertificateError>(())
//! ```

mod frame;
mod inbox;
mod link;
mod listen;
mod outbox;
mod pace;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use frame::{MAX_MESSAGE_BYTES, SignOfLife};
pub use inbox::Incoming;
pub use link::LinkState;
pub use listen::network_of;
pub use pace::{Bucket, jittered};
pub use tls::{CertificateError, TlsKeyPair, new_tls_key_pair};

use crate::link::{Counters, Link};
use crate::outbox::Outbox;

/// The reason that links cannot be set up.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The listening address is taken, or does not belong to this machine.
    #[error("cannot listen for guardians at {address}")]
    Listen { address: String, source: std::io::Error },
    /// Certificate or key are not usable.
    #[error("this guardian's TLS certificate and key are not usable: {reason}")]
    TlsKeyPair {
        /// The TLS library's error.
        reason: String,
    },
}

/// The input for links.
#[derive(Debug)]
pub struct Setup {
    /// This guardian's number.
    pub me: u16,
    /// Its certificate and key.
    pub tls_key_pair: TlsKeyPair,
    /// The address on which it listens, as host and port.
    pub listen: String,
    /// The other guardians.
    pub others: BTreeMap<u16, Other>,
    /// The keep-alive message: one that the servers among the other guardians can read.
    pub sign_of_life: SignOfLife,
}

/// Another guardian.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its certificate in DER, byte for byte.
    pub certificate: Vec<u8>,
    /// The address on which it listens, as host and port.
    pub address: String,
}

/// The links to all other guardians; they end when this value is dropped.
#[derive(Debug)]
pub struct Peers {
    links: BTreeMap<u16, (Arc<Outbox>, Arc<Counters>)>,
    /// The tasks; they end when this value is dropped.
    _tasks: JoinSet<()>,
}

impl Peers {
    /// Listens and starts to dial. The second part of the result receives all messages.
    ///
    /// # Errors
    /// Fails if the address cannot be used for listening, or if certificate and key do not work.
    pub async fn start(setup: Setup) -> Result<(Self, Incoming), PeersError> {
        let failed = |source| PeersError::Listen { address: setup.listen.clone(), source };
        let listener = TcpListener::bind(&setup.listen).await.map_err(failed)?;
        let tls = tls::Tls::new(&setup).map_err(|reason| PeersError::TlsKeyPair { reason })?;
        let (mut links, mut accepted) = (BTreeMap::new(), BTreeMap::new());
        let (mut tasks, mut queues) = (JoinSet::new(), Vec::new());
        for (&peer, other) in &setup.others {
            let (to_link, streams) = mpsc::channel(1);
            let (inbox, queue) = inbox::inbox();
            let (outbox, counters) = (Arc::<Outbox>::default(), Arc::<Counters>::default());
            let connector = (setup.me < peer).then(|| tls.connector(&other.certificate));
            let link = Link {
                me: setup.me,
                peer,
                address: other.address.clone(),
                connector,
                streams,
                inbox,
                outbox: outbox.clone(),
                counters: counters.clone(),
                sign_of_life: setup.sign_of_life,
            };
            tasks.spawn(link.run());
            accepted.insert(peer, to_link);
            links.insert(peer, (outbox, counters));
            queues.push((peer, queue));
        }
        tasks.spawn(listen::accept(listener, tls, accepted));
        Ok((Self { links, _tasks: tasks }, Incoming::new(queues)))
    }

    /// Queues a message for one guardian; does nothing if there is no such guardian.
    pub fn send(&self, to: u16, message: Arc<[u8]>) {
        if let Some((outbox, counters)) = self.links.get(&to) {
            counters.dropped(outbox.push(message));
        }
    }

    /// Queues a message for all others.
    pub fn broadcast(&self, message: &Arc<[u8]>) {
        for peer in self.links.keys() {
            self.send(*peer, message.clone());
        }
    }

    /// Counts a message of a guardian that was ignored.
    pub fn count_garbage(&self, from: u16) {
        if let Some((_, counters)) = self.links.get(&from) {
            counters.garbage();
        }
    }

    /// Returns the state of the links, by guardian.
    pub fn states(&self) -> BTreeMap<u16, LinkState> {
        self.links.iter().map(|(peer, (outbox, counters))| (*peer, counters.state(outbox.len()))).collect()
    }
}
