//! The signers of a session, block or epoch: read from its record, and checked if there are keys.

use fm_crypto::{EpochKeys, SessionKeys};
use fm_eras::block::{BlockLayout, decode_block};
use fm_eras::{Era, Layout, hbbft};
use fm_history::{PeerId, SessionHeader, Signatures};
use serde::Serialize;

/// The keys that the caller trusts, of both kinds.
#[derive(Clone, Copy, Default)]
pub struct TrustedKeys<'a> {
    /// Keys of epochs.
    pub epoch: Option<&'a EpochKeys>,
    /// Keys of blocks and sessions.
    pub session: Option<&'a SessionKeys>,
}

/// The relation of the given keys to the signatures of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStanding {
    /// No keys were given.
    #[default]
    None,
    /// The keys are of the other kind: epoch keys for a session, or session keys for an epoch.
    OtherKind,
    /// None of the history's signatures verifies with these keys: they belong to another federation.
    Other,
    /// The signatures were checked with them.
    Given,
}

/// The signatures that a record carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Signers {
    /// Guardians with a signature in the record. It is empty for an epoch, which all guardians sign together.
    pub stored: Vec<PeerId>,
    /// The guardians whose signature verifies; null without keys.
    pub valid: Option<Vec<PeerId>>,
    /// Whether the record of an epoch carries a signature of the federation.
    pub federation: bool,
    /// Whether enough guardians signed; null without keys.
    pub threshold_met: Option<bool>,
    /// The relation of the given keys to these signatures.
    pub keys: KeyStanding,
    /// The number that the record states, if its key has another number: no signature in the record covers
    /// the number in the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_index: Option<u64>,
}

impl Signers {
    /// Returns whether the record carries signatures and none of them verifies.
    pub fn none_verifies(&self) -> bool {
        match &self.valid {
            Some(valid) => valid.is_empty() && !self.stored.is_empty(),
            None => self.federation && self.threshold_met == Some(false),
        }
    }
}

impl TrustedKeys<'_> {
    /// Returns the name of the keys that a history of this layout is signed with; `None` if they are not
    /// given.
    pub fn name(&self, layout: &Layout) -> Option<String> {
        match layout {
            Layout::Hbbft(_) => self.epoch.map(EpochKeys::name),
            Layout::Blocks(_) => self.session.map(SessionKeys::name),
        }
    }

    /// Returns the names of the keys that two histories are signed with: one name if both use the same kind
    /// of keys, otherwise both names, that of the epoch keys first.
    pub fn names(&self, mut layouts: [&Layout; 2]) -> Option<String> {
        layouts.sort_by_key(|layout| matches!(layout, Layout::Blocks(_)));
        let mut names: Vec<String> = layouts.iter().filter_map(|layout| self.name(layout)).collect();
        names.dedup();
        (!names.is_empty()).then(|| names.join("+"))
    }

    /// Returns the relation of the keys to a history of this layout, before any signature is checked.
    pub fn standing(&self, layout: &Layout) -> KeyStanding {
        match (self.name(layout), self.epoch.is_none() && self.session.is_none()) {
            (Some(_), _) => KeyStanding::Given,
            (None, true) => KeyStanding::None,
            (None, false) => KeyStanding::OtherKind,
        }
    }

    /// Reads the signatures of a record and checks them; there are no signatures if the record does not
    /// decode.
    pub fn signers(&self, index: u64, record: &[u8], layout: &Layout) -> Signers {
        let signers = match layout {
            Layout::Hbbft(layout) => self.of_epoch(index, record, layout),
            Layout::Blocks(layout) => {
                let block = decode_block(record, layout).ok();
                let of_block = |block: fm_history::Block| {
                    let header = SessionHeader { index, root: block.merkle.root };
                    let own_index = block.index.filter(|own| *own != index);
                    Signers { own_index, ..self.of_header(header, &block.signatures, layout) }
                };
                block.map(of_block).unwrap_or_default()
            }
        };
        Signers { keys: self.standing(layout), ..signers }
    }

    fn of_epoch(&self, index: u64, record: &[u8], layout: &hbbft::EpochLayout) -> Signers {
        let Ok(epoch) = hbbft::decode_epoch(record, layout) else { return Signers::default() };
        let own_index = Some(epoch.number).filter(|own| *own != index);
        // Over the hash of what is stored, not the hash that the record claims; and of this epoch, not
        // another.
        let verifies = |keys: &EpochKeys| {
            let hash = epoch.computed_hash.0;
            let signature = epoch.signature.filter(|_| own_index.is_none());
            signature.is_some_and(|signature| keys.verify(&hash, &signature).is_ok())
        };
        let threshold_met = self.epoch.map(verifies);
        Signers { federation: epoch.signature.is_some(), threshold_met, own_index, ..Signers::default() }
    }

    /// Checks signatures over a header.
    pub fn of_header(
        &self,
        header: SessionHeader,
        signatures: &Signatures,
        layout: &'static BlockLayout,
    ) -> Signers {
        let valid = self.session.map(|keys| valid_signers(header, signatures, keys, layout));
        let threshold = self.session.map(SessionKeys::threshold);
        Signers {
            stored: signatures.keys().copied().collect(),
            threshold_met: valid.as_ref().zip(threshold).map(|(valid, threshold)| valid.len() >= threshold),
            valid,
            keys: self.standing(&Layout::Blocks(layout)),
            ..Signers::default()
        }
    }
}

/// Returns the guardians whose signatures verify, in any form of the message that the layout allows.
///
/// Records of the stand-alone crate do not show whether their signatures cover the keys' tag.
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
        (true, Era::B) => {
            let (tagged, untagged) = (valid(keys), valid(&keys.without_tag()));
            if tagged.is_empty() { untagged } else { tagged }
        }
        (true, _) => valid(keys),
    }
}
