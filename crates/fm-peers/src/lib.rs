//! Links between guardians: one per pair, TLS with the certificates of the configuration and no others.
//!
//! On the wire it is what v0.4 to v0.13 speak: TLS over TCP, the guardian with the lower number dials, frames as in
//! [`frame`](self). Whoever else connects is refused in the handshake.
//!
//! Invariants: sending never waits, and drops the oldest message of that guardian's queue when it is full; what a
//! guardian sends waits in a queue of its own, bounded in messages and bytes, is read no faster than the named rates,
//! and is taken from all guardians in turn. So one that floods, stalls or sends garbage slows nobody but itself.

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
pub use tls::{CertificateError, Identity, new_identity};

use crate::link::{Counters, Link};
use crate::outbox::Outbox;

/// Why links cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The address to listen at is taken, or not of this machine.
    #[error("cannot listen for guardians at {address}")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificate or key are not usable.
    #[error("this guardian's TLS certificate and key are not usable: {reason}")]
    Identity {
        /// What the TLS library says.
        reason: String,
    },
}

/// What links are made from.
#[derive(Debug)]
pub struct Setup {
    /// This guardian's number.
    pub me: u16,
    /// Its certificate and key.
    pub identity: Identity,
    /// Where it listens, as host and port.
    pub listen: String,
    /// The other guardians.
    pub others: BTreeMap<u16, Other>,
    /// What is sent when there is nothing to send: what servers among the other guardians can read.
    pub sign_of_life: SignOfLife,
}

/// Another guardian.
#[derive(Debug, Clone)]
pub struct Other {
    /// Its certificate in DER, byte for byte.
    pub certificate: Vec<u8>,
    /// Where it listens, as host and port.
    pub address: String,
}

/// The links to all other guardians; they end when this goes.
#[derive(Debug)]
pub struct Peers {
    links: BTreeMap<u16, (Arc<Outbox>, Arc<Counters>)>,
    /// Ends its tasks when it is dropped.
    _tasks: JoinSet<()>,
}

impl Peers {
    /// Listens and starts to dial. What arrives comes out of the second part.
    ///
    /// # Errors
    /// If the address cannot be listened at, or certificate and key do not work.
    pub async fn start(setup: Setup) -> Result<(Self, Incoming), PeersError> {
        let failed = |source| PeersError::Listen { address: setup.listen.clone(), source };
        let listener = TcpListener::bind(&setup.listen).await.map_err(failed)?;
        let tls = tls::Tls::new(&setup).map_err(|reason| PeersError::Identity { reason })?;
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

    /// Queues a message for one guardian; nothing happens if there is no such guardian.
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

    /// Counts a message of a guardian that is left out.
    pub fn count_garbage(&self, from: u16) {
        if let Some((_, counters)) = self.links.get(&from) {
            counters.garbage();
        }
    }

    /// How the links are, by guardian.
    pub fn states(&self) -> BTreeMap<u16, LinkState> {
        self.links.iter().map(|(peer, (outbox, counters))| (*peer, counters.state(outbox.len()))).collect()
    }
}
