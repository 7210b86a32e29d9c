//! Four guardians order the same units, some of them bad, and are killed between any two writes: they end
//! with the same rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use fm_codec::ModuleValue;
use fm_consensus::{Action, EngineError, MemoryStorage, UnitPayload};
use fm_eras::session::session_key;
use fm_history::{
    ConsensusItem, HistoryRoot, SessionHeader, SessionParts, Transaction, TransactionSignature,
};
use fm_tests::Random;

use crate::world::{
    Failing, LAST_ROUND, LEDGER, META, batch, deposit, issuer, open, posting, signature, signing_key,
    transaction, transfer, vote,
};

/// A unit as it is ordered.
type Unit = (u16, u16, Option<UnitPayload>);

const SESSIONS: u64 = 3;

/// A source of random items, most of which are valid at some time.
struct Chance {
    random: Random,
    earlier: Vec<ConsensusItem>,
}

impl Chance {
    fn item(&mut self) -> ConsensusItem {
        let random = &mut self.random;
        let key = |random: &mut Random| signing_key(u8::try_from(100 + random.below(4)).unwrap());
        let (from, to) = (key(random), key(random));
        let (amount, nonce) = (random.number() % 50, random.number());
        let item = match random.below(12) {
            0..3 => deposit(amount, &to, nonce),
            3..6 => transfer(amount, &from, &to, nonce),
            6 => ConsensusItem::Transaction(transaction(&[(amount, &from)], &[(amount / 2, &to)], nonce)),
            7 => {
                let signature = TransactionSignature::Schnorr(vec![[7; 64]; random.below(3)]);
                let inputs = vec![posting(amount, &issuer())];
                let outputs = vec![posting(amount, &to)];
                ConsensusItem::Transaction(Transaction { inputs, outputs, nonce: [1; 8], signature })
            }
            8 => ConsensusItem::Default { variant: 7, bytes: vec![1, 2, 3] },
            9 if !self.earlier.is_empty() => {
                let place = random.below(self.earlier.len());
                self.earlier[place].clone()
            }
            10 => ConsensusItem::Module(ModuleValue { instance: LEDGER, body: Vec::new() }),
            _ => vote(nonce % 3, 1, &[u8::try_from(random.below(3)).unwrap()]),
        };
        self.earlier.push(item.clone());
        item
    }

    fn payload(&mut self) -> Option<UnitPayload> {
        match self.random.below(12) {
            0 => None,
            1 => Some(UnitPayload::Batch(vec![0xFF; self.random.below(60_000)])),
            2 => Some(UnitPayload::Signature([3; 64])),
            3 => {
                let stranger = ModuleValue { instance: META + 1, body: vec![1] };
                Some(batch(&[self.item(), ConsensusItem::Module(stranger)]))
            }
            _ => {
                let items: Vec<_> = (0..self.random.below(5)).map(|_| self.item()).collect();
                Some(batch(&items))
            }
        }
    }

    fn peer(&mut self) -> u16 {
        u16::try_from(self.random.below(4)).unwrap()
    }

    /// Returns the units of a session up to the end of its rounds.
    fn units(&mut self) -> Vec<Unit> {
        let mut units = Vec::new();
        for round in 0..LAST_ROUND {
            for _ in 0..4 {
                units.push((round, self.peer(), self.payload()));
            }
        }
        units.push((LAST_ROUND, self.peer(), self.payload()));
        units
    }

    /// Returns signatures in some order, including bad and repeated ones.
    fn signatures(&mut self, header: SessionHeader) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut signed = BTreeSet::new();
        while signed.len() < 3 {
            let peer = self.peer();
            let payload = match self.random.below(5) {
                0 => self.payload(),
                1 => Some(UnitPayload::Signature(signature(4, (peer + 1) % 4, header))),
                _ => {
                    signed.insert(peer);
                    Some(UnitPayload::Signature(signature(4, peer, header)))
                }
            };
            units.push((LAST_ROUND + 1, peer, payload));
        }
        units
    }
}

