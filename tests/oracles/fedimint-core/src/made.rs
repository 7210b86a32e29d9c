//! Values made from a seed, with a preference for the lengths and numbers at which an encoding changes its
//! form.

use fm_codec::ModuleValue;
use fm_history::{
    AcceptedItem, ConsensusItem, SessionOutcome, SignedSession, Transaction, TransactionSignature,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Both sides of every step of a BigSize integer.
const STEPS: [u64; 8] = [0, 1, 0xFC, 0xFD, 0xFFFF, 0x1_0000, 0xFFFF_FFFF, 0x1_0000_0000];

pub struct Maker(ChaCha20Rng);

impl Maker {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.next_u64() % end as u64).expect("below a usize")
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        self.0.fill_bytes(&mut array);
        array
    }

    /// Returns a step or any number.
    pub fn number(&mut self) -> u64 {
        match self.below(12) {
            step @ 0..8 => STEPS[step],
            8 => u64::MAX,
            _ => self.0.next_u64() >> self.below(64),
        }
    }

    fn small(&mut self) -> u16 {
        u16::try_from(self.number()).unwrap_or(u16::MAX)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = match self.below(40) {
            0 => 0xFC,
            1 => 0xFD,
            2 => 0xFFFF + self.below(2),
            _ => self.below(60),
        };
        let mut bytes = vec![0; length];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = if self.below(60) == 0 { 0xFC + self.below(3) } else { self.below(4) };
        (0..length).map(|_| make(self)).collect()
    }

    fn module_value(&mut self) -> ModuleValue {
        ModuleValue { instance: self.small(), body: self.bytes() }
    }

    fn transaction(&mut self) -> Transaction {
        Transaction {
            inputs: self.list(Self::module_value),
            outputs: self.list(Self::module_value),
            nonce: self.array(),
            signature: match self.below(3) {
                0 => TransactionSignature::Default { variant: self.number().max(1), bytes: self.bytes() },
                _ => TransactionSignature::Schnorr(self.list(Self::array)),
            },
        }
    }

    fn item(&mut self) -> AcceptedItem {
        let item = match self.below(5) {
            0 => ConsensusItem::Default { variant: self.number().max(2), bytes: self.bytes() },
            1 | 2 => ConsensusItem::Module(self.module_value()),
            _ => ConsensusItem::Transaction(self.transaction()),
        };
        AcceptedItem { item, peer: self.small() }
    }

    pub fn session(&mut self) -> SignedSession {
        let mut items = self.list(Self::item);
        // Equal items at the end make lists that share a root: each side must see the same one.
        if let Some(last) = items.last().cloned().filter(|_| self.below(8) == 0) {
            items.push(last);
        }
        let signatures = self.list(|maker| (maker.small(), maker.array()));
        SignedSession { outcome: SessionOutcome { items }, signatures: signatures.into_iter().collect() }
    }

    /// Returns the encoding with one fault, or sometimes without one.
    pub fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        // Most faults matter in the first bytes of a record: counts, variants, lengths.
        let reach = if self.below(2) == 0 { bytes.len().min(12) } else { bytes.len() };
        let at = self.below(reach);
        match self.below(6) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = [0, 1, 2, 0xFC, 0xFD, 0xFE, 0xFF][self.below(7)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, 0),
            4 => bytes.push(0),
            // One byte becomes an integer that is longer than necessary.
            _ => drop(bytes.splice(at..=at, [0xFD, 0, bytes[at]])),
        }
        bytes
    }
}
