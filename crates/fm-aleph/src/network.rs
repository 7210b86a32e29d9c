//! The links as the library asks for them. Invariant: what does not decode, or carries too much, is left out.

use std::sync::Arc;

use aleph_bft_0_36 as aleph;
use fm_consensus::BATCH_BYTES;
use fm_peers::{Incoming, Peers};
use fm_replay::Payload;
use parity_scale_codec::{DecodeAll, Encode};
use tokio::sync::Mutex;

use crate::keychain::{Signature, Signatures, UnitHasher};

type Message = aleph::NetworkData<UnitHasher, Payload, Signature, Signatures>;

pub(crate) struct Network {
    peers: Arc<Peers>,
    incoming: Arc<Mutex<Incoming>>,
}

impl Network {
    pub(crate) fn new(peers: Arc<Peers>, incoming: Arc<Mutex<Incoming>>) -> Self {
        Self { peers, incoming }
    }
}

fn decode(bytes: &[u8]) -> Option<Message> {
    let message = Message::decode_all(&mut &bytes[..]).ok()?;
    let fits = |data: &Payload| match data {
        Payload::Batch(batch) => batch.len() <= BATCH_BYTES,
        Payload::HeaderSignature(_) => true,
    };
    message.included_data().iter().all(fits).then_some(message)
}

#[async_trait::async_trait]
impl aleph::Network<Message> for Network {
    fn send(&self, message: Message, recipient: aleph::Recipient) {
        let message: Arc<[u8]> = message.encode().into();
        match recipient {
            aleph::Recipient::Everyone => self.peers.broadcast(&message),
            aleph::Recipient::Node(node) => {
                // A guardian that answers itself, or nobody: there is no link for either.
                if let Ok(peer) = u16::try_from(node.0) {
                    self.peers.send(peer, message);
                }
            }
        }
    }

    async fn next_event(&mut self) -> Option<Message> {
        let mut incoming = self.incoming.lock().await;
        loop {
            let (peer, bytes) = incoming.next().await?;
            match decode(&bytes) {
                None => self.peers.count_garbage(peer),
                message => return message,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with a unit of round 0 that carries a batch of so many bytes.
    fn unit(batch: usize) -> Vec<u8> {
        let mask = [&4_u32.to_le_bytes()[..], &[4, 0]].concat();
        let data = Some(Payload::Batch(vec![0; batch]));
        let (round, creator, session) = (0_u16, 1_u64, 7_u64);
        let head = [vec![0, 0], round.encode(), creator.encode(), mask, [0_u8; 32].encode()].concat();
        [head, data.encode(), session.encode(), [0_u8; 64].encode()].concat()
    }

    #[test]
    fn messages_that_carry_too_much_are_left_out() {
        assert!(decode(&unit(BATCH_BYTES)).is_some());
        assert!(decode(&unit(BATCH_BYTES + 1)).is_none());
    }

    #[test]
    fn garbage_is_left_out() {
        let whole = unit(3);
        assert_eq!(decode(&whole).unwrap().encode(), whole);
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_none(), "{cut}");
        }
        assert!(decode(&[whole, vec![0]].concat()).is_none());
        assert!(decode(&[2, 0]).is_none());
        assert!(decode(&[0xFF; 100]).is_none());
    }
}