/// Orders the units of a session; the machine must end it.
fn order(storage: &Arc<MemoryStorage>, own: u16, units: &[Unit]) -> Vec<Action> {
    let mut engine = open(storage.clone(), own).unwrap();
    units
        .iter()
        .flat_map(|(round, peer, payload)| engine.on_ordered_unit(*round, *peer, payload.as_ref()).unwrap())
        .collect()
}

/// Orders the units of a session on a machine that is killed at a random write, until the session is
/// complete; returns the number of kills.
fn order_killed(
    storage: &Arc<MemoryStorage>,
    own: u16,
    session: u64,
    units: &[Unit],
    random: &mut Random,
) -> usize {
    for kills in 0.. {
        let failing = Failing::new(storage.clone(), random.below(5), random.below(2) == 0);
        let mut engine = match open(failing, own) {
            Ok(engine) => engine,
            Err(EngineError::Storage(_)) => continue,
            Err(error) => panic!("{error}"),
        };
        if engine.session() > session {
            return kills;
        }
        for (round, peer, payload) in units {
            match engine.on_ordered_unit(*round, *peer, payload.as_ref()) {
                Ok(_) => {}
                Err(EngineError::Storage(_)) => {
                    let after = engine.on_ordered_unit(*round, *peer, payload.as_ref());
                    assert!(matches!(after, Err(EngineError::Stopped)));
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    unreachable!("the loop has no end")
}

/// Orders some of the units, opens the machine again, and fetches the outcome.
fn order_and_fetch(storage: &Arc<MemoryStorage>, own: u16, session: u64, units: &[Unit], record: &[u8]) {
    order(storage, own, units);
    let mut engine = open(storage.clone(), own).unwrap();
    let actions = engine.on_fetched_outcome(session, record).unwrap();
    assert!(matches!(actions.as_slice(), [Action::SessionComplete { .. }]), "{actions:?}");
}

fn history_root(storage: &MemoryStorage) -> String {
    let mut root = HistoryRoot::default();
    for session in 0..SESSIONS {
        let record = &storage.rows()[&session_key(session)];
        root.push(SessionParts::read(record).unwrap().leaf(session));
    }
    root.root().to_string()
}

#[test]
fn guardians_who_are_killed_anywhere_end_with_the_same_rows() {
    let (mut kills, mut accepted, mut discarded) = (0, 0, 0);
    for seed in 0..40 {
        let mut chance = Chance { random: Random::new(seed), earlier: Vec::new() };
        let stores: Vec<_> = (0..4).map(|_| Arc::new(MemoryStorage::default())).collect();
        for session in 0..SESSIONS {
            let mut units = chance.units();
            let actions = order(&stores[0], 0, &units);
            accepted += actions.iter().filter(|action| matches!(action, Action::Accepted { .. })).count();
            discarded += actions.iter().filter(|action| matches!(action, Action::Discarded { .. })).count();
            let Some(Action::Broadcast { header, .. }) = actions.last() else {
                panic!("{:?}", actions.last())
            };
            let rounds = units.len();
            units.extend(chance.signatures(*header));
            order(&stores[0], 0, &units);
            let record = stores[0].rows()[&session_key(session)].clone();
            kills += order_killed(&stores[1], 1, session, &units, &mut chance.random);
            kills += order_killed(&stores[2], 2, session, &units, &mut chance.random);
            let some = chance.random.below(rounds + 1);
            order_and_fetch(&stores[3], 3, session, &units[..some], &record);
        }
        for (peer, store) in stores.iter().enumerate() {
            assert!(store.rows() == stores[0].rows(), "seed {seed}: guardian {peer} has other rows");
            assert_eq!(history_root(store), history_root(&stores[0]), "seed {seed}");
        }
    }
    println!("{accepted} items accepted, {discarded} discarded, {kills} kills");
    assert!(accepted > 2000 && discarded > 1000 && kills > 1000);
}
