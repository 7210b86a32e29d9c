//! Who signed a session, block or epoch: read from its record, and checked where there are keys.

use fm_crypto::{EpochKeys, SessionKeys};
use fm_eras::block::{BlockLayout, decode_block};
use fm_eras::{Detected, hbbft};
use fm_history::{PeerId, SessionHeader, Signatures, sha256};
use serde::Serialize;

/// The keys that somebody trusts, of both kinds.
#[derive(Clone, Copy, Default)]
pub struct TrustedKeys<'a> {
    /// Keys of epochs.
    pub epoch: Option<&'a EpochKeys>,
    /// Keys of blocks and sessions.
    pub session: Option<&'a SessionKeys>,
}

/// The signatures that a record carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Signers {
    /// Guardians with a signature in it; of an epoch none, which is signed by all together.
    pub stored: Vec<PeerId>,
    /// Those of them whose signature verifies; null without keys.
    pub valid: Option<Vec<PeerId>>,
    /// An epoch's record carries a signature of the federation.
    pub federation: bool,
    /// Whether enough guardians signed; null without keys.
    pub is_enough: Option<bool>,
}

impl TrustedKeys<'_> {
    /// A name for the keys that a history of this layout is signed with; none if there are none.
    pub fn fingerprint(&self, layout: &Detected) -> Option<String> {
        match layout {
            Detected::Hbbft(_) => self.epoch.map(|keys| hex::encode(keys.public_key())),
            Detected::Blocks(_) => self.session.map(|keys| {
                let keys = keys.peers().flat_map(|peer| {
                    let key = keys.x_only(peer).unwrap_or_default();
                    peer.to_be_bytes().into_iter().chain(key)
                });
                sha256(&[&keys.collect::<Vec<u8>>()]).to_string()
            }),
        }
    }

    /// Reads the signatures of a record and checks them; none if it does not decode.
    pub fn signers(&self, index: u64, record: &[u8], layout: &Detected) -> Signers {
        match layout {
            Detected::Hbbft(layout) => self.of_epoch(record, layout),
            Detected::Blocks(layout) => {
                let block = decode_block(record, layout).ok();
                let of_block = |block: fm_history::Block| {
                    let header = SessionHeader { index, root: block.merkle.root };
                    self.of_header(header, &block.signatures, layout)
                };
                block.map(of_block).unwrap_or_default()
            }
        }
    }

    fn of_epoch(&self, record: &[u8], layout: &hbbft::Layout) -> Signers {
        let Ok(epoch) = hbbft::decode_epoch(record, layout) else { return Signers::default() };
        // Over the hash of what is stored, not over the hash that the record claims.
        let verifies = |keys: &EpochKeys| {
            let hash = epoch.computed_hash.0;
            epoch.signature.is_some_and(|signature| keys.verify(&hash, &signature).is_ok())
        };
        let is_enough = self.epoch.map(verifies);
        Signers { federation: epoch.signature.is_some(), is_enough, ..Signers::default() }
    }

    /// Checks signatures over a header.
    pub fn of_header(&self, header: SessionHeader, signatures: &Signatures, layout: &BlockLayout) -> Signers {
        let valid = self.session.map(|keys| valid_signers(header, signatures, keys, layout));
        let threshold = self.session.map(SessionKeys::threshold);
        Signers {
            stored: signatures.keys().copied().collect(),
            is_enough: valid.as_ref().zip(threshold).map(|(valid, threshold)| valid.len() >= threshold),
            valid,
            federation: false,
        }
    }
}

/// The guardians whose signatures verify, in whichever form of the message the layout allows.
///
/// Records of the stand-alone crate do not tell whether their signatures cover the keys' tag.
fn valid_signers(
    header: SessionHeader,
    signatures: &Signatures,
    keys: &SessionKeys,
    layout: &BlockLayout,
) -> Vec<PeerId> {
    let valid = |keys: &SessionKeys| -> Vec<PeerId> {
        let message = keys.message(&header.to_bytes());
        let verifies = |entry: &(&PeerId, &[u8; 64])| keys.verify(*entry.0, &message, entry.1).is_ok();
        signatures.iter().filter(verifies).map(|(peer, _)| *peer).collect()
    };
    match (layout.tagged, layout.era) {
        (false, _) => valid(&keys.without_tag()),
        (true, "B") => {
            let (tagged, untagged) = (valid(keys), valid(&keys.without_tag()));
            if tagged.is_empty() { untagged } else { tagged }
        }
        (true, _) => valid(keys),
    }
}
