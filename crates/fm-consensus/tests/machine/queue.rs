//! The contents of this guardian's units.

use fm_codec::ModuleValue;
use fm_consensus::{
    Action, BATCH_BYTES, Orderers, ProposalQueue, QueueError, Rejection, UnitPayload, read_batch,
};
use fm_history::{ConsensusItem, Hash, SessionHeader};

use crate::world::{META, batch, deposit, modules, signing_key, vote};

fn items(payload: Option<UnitPayload>) -> Vec<ConsensusItem> {
    match payload {
        None => Vec::new(),
        Some(UnitPayload::Batch(bytes)) => {
            assert!(!bytes.is_empty() && bytes.len() <= BATCH_BYTES);
            read_batch(&bytes, &modules(4), Orderers::Nodes).unwrap()
        }
        Some(UnitPayload::Signature(_)) => panic!("the rounds are not over"),
    }
}

fn txid(item: &ConsensusItem) -> Hash {
    let ConsensusItem::Transaction(transaction) = item else { panic!("{item:?}") };
    transaction.txid()
}

const COMPLETE: Action =
    Action::SessionComplete { session: 0, items: 0, header: SessionHeader { index: 0, root: Hash([0; 32]) } };

#[test]
fn items_come_once_and_in_order_and_fill_batches_to_the_limit() {
    let mut queue = ProposalQueue::default();
    let big: Vec<_> = (0..7).map(|salt| vote(salt, 1, &[9; 16_000])).collect();
    for item in &big {
        queue.push(item).unwrap();
        assert_eq!(queue.push(item), Err(QueueError::Known));
    }
    let mut taken = Vec::new();
    for expected in [3, 3, 1, 0] {
        let some = items(queue.next_payload(|_| false));
        assert_eq!(some.len(), expected);
        taken.extend(some);
    }
    assert_eq!(taken, big);
    assert_eq!(queue.push(&big[0]), Err(QueueError::Known), "it is in a unit of this session");
    queue.follow(&COMPLETE);
    queue.push(&big[0]).unwrap();
}

#[test]
fn an_item_fills_a_batch_exactly_or_is_too_large() {
    let mut queue = ProposalQueue::default();
    let item = |bytes| ConsensusItem::Module(ModuleValue { instance: META, body: vec![0; bytes] });
    let overhead = 1 + 3 + 3 + 3;
    let most = BATCH_BYTES - 9 - overhead;
    assert_eq!(queue.push(&item(most + 1)), Err(QueueError::TooLarge { bytes: BATCH_BYTES - 8 }));
    queue.push(&item(most)).unwrap();
    let Some(UnitPayload::Batch(bytes)) = queue.next_payload(|_| false) else { panic!("it fits") };
    assert_eq!(bytes.len(), BATCH_BYTES - 8);
}

#[test]
fn a_transaction_that_was_accepted_elsewhere_is_dropped() {
    let mut queue = ProposalQueue::default();
    let paid: Vec<_> = (0..3).map(|nonce| deposit(1, &signing_key(101), nonce)).collect();
    paid.iter().for_each(|item| queue.push(item).unwrap());
    let accepted = txid(&paid[1]);
    assert_eq!(items(queue.next_payload(|txid| *txid == accepted)), [paid[0].clone(), paid[2].clone()]);
}

#[test]
fn what_was_proposed_in_vain_is_proposed_again_in_the_next_session() {
    let mut queue = ProposalQueue::default();
    let paid: Vec<_> = (0..4).map(|nonce| deposit(1, &signing_key(101), nonce)).collect();
    paid[..3].iter().for_each(|item| queue.push(item).unwrap());
    queue.push(&vote(1, 1, b"x")).unwrap();
    assert_eq!(items(queue.next_payload(|_| false)).len(), 4);
    queue.push(&paid[3]).unwrap();
    queue.follow(&Action::Accepted { index: 0, peer: 0, txid: Some(txid(&paid[0])) });
    let reason = Rejection::Overflow;
    queue.follow(&Action::Discarded { peer: 0, txid: Some(txid(&paid[1])), reason });
    queue.follow(&Action::Broadcast {
        header: SessionHeader { index: 0, root: Hash([0; 32]) },
        signature: [7; 64],
    });
    for _ in 0..3 {
        assert_eq!(queue.next_payload(|_| false), Some(UnitPayload::Signature([7; 64])));
    }
    queue.follow(&COMPLETE);
    assert_eq!(queue.next_payload(|_| false), Some(batch(&paid[2..])));
    assert_eq!(queue.next_payload(|_| false), None);
}

#[test]
fn the_queue_is_bounded() {
    let mut queue = ProposalQueue::default();
    let full = (0..10_000).find_map(|salt| queue.push(&vote(salt, 1, &[9; 49_000])).err());
    assert_eq!(full, Some(QueueError::Full));
    assert!(!items(queue.next_payload(|_| false)).is_empty());
    queue.push(&vote(10_001, 1, &[9; 49_000])).unwrap();
}
