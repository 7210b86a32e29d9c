//! What the configuration of a module says of its fees and of the keys of notes.
//!
//! A module has two configurations: that of guardians, in `consensus.json`, and that of clients. Both are encoded, and
//! all of their bytes are read.
//!
//! Source: src/config.rs of fedimint-{mint,wallet,ln,lnv2}-common 0.5.0 and 0.13.0, and of fedimint-mintv2-common
//! 0.13.0. Servers before 0.5 wrote two fixed fees of `mint` where later ones read a base and parts of a million.

use std::collections::BTreeMap;

use fm_codec::{DecodeError, DecodeErrorKind, Dialect, PeerId, Reader};
use fm_crypto::{NoteHash, NoteKey, NoteKeyBytes};
use fm_modules::{Kind, Msat, mintv2};

use crate::fees::{ModuleFees, RelativeFee};
use crate::notes::NoteKeys;

/// The bytes of a point of G1, and of a public key of the guardians' threshold scheme.
const G1_BYTES: usize = 48;
/// The bytes of a point of G2, a key that signs notes.
const G2_BYTES: usize = 96;
/// The bytes of a key of Bitcoin.
const KEY_BYTES: usize = 33;

/// Which configuration of a module it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigForm {
    /// That of guardians.
    Consensus,
    /// That of clients.
    Client,
}

/// What the configuration of a module says of its money.
#[derive(Clone, Debug, Default)]
pub struct ModuleRules {
    /// The fees; `None` if none are known.
    pub fees: Option<ModuleFees>,
    /// The keys of notes; `None` if the module has no notes.
    pub note_keys: Option<NoteKeys>,
}

impl ModuleRules {
    /// Reads an encoded configuration.
    ///
    /// # Errors
    /// If the bytes are not a configuration of the kind, or a key is not a point of its group.
    pub fn of_config(kind: &Kind, form: ConfigForm, config: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(config, Dialect::MODERN);
        let rules = match kind {
            Kind::Mint => mint(&mut reader, form),
            Kind::MintV2 => mintv2(&mut reader),
            Kind::Wallet => wallet(&mut reader, form).map(Self::of_fees),
            Kind::Ln => ln(&mut reader, form).map(Self::of_fees),
            Kind::LnV2 => lnv2(&mut reader).map(Self::of_fees),
            Kind::WalletV2 | Kind::Meta | Kind::Dummy | Kind::Unknown(_) => return Ok(Self::default()),
        }?;
        reader.finish()?;
        Ok(rules)
    }

    /// Returns whether the module takes nothing.
    pub fn has_no_fees(&self) -> bool {
        self.fees.is_none_or(|fees| fees.of_input(Msat(u64::MAX)) == 0 && fees.of_output(Msat(u64::MAX)) == 0)
    }

    fn of_fees(fees: ModuleFees) -> Self {
        Self { fees: Some(fees), note_keys: None }
    }
}

fn relative(reader: &mut Reader<'_>) -> Result<ModuleFees, DecodeError> {
    Ok(ModuleFees::Relative(RelativeFee { base: reader.value()?, parts_per_million: reader.u64()? }))
}

fn fixed(reader: &mut Reader<'_>) -> Result<ModuleFees, DecodeError> {
    Ok(ModuleFees::Fixed { input: reader.value()?, output: reader.value()? })
}

type KeysOf<K> = BTreeMap<K, NoteKeyBytes>;

fn keys_by_amount(reader: &mut Reader<'_>) -> Result<KeysOf<Msat>, DecodeError> {
    reader.map(1 + G2_BYTES, Reader::value, Reader::array)
}

/// Makes keys of their bytes.
fn parsed(reader: &Reader<'_>, keys: KeysOf<Msat>, hash: NoteHash) -> Result<NoteKeys, DecodeError> {
    let parse = |(amount, key): (Msat, NoteKeyBytes)| {
        let key = NoteKey::parse(&key, hash).ok_or_else(|| not_a_key(reader))?;
        Ok((amount, key))
    };
    keys.into_iter().map(parse).collect()
}

