//! The canonical history of a federation, and all pure computation on it.
//!
//! Invariants: no I/O, no clock, no threads. The same history leads to the same results on every machine.
//!
//! # Example
//!
//! ```
//! use fm_history::{HistoryRoot, SessionHeader, SessionLeaf, merkle_root, sha256};
//!
//! let item = sha256(&[b"an item"]);
//! let header = SessionHeader { index: 0, root: merkle_root(vec![item]).root };
//! // What guardians sign: the number of the session and the root of its items.
//! assert_eq!(header.to_bytes().len(), 40);
//!
//! let mut root = HistoryRoot::new();
//! root.push(SessionLeaf { items: 1, header });
//! assert_eq!(root.sessions(), 1);
//! ```

mod block;
mod chain;
mod diff;
mod digest;
mod entry;
mod epoch;
mod finding;
mod hash;
mod header;
mod manifest;
mod merkle_path;
mod multiset;
mod printable;
mod root;
mod rule;
mod rule_block;
mod session;
mod session_parts;
mod tally;

pub use block::{Block, BlockContent, BlockItem, BlockSignature, BlockTransaction};
pub use chain::{ChainSummary, ChainVerifier, EpochClass, EpochFacts, SignatureState};
pub use diff::{DiffClass, Difference, compare_entries};
pub use digest::sha256;
pub use entry::{Entry, EntryItem, ItemKind, ModulePart};
pub use epoch::{Contribution, Epoch, EpochContent, EpochItem, EpochTransaction};
pub use finding::{Cause, Code, Finding, Place, Severity};
pub use fm_codec::PeerId;
pub use hash::Hash;
pub use header::{
    Depth, MerkleRoot, NODE_PAIR_BYTES, RootBuilder, SessionHeader, merkle_root, merkle_root_of_items,
};
pub use manifest::Manifest;
pub use merkle_path::{NodePair, PathError, WalkedPath, merkle_path, walk_path};
pub use multiset::{MultisetDigest, MultisetKey};
pub use printable::{is_hidden, printable};
pub use root::{HistoryRoot, HistoryTree, SessionLeaf};
pub use rule::{
    CarriedTransaction, ConvertedSession, DropReason, Dropped, RULE_VERSION, SIGNATURE_VARIANT_V0_1,
    accepted_transactions, convert_epoch,
};
pub use rule_block::{ITEM_VARIANT_BYTES, convert_block, with_signatures};
pub use session::{
    AcceptedItem, ConsensusItem, SessionOutcome, SignedSession, Transaction, TransactionSignature,
};
pub use session_parts::{SessionParts, Signatures, read_signatures, signed_record};
pub use tally::{Fold, Folds, Tally};
