//! The guardians' keys in the form that the library requires.

use std::sync::Arc;

use aleph_bft_0_36 as aleph;
use fm_crypto::{SessionKeys, SigningKey};
use fm_history::PeerId;
use fm_units::ALEPH_0_36;

use crate::Member;

pub(crate) type Signature = [u8; 64];
pub(crate) type Signatures = aleph::NodeMap<Signature>;

/// The hash function of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitHasher;

impl aleph::Hasher for UnitHasher {
    type Hash = [u8; 32];

    fn hash(bytes: &[u8]) -> Self::Hash {
        ALEPH_0_36.hash.hash(bytes).0
    }
}

/// Signs as this guardian, and checks the signatures of all.
#[derive(Clone)]
pub(crate) struct Keychain {
    me: PeerId,
    keys: Arc<SessionKeys>,
    key: Arc<SigningKey>,
}

impl Keychain {
    pub(crate) fn new(member: &Member) -> Self {
        Self { me: member.me, keys: member.keys.clone(), key: member.key.clone() }
    }
}

impl aleph::Index for Keychain {
    fn index(&self) -> aleph::NodeIndex {
        aleph::NodeIndex(self.me.into())
    }
}

impl aleph::Keychain for Keychain {
    type Signature = Signature;

    fn node_count(&self) -> aleph::NodeCount {
        aleph::NodeCount(self.keys.guardians())
    }

    fn sign(&self, data: &[u8]) -> Signature {
        self.key.sign(&self.keys.message(data))
    }

    fn verify(&self, data: &[u8], signature: &Signature, by: aleph::NodeIndex) -> bool {
        PeerId::try_from(by.0)
            .is_ok_and(|peer| self.keys.verify(peer, &self.keys.message(data), signature).is_ok())
    }
}

impl aleph::MultiKeychain for Keychain {
    type PartialMultisignature = Signatures;

    fn bootstrap_multi(&self, signature: &Signature, by: aleph::NodeIndex) -> Signatures {
        let mut signatures = Signatures::with_size(aleph::Keychain::node_count(self));
        signatures.insert(by, *signature);
        signatures
    }

    fn is_complete(&self, data: &[u8], signatures: &Signatures) -> bool {
        signatures.iter().count() >= self.keys.threshold()
            && signatures.iter().all(|(by, signature)| aleph::Keychain::verify(self, data, signature, by))
    }
}
