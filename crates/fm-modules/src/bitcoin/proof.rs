//! The proof that a block contains a transaction: the block's header and a part of its tree (BIP 37).
//!
//! Decoding verifies the proof, as upstream's does. Source: fedimint-core 0.5.0, src/txoproof.rs; bitcoin
//! 0.32, src/merkle_tree/block.rs.

use fm_codec::{Decode, DecodeError, DecodeErrorKind, Encode, Reader, Writer};

use super::{BitcoinHash, bytes, list, u32_le, write_bytes, write_list};

/// A proof that a block contains transactions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TxOutProof {
    /// The block's header.
    pub header: [u8; 80],
    /// The part of its tree that leads to the transactions.
    pub tree: PartialMerkleTree,
}

/// A part of a block's tree, as the hashes and flags of a walk from the root, left before right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartialMerkleTree {
    /// The number of transactions of the block.
    pub transactions: u32,
    /// The hashes of what the walk does not enter.
    pub hashes: Vec<BitcoinHash>,
    /// One bit for each step, lowest bit first: whether it leads to a transaction of the proof.
    pub flags: Vec<u8>,
}

/// The most transactions that fit a block: 4,000,000 weight units, of which a transaction takes 240.
/// Source: bitcoin 0.32, src/blockdata/weight.rs.
const MOST_TRANSACTIONS: u32 = 4_000_000 / 240;
/// The place of the tree's root in a header.
const ROOT: std::ops::Range<usize> = 36..68;

impl TxOutProof {
    /// Returns the id of the block.
    pub fn block(&self) -> BitcoinHash {
        BitcoinHash::of(&[&self.header])
    }

    /// Returns whether the proof is about this transaction. Of a proof that was decoded, this is a fact of
    /// the block; that the block is of the chain is not checked here.
    pub fn contains(&self, txid: BitcoinHash) -> bool {
        self.tree.walk().is_some_and(|(root, found)| root == self.root() && found.contains(&txid))
    }

    fn root(&self) -> BitcoinHash {
        let mut root = [0; 32];
        root.copy_from_slice(&self.header[ROOT]);
        BitcoinHash(root)
    }
}

impl PartialMerkleTree {
    /// Returns the root, and the ids of the transactions that the proof is about; `None` if the hashes and
    /// flags are not exactly those of a walk.
    pub fn walk(&self) -> Option<(BitcoinHash, Vec<BitcoinHash>)> {
        let hashes = u32::try_from(self.hashes.len()).ok()?;
        let is_possible = (1..=MOST_TRANSACTIONS).contains(&self.transactions)
            && hashes <= self.transactions
            && self.flags.len() * 8 >= self.hashes.len();
        if !is_possible {
            return None;
        }
        let mut walk = Walk { tree: self, flags: 0, hashes: 0, found: Vec::new() };
        let height = (0..).find(|height| self.width(*height) <= 1)?;
        let root = walk.node(height, 0)?;
        let is_whole = walk.flags.div_ceil(8) == self.flags.len() && walk.hashes == self.hashes.len();
        is_whole.then_some((root, walk.found))
    }

    /// Returns the number of nodes at a height; 0 is that of the transactions.
    fn width(&self, height: u32) -> u32 {
        self.transactions.div_ceil(1 << height)
    }
}

/// The state of a walk through a tree. It is at most 15 calls deep, since a block holds 16,666 transactions.
struct Walk<'t> {
    tree: &'t PartialMerkleTree,
    flags: usize,
    hashes: usize,
    found: Vec<BitcoinHash>,
}

impl Walk<'_> {
    fn node(&mut self, height: u32, position: u32) -> Option<BitcoinHash> {
        let flag = self.tree.flags.get(self.flags / 8)? >> (self.flags % 8) & 1 == 1;
        self.flags += 1;
        if height == 0 || !flag {
            let hash = *self.tree.hashes.get(self.hashes)?;
            self.hashes += 1;
            if flag {
                self.found.push(hash);
            }
            return Some(hash);
        }
        let left = self.node(height - 1, position * 2)?;
        if position * 2 + 1 >= self.tree.width(height - 1) {
            return Some(BitcoinHash::of(&[&left.0, &left.0]));
        }
        let right = self.node(height - 1, position * 2 + 1)?;
        // Equal branches would let one root stand for two lists of transactions (CVE-2012-2459).
        (left != right).then(|| BitcoinHash::of(&[&left.0, &right.0]))
    }
}

impl Decode for TxOutProof {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let offset = reader.position();
        let proof = Self { header: reader.array()?, tree: reader.value()? };
        match proof.tree.walk() {
            Some((root, _)) if root == proof.root() => Ok(proof),
            _ => Err(DecodeError { offset, kind: DecodeErrorKind::Not { what: "a proof of its block" } }),
        }
    }
}

impl Encode for TxOutProof {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.header);
        writer.value(&self.tree);
    }
}

impl Decode for PartialMerkleTree {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { transactions: u32_le(reader)?, hashes: list(reader, 32)?, flags: bytes(reader)?.to_vec() })
    }
}

impl Encode for PartialMerkleTree {
    fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.transactions.to_le_bytes());
        write_list(writer, &self.hashes);
        write_bytes(writer, &self.flags);
    }
}
