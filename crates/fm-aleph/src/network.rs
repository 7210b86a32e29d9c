//! The links in the form that the library requires. Invariant: a message that does not decode, carries too
//! much, or exceeds what its sender may send is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use aleph_bft_0_36 as aleph;
use fm_history::PeerId;
use fm_peers::{Incoming, Peers};
use fm_replay::Payload;
use parity_scale_codec::{DecodeAll, Encode};
use tokio::sync::Mutex;

use crate::budget::Budget;
use crate::keychain::{Signature, Signatures, UnitHasher};
use crate::message::{self, Bounds};

type Message = aleph::NetworkData<UnitHasher, Payload, Signature, Signatures>;

pub(crate) struct Network {
    peers: Arc<Peers>,
    incoming: Arc<Mutex<Incoming>>,
    bounds: Bounds,
    budgets: BTreeMap<PeerId, Budget>,
}

impl Network {
    pub(crate) fn new(peers: Arc<Peers>, incoming: Arc<Mutex<Incoming>>, bounds: Bounds) -> Self {
        Self { peers, incoming, bounds, budgets: BTreeMap::new() }
    }

    /// Decodes a guardian's message; `None` if it is dropped.
    fn accept(&mut self, peer: PeerId, bytes: &[u8]) -> Option<Message> {
        let cost = message::check(bytes, peer, &self.bounds).ok()?;
        let guardians = self.bounds.guardians;
        let budget = self.budgets.entry(peer).or_insert_with(|| Budget::new(guardians, Instant::now()));
        if !budget.pay(&cost, bytes, Instant::now()) {
            return None;
        }
        Message::decode_all(&mut &bytes[..]).ok()
    }
}

#[async_trait::async_trait]
impl aleph::Network<Message> for Network {
    fn send(&self, message: Message, recipient: aleph::Recipient) {
        let message: Arc<[u8]> = message.encode().into();
        match recipient {
            aleph::Recipient::Everyone => self.peers.broadcast(&message),
            aleph::Recipient::Node(node) => {
                // There is no link to this guardian itself or to an unknown one.
                if let Ok(peer) = PeerId::try_from(node.0) {
                    self.peers.send(peer, message);
                }
            }
        }
    }

    async fn next_event(&mut self) -> Option<Message> {
        let incoming = self.incoming.clone();
        let mut incoming = incoming.lock().await;
        loop {
            let (peer, bytes) = incoming.next().await?;
            match self.accept(peer, &bytes) {
                None => self.peers.count_garbage(peer),
                message => return message,
            }
        }
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
