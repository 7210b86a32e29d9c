//! The types of two releases of fedimint-core under one trait.
//!
//! Invariants: no module's decoder is known, so bodies stay bytes; decoding takes all bytes or fails.

use std::collections::BTreeMap;
use std::fmt::Debug;

use fm_history::{ConsensusItem, PeerId, SignedSession, Transaction, TransactionSignature, sha256};

/// Public keys by guardian, as a configuration has them: 33 bytes each.
pub type Keys = BTreeMap<PeerId, Vec<u8>>;

/// What upstream computes for a session or for its pending items.
pub struct Facts {
    pub header: [u8; 40],
    /// For each transaction, its id and what a server stores under it: the module instances of its outputs.
    pub transactions: Vec<([u8; 32], Vec<u8>)>,
}

/// One release.
pub trait Upstream {
    const VERSION: &'static str;
    type Session: Clone + Debug + PartialEq;
    /// The guardians' keys as the release holds them.
    type Ring;

    /// Builds the release's own value, field by field.
    fn build(session: &SignedSession) -> Self::Session;
    fn decode(bytes: &[u8]) -> Result<Self::Session, String>;
    fn encode(session: &Self::Session) -> Vec<u8>;
    fn facts(session: &Self::Session, index: u64) -> Facts;
    fn ring(keys: &Keys) -> Self::Ring;
    /// Checks whether a server of this release accepts the signatures of a session.
    fn verify(session: &Self::Session, keys: &Self::Ring, index: u64) -> bool;
    /// Decodes an accepted item and encodes it again.
    fn item_again(bytes: &[u8]) -> Result<Vec<u8>, String>;
    fn integer(value: u64) -> Vec<u8>;
}

/// Two releases have two sets of types with the same names; the macro's arguments are the differences.
macro_rules! upstream {
    ($name:ident, $version:literal, $core:ident, $items:ident, $decode:path, $signature:expr, $verify:path) => {
        pub struct $name;

        impl Upstream for $name {
            const VERSION: &'static str = $version;
            type Session = $core::session_outcome::SignedSessionOutcome;
            type Ring = BTreeMap<$core::PeerId, $core::secp256k1::PublicKey>;

            fn build(session: &SignedSession) -> Self::Session {
                use $core::core::{DynInput, DynModuleConsensusItem, DynOutput, DynUnknown};
                use $core::secp256k1::schnorr::Signature;
                use $core::session_outcome::{AcceptedItem, SessionOutcome};
                use $core::transaction::{Transaction as Theirs, TransactionSignature as Authorisation};
                use $core::$items::ConsensusItem as Item;

                let transaction = |ours: &Transaction| Theirs {
                    inputs: ours
                        .inputs
                        .iter()
                        .map(|input| DynInput::from_typed(input.instance, DynUnknown(input.body.clone())))
                        .collect(),
                    outputs: ours
                        .outputs
                        .iter()
                        .map(|output| DynOutput::from_typed(output.instance, DynUnknown(output.body.clone())))
                        .collect(),
                    nonce: ours.nonce,
                    signatures: match &ours.signature {
                        TransactionSignature::Schnorr(list) => Authorisation::NaiveMultisig(
                            list.iter()
                                .map(|bytes| Signature::from_slice(bytes).expect("64 bytes"))
                                .collect(),
                        ),
                        TransactionSignature::Default { variant, bytes } => {
                            Authorisation::Default { variant: *variant, bytes: bytes.clone() }
                        }
                    },
                };
                let item = |ours: &ConsensusItem| match ours {
                    ConsensusItem::Transaction(ours) => Item::Transaction(transaction(ours)),
                    ConsensusItem::Module(value) => Item::Module(DynModuleConsensusItem::from_typed(
                        value.instance,
                        DynUnknown(value.body.clone()),
                    )),
                    ConsensusItem::Default { variant, bytes } => {
                        Item::Default { variant: *variant, bytes: bytes.clone() }
                    }
                };
                let items = session.outcome.items.iter();
                let signature: fn(&[u8; 64]) -> _ = $signature;
                Self::Session {
                    session_outcome: SessionOutcome {
                        items: items
                            .map(|ours| AcceptedItem { item: item(&ours.item), peer: ours.peer.into() })
                            .collect(),
                    },
                    signatures: session
                        .signatures
                        .iter()
                        .map(|(peer, bytes)| ((*peer).into(), signature(bytes)))
                        .collect(),
                }
            }

            fn decode(bytes: &[u8]) -> Result<Self::Session, String> {
                $decode(bytes)
            }

            fn encode(session: &Self::Session) -> Vec<u8> {
                $core::encoding::Encodable::consensus_encode_to_vec(session)
            }

            fn facts(session: &Self::Session, index: u64) -> Facts {
                use $core::BitcoinHash;
                use $core::encoding::Encodable;
                use $core::$items::ConsensusItem as Item;

                let items = session.session_outcome.items.iter();
                let transactions = items.filter_map(|accepted| match &accepted.item {
                    Item::Transaction(transaction) => Some(transaction),
                    _ => None,
                });
                Facts {
                    header: session.session_outcome.header(index),
                    transactions: transactions
                        .map(|transaction| {
                            let outputs = transaction.outputs.iter();
                            let instances: Vec<u16> =
                                outputs.map(|output| output.module_instance_id()).collect();
                            (transaction.tx_hash().to_byte_array(), instances.consensus_encode_to_vec())
                        })
                        .collect(),
                }
            }

            fn ring(keys: &Keys) -> Self::Ring {
                let keys = keys.iter().map(|(peer, key)| {
                    let key = $core::secp256k1::PublicKey::from_slice(key).expect("a public key");
                    ((*peer).into(), key)
                });
                keys.collect()
            }

            fn verify(session: &Self::Session, keys: &Self::Ring, index: u64) -> bool {
                $verify(session, keys, index)
            }

            fn item_again(bytes: &[u8]) -> Result<Vec<u8>, String> {
                let item: $core::session_outcome::AcceptedItem = $decode(bytes)?;
                Ok($core::encoding::Encodable::consensus_encode_to_vec(&item))
            }

            fn integer(value: u64) -> Vec<u8> {
                $core::encoding::Encodable::consensus_encode_to_vec(&value)
            }
        }
    };
}

