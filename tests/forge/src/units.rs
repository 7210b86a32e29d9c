//! Units of AlephBFT in every form that a backup ever had, with real hashes and signatures.
//!
//! Invariant: a unit commits to the last unit that was made at each of its parents' places.

use std::collections::BTreeMap;

use fm_codec::{Dialect, Writer};
use fm_crypto::{SessionKeys, SigningKey};
use fm_history::{Hash, sha256};
use fm_units::{
    Authored, DataShape, Subset, UnitData, UnitFields, UnitForm, UnitTable, subset_bits, write_bytes,
};

/// Guardians that make units.
pub struct UnitForge {
    form: &'static UnitForm,
    session: u64,
    signers: Vec<SigningKey>,
    keys: SessionKeys,
    hashes: BTreeMap<(u16, usize), Hash>,
}

/// Rows of a database: keys and values.
pub type UnitRows = Vec<(Vec<u8>, Vec<u8>)>;

impl UnitForge {
    /// Creates guardians with these secret keys, in this order.
    pub fn new(form: &'static UnitForm, session: u64, secrets: &[[u8; 32]]) -> Self {
        let signer = |secret: &[u8; 32]| SigningKey::from_bytes(*secret).expect("a secret key of the curve");
        let signers: Vec<_> = secrets.iter().map(signer).collect();
        let public = signers.iter().zip(0u16..).map(|(signer, peer)| (peer, signer.public_key())).collect();
        let keys = SessionKeys::new(&public).expect("keys of guardians");
        Self { form, session, signers, keys, hashes: BTreeMap::new() }
    }

    /// Returns the guardians' public keys.
    pub fn keys(&self) -> &SessionKeys {
        &self.keys
    }

    /// Makes a unit on those guardians' units of the round before it, and returns the bytes of its record.
    ///
    /// `items` are already encoded.
    pub fn unit(
        &mut self,
        round: u16,
        creator: usize,
        parents: &[usize],
        items: Option<&[Vec<u8>]>,
    ) -> Vec<u8> {
        let nodes = self.signers.len();
        let bits = subset_bits(nodes, parents.iter().copied());
        let before = |node: usize| {
            let place = (round.checked_sub(1)?, node);
            parents.contains(&node).then(|| self.hashes.get(&place).copied()).flatten()
        };
        let slots: Vec<Option<Hash>> = (0..nodes).map(before).collect();
        let (mut list, mut batch) = (Vec::new(), Writer::new(Dialect::MODERN));
        for item in items.unwrap_or_default() {
            write_bytes(&mut list, item);
        }
        batch.list(items.unwrap_or_default().iter(), |writer, item| writer.raw(item));
        let mut fields = UnitFields {
            round,
            creator: creator as u64,
            parents: Subset { nodes, bits: &bits },
            parents_hash: self.form.hash.parents_hash(&slots).0,
            data: items.map(|items| self.data(creator, items, &list, batch.as_bytes())),
            session: self.session,
            signature: [0; 64],
        };
        let mut unsigned = Vec::new();
        fields.write_unsigned(&mut unsigned);
        let hash = self.form.hash.hash(&unsigned);
        fields.signature = self.sign(creator, &hash.0);
        self.hashes.insert((round, creator), hash);
        let mut bytes = self.form.tag().to_vec();
        fields.write(&mut bytes);
        bytes
    }

    /// Makes every guardian's units for this many rounds, each on all units of the round before, with one
    /// batch of items in every third.
    pub fn rounds(&mut self, rounds: u16) -> Vec<Vec<u8>> {
        let all: Vec<usize> = (0..self.signers.len()).collect();
        let mut records = Vec::new();
        for round in 0..rounds {
            for creator in all.iter().copied() {
                let parents: &[usize] = if round == 0 { &[] } else { &all };
                // A module item: variant 1, a body of 4 bytes, module 0, two bytes.
                let item = vec![vec![1, 4, 0, 2, round.to_le_bytes()[0], creator.to_le_bytes()[0]]];
                let items = (usize::from(round) + creator).is_multiple_of(3).then_some(item);
                records.push(self.unit(round, creator, parents, items.as_deref()));
            }
        }
        records
    }

    fn data<'a>(&self, creator: usize, items: &[Vec<u8>], list: &'a [u8], batch: &'a [u8]) -> UnitData<'a> {
        let by = |signature| Authored { signature, author: creator as u64 };
        match self.form.data {
            DataShape::Bytes => UnitData::Bytes { bytes: batch, by: None },
            DataShape::BytesSigned => {
                UnitData::Bytes { bytes: batch, by: Some(by(self.sign(creator, batch))) }
            }
            DataShape::ItemsSigned => {
                let mut encoded = Writer::new(Dialect::A2);
                encoded.list(items.iter(), |writer, item| writer.bytes(item));
                let by = by(self.sign(creator, &sha256(&[encoded.as_bytes()]).0));
                UnitData::Items { count: items.len(), list, by }
            }
        }
    }

    fn sign(&self, creator: usize, data: &[u8]) -> [u8; 64] {
        self.signers[creator].sign(&self.keys.message(data))
    }
}

/// Returns the rows of a table that holds these chunks.
pub fn unit_rows(table: UnitTable, session: u64, chunks: &[Vec<u8>]) -> UnitRows {
    let row = |(number, chunk): (u64, &Vec<u8>)| {
        let (mut key, mut value) = (Writer::new(table.dialect), Writer::new(table.dialect));
        key.u8(table.prefix);
        if table.session_in_key {
            key.u64(session);
        }
        key.u64(number);
        value.bytes(chunk);
        (key.into_bytes(), value.into_bytes())
    };
    (0..).zip(chunks).map(row).collect()
}
