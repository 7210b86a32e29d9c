//! The payloads of two releases of upstream's module crates, by kind and part.
//!
//! Invariants: decoding takes all bytes or fails, as servers decode a payload.

use fm_modules::{Kind, Part};

/// What a release makes of bytes: nothing if it refuses them, else their encoding by the release.
pub type Again = Option<Vec<u8>>;

fn of_0_5<T: core_0_5::encoding::Decodable + core_0_5::encoding::Encodable>(bytes: &[u8]) -> Again {
    let mut rest = bytes;
    let value = T::consensus_decode(&mut rest, &Default::default()).ok()?;
    rest.is_empty().then(|| value.consensus_encode_to_vec())
}

fn of_0_13<T: core_0_13::encoding::Decodable + core_0_13::encoding::Encodable>(bytes: &[u8]) -> Again {
    let value = T::consensus_decode_whole(bytes, &Default::default()).ok()?;
    Some(value.consensus_encode_to_vec())
}

/// Decodes as the release 0.5.0; `None` if it has no such kind.
pub fn release_0_5(kind: &Kind, part: Part, bytes: &[u8]) -> Option<Again> {
    let read: fn(&[u8]) -> Again = match (kind, part) {
        (Kind::Mint, Part::Input) => of_0_5::<mint_0_5::MintInput>,
        (Kind::Mint, Part::Output) => of_0_5::<mint_0_5::MintOutput>,
        (Kind::Mint, Part::Item) => of_0_5::<mint_0_5::MintConsensusItem>,
        (Kind::Mint, Part::Outcome) => of_0_5::<mint_0_5::MintOutputOutcome>,
        (Kind::Wallet, Part::Input) => of_0_5::<wallet_0_5::WalletInput>,
        (Kind::Wallet, Part::Output) => of_0_5::<wallet_0_5::WalletOutput>,
        (Kind::Wallet, Part::Item) => of_0_5::<wallet_0_5::WalletConsensusItem>,
        (Kind::Wallet, Part::Outcome) => of_0_5::<wallet_0_5::WalletOutputOutcome>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Input) => of_0_5::<ln_0_5::LightningInput>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Output) => of_0_5::<ln_0_5::LightningOutput>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Item) => of_0_5::<ln_0_5::LightningConsensusItem>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Outcome) => of_0_5::<ln_0_5::LightningOutputOutcome>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Input) => of_0_5::<lnv2_0_5::LightningInput>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Output) => of_0_5::<lnv2_0_5::LightningOutput>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Item) => of_0_5::<lnv2_0_5::LightningConsensusItem>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Outcome) => of_0_5::<lnv2_0_5::LightningOutputOutcome>,
        (Kind::Meta, Part::Input) => of_0_5::<meta_0_5::MetaInput>,
        (Kind::Meta, Part::Output) => of_0_5::<meta_0_5::MetaOutput>,
        (Kind::Meta, Part::Item) => of_0_5::<meta_0_5::MetaConsensusItem>,
        (Kind::Meta, Part::Outcome) => of_0_5::<meta_0_5::MetaOutputOutcome>,
        (Kind::Dummy, Part::Input) => of_0_5::<dummy_0_5::DummyInput>,
        (Kind::Dummy, Part::Output) => of_0_5::<dummy_0_5::DummyOutput>,
        (Kind::Dummy, Part::Item) => of_0_5::<dummy_0_5::DummyConsensusItem>,
        (Kind::Dummy, Part::Outcome) => of_0_5::<dummy_0_5::DummyOutputOutcome>,
        #[cfg(not(feature = "lightning"))]
        (Kind::Ln | Kind::LnV2, _) => return None,
        (Kind::MintV2 | Kind::WalletV2 | Kind::Unknown(_), _) => return None,
    };
    Some(read(bytes))
}

/// Decodes as the release 0.13.0; `None` if it has no such kind.
pub fn release_0_13(kind: &Kind, part: Part, bytes: &[u8]) -> Option<Again> {
    let read: fn(&[u8]) -> Again = match (kind, part) {
        (Kind::Mint, Part::Input) => of_0_13::<mint_0_13::MintInput>,
        (Kind::Mint, Part::Output) => of_0_13::<mint_0_13::MintOutput>,
        (Kind::Mint, Part::Item) => of_0_13::<mint_0_13::MintConsensusItem>,
        (Kind::Mint, Part::Outcome) => of_0_13::<mint_0_13::MintOutputOutcome>,
        (Kind::MintV2, Part::Input) => of_0_13::<mintv2_0_13::MintInput>,
        (Kind::MintV2, Part::Output) => of_0_13::<mintv2_0_13::MintOutput>,
        (Kind::MintV2, Part::Item) => of_0_13::<mintv2_0_13::MintConsensusItem>,
        (Kind::MintV2, Part::Outcome) => of_0_13::<mintv2_0_13::MintOutputOutcome>,
        (Kind::Wallet, Part::Input) => of_0_13::<wallet_0_13::WalletInput>,
        (Kind::Wallet, Part::Output) => of_0_13::<wallet_0_13::WalletOutput>,
        (Kind::Wallet, Part::Item) => of_0_13::<wallet_0_13::WalletConsensusItem>,
        (Kind::Wallet, Part::Outcome) => of_0_13::<wallet_0_13::WalletOutputOutcome>,
        (Kind::WalletV2, Part::Input) => of_0_13::<walletv2_0_13::WalletInput>,
        (Kind::WalletV2, Part::Output) => of_0_13::<walletv2_0_13::WalletOutput>,
        (Kind::WalletV2, Part::Item) => of_0_13::<walletv2_0_13::WalletConsensusItem>,
        (Kind::WalletV2, Part::Outcome) => of_0_13::<walletv2_0_13::WalletOutputOutcome>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Input) => of_0_13::<ln_0_13::LightningInput>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Output) => of_0_13::<ln_0_13::LightningOutput>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Item) => of_0_13::<ln_0_13::LightningConsensusItem>,
        #[cfg(feature = "lightning")]
        (Kind::Ln, Part::Outcome) => of_0_13::<ln_0_13::LightningOutputOutcome>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Input) => of_0_13::<lnv2_0_13::LightningInput>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Output) => of_0_13::<lnv2_0_13::LightningOutput>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Item) => of_0_13::<lnv2_0_13::LightningConsensusItem>,
        #[cfg(feature = "lightning")]
        (Kind::LnV2, Part::Outcome) => of_0_13::<lnv2_0_13::LightningOutputOutcome>,
        (Kind::Meta, Part::Input) => of_0_13::<meta_0_13::MetaInput>,
        (Kind::Meta, Part::Output) => of_0_13::<meta_0_13::MetaOutput>,
        (Kind::Meta, Part::Item) => of_0_13::<meta_0_13::MetaConsensusItem>,
        (Kind::Meta, Part::Outcome) => of_0_13::<meta_0_13::MetaOutputOutcome>,
        (Kind::Dummy, Part::Input) => of_0_13::<dummy_0_13::DummyInput>,
        (Kind::Dummy, Part::Output) => of_0_13::<dummy_0_13::DummyOutput>,
        (Kind::Dummy, Part::Item) => of_0_13::<dummy_0_13::DummyConsensusItem>,
        (Kind::Dummy, Part::Outcome) => of_0_13::<dummy_0_13::DummyOutputOutcome>,
        #[cfg(not(feature = "lightning"))]
        (Kind::Ln | Kind::LnV2, _) => return None,
        (Kind::Unknown(_), _) => return None,
    };
    Some(read(bytes))
}