upstream!(
    V0_5,
    "0.5.0",
    core_0_5,
    epoch,
    decode_0_5,
    |bytes| core_0_5::session_outcome::SchnorrSignature(*bytes),
    verify_0_5
);
upstream!(
    V0_13,
    "0.13.0",
    core_0_13,
    session_outcome,
    decode_0_13,
    |bytes| core_0_13::secp256k1::schnorr::Signature::from_slice(bytes).expect("64 bytes"),
    core_0_13::session_outcome::SignedSessionOutcome::verify
);

/// This release leaves bytes after a value unread; here they are an error, as in later releases.
fn decode_0_5<T: core_0_5::encoding::Decodable>(mut bytes: &[u8]) -> Result<T, String> {
    let modules = core_0_5::module::registry::ModuleDecoderRegistry::default().with_fallback();
    let value = T::consensus_decode(&mut bytes, &modules).map_err(|error| error.to_string())?;
    if bytes.is_empty() { Ok(value) } else { Err(format!("{} bytes follow the value", bytes.len())) }
}

fn decode_0_13<T: core_0_13::encoding::Decodable>(bytes: &[u8]) -> Result<T, String> {
    let modules = core_0_13::module::registry::ModuleDecoderRegistry::default().with_fallback();
    T::consensus_decode_whole(bytes, &modules).map_err(|error| error.to_string())
}

/// The rule of the servers of that time, whose verifier is not in this crate: exactly a threshold, all valid.
fn verify_0_5(
    session: &core_0_5::session_outcome::SignedSessionOutcome,
    keys: &BTreeMap<core_0_5::PeerId, core_0_5::secp256k1::PublicKey>,
    index: u64,
) -> bool {
    use core_0_5::NumPeersExt;
    use core_0_5::encoding::Encodable;
    use core_0_5::secp256k1::schnorr::Signature;
    use core_0_5::secp256k1::{Message, Secp256k1};

    let tag = sha256(&[&keys.consensus_encode_to_vec()]);
    let digest = sha256(&[&tag.0, &session.session_outcome.header(index)]);
    let message = Message::from_digest_slice(&digest.0).expect("32 bytes");
    let secp = Secp256k1::verification_only();
    session.signatures.len() == keys.to_num_peers().threshold()
        && session.signatures.iter().all(|(peer, signature)| {
            let signature = Signature::from_slice(&signature.0).expect("64 bytes");
            keys.get(peer).is_some_and(|key| {
                secp.verify_schnorr(&signature, &message, &key.x_only_public_key().0).is_ok()
            })
        })
}