/// Computes keys from the shares of all guardians.
fn combined(reader: &Reader<'_>, shares: BTreeMap<PeerId, KeysOf<Msat>>) -> Result<NoteKeys, DecodeError> {
    let mut by_amount: BTreeMap<Msat, KeysOf<PeerId>> = BTreeMap::new();
    for (peer, keys) in shares {
        for (amount, key) in keys {
            by_amount.entry(amount).or_default().insert(peer, key);
        }
    }
    let combine = |(amount, shares): (Msat, KeysOf<PeerId>)| {
        let key = NoteKey::combine(&shares, NoteHash::Mint).ok_or_else(|| not_a_key(reader))?;
        Ok((amount, key))
    };
    by_amount.into_iter().map(combine).collect()
}

fn not_a_key(reader: &Reader<'_>) -> DecodeError {
    reader.error(DecodeErrorKind::Not { what: "a key that signs notes" })
}

fn keys_by_peer<const N: usize>(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    reader.map(1 + N, Reader::u16, Reader::array::<N>).map(drop)
}

fn mint(reader: &mut Reader<'_>, form: ConfigForm) -> Result<ModuleRules, DecodeError> {
    let peers = |reader: &mut Reader<'_>| reader.map(2, Reader::u16, keys_by_amount);
    let (fees, keys) = match form {
        ConfigForm::Consensus => {
            let shares = peers(reader)?;
            (relative(reader)?, combined(reader, shares)?)
        }
        ConfigForm::Client => {
            let keys = keys_by_amount(reader)?;
            let fees = relative(reader)?;
            peers(reader)?;
            (fees, parsed(reader, keys, NoteHash::Mint)?)
        }
    };
    // The most notes of a denomination that a wallet should have.
    reader.u16()?;
    Ok(ModuleRules { fees: Some(fees), note_keys: Some(keys) })
}

fn mintv2(reader: &mut Reader<'_>) -> Result<ModuleRules, DecodeError> {
    let keys = reader.map(1 + G2_BYTES, Reader::value::<mintv2::Denomination>, Reader::array)?;
    reader.map(2, Reader::u8, keys_by_peer::<G2_BYTES>)?;
    let fees = relative(reader)?;
    // The unit of the amounts.
    reader.u64()?;
    let amount =
        |(denomination, key): (mintv2::Denomination, NoteKeyBytes)| Some((denomination.amount()?, key));
    let keys = keys.into_iter().filter_map(amount).collect();
    Ok(ModuleRules { fees: Some(fees), note_keys: Some(parsed(reader, keys, NoteHash::MintV2)?) })
}

fn wallet(reader: &mut Reader<'_>, form: ConfigForm) -> Result<ModuleFees, DecodeError> {
    let fees = match form {
        ConfigForm::Consensus => {
            let _network = reader.u32()?;
            let _descriptor = reader.text()?;
            keys_by_peer::<KEY_BYTES>(reader)?;
            let _finality_delay = reader.u32()?;
            let _default_fee = reader.u64()?;
            fixed(reader)?
        }
        ConfigForm::Client => {
            let _descriptor = reader.text()?;
            let _network = reader.u32()?;
            let _finality_delay = reader.u32()?;
            fixed(reader)?
        }
    };
    // How clients ask for blocks: the kind of the service, and its address.
    reader.text()?;
    reader.text()?;
    Ok(fees)
}

fn ln(reader: &mut Reader<'_>, form: ConfigForm) -> Result<ModuleFees, DecodeError> {
    match form {
        ConfigForm::Consensus => drop(reader.list(G1_BYTES, Reader::array::<G1_BYTES>)?),
        ConfigForm::Client => drop(reader.array::<G1_BYTES>()?),
    }
    let fees = fixed(reader)?;
    let _network = reader.u32()?;
    Ok(fees)
}

fn lnv2(reader: &mut Reader<'_>) -> Result<ModuleFees, DecodeError> {
    let _key: [u8; G1_BYTES] = reader.array()?;
    keys_by_peer::<G1_BYTES>(reader)?;
    let fees = relative(reader)?;
    let _network: [u8; 4] = reader.array()?;
    Ok(fees)
}
