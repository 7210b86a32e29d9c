//! Payloads made from numbers: any sequence of numbers makes a valid payload of any kind.
//!
//! The oracle of the modules makes the same payloads, and shows them to upstream's crates.

use std::sync::LazyLock;

use fm_crypto::SigningKey;
use fm_history::Hash;
use fm_modules::bitcoin::{
    BitcoinHash, BitcoinOutPoint, Network, PartialMerkleTree, Script, Transaction, TxIn, TxOut, TxOutProof,
};
use fm_modules::{
    EcdsaSignature, G1, G2, Input, Item, Kind, MAX_MONEY, ModuleVersion, Msat, OutPoint, Outcome, Output,
    PublicKey, Sat, SchnorrSignature, UnknownVariant, XOnlyKey, dummy, ln, lnv2, meta, mint, mintv2, wallet,
    walletv2,
};

/// Valid keys and points, each made from one number.
struct Pool {
    keys: Vec<PublicKey>,
    g1: Vec<G1>,
    g2: Vec<G2>,
}

const POOL: u8 = 16;

static POOL_OF_POINTS: LazyLock<Pool> = LazyLock::new(|| {
    let number = |number: u8| {
        let mut bytes = [0; 32];
        bytes[31] = number + 1;
        bytes
    };
    let key = |at| PublicKey(SigningKey::from_bytes(number(at)).unwrap().public_key());
    let g1 = |at| {
        let key = blst::min_sig::SecretKey::from_bytes(&number(at)).unwrap();
        G1(key.sign(b"made", b"made", &[]).to_bytes())
    };
    let g2 = |at| {
        let key = blst::min_pk::SecretKey::from_bytes(&number(at)).unwrap();
        G2(key.sign(b"made", b"made", &[]).to_bytes())
    };
    // Infinity is a valid point for upstream, too.
    let (mut infinite_g1, mut infinite_g2) = ([0; 48], [0; 96]);
    (infinite_g1[0], infinite_g2[0]) = (0xC0, 0xC0);
    Pool {
        keys: (0..POOL).map(key).collect(),
        g1: (0..POOL).map(g1).chain([G1(infinite_g1)]).collect(),
        g2: (0..POOL).map(g2).chain([G2(infinite_g2)]).collect(),
    }
});

/// Makes values from numbers.
pub(crate) struct Made<'n> {
    /// Returns the next number.
    pub(crate) next: &'n mut dyn FnMut() -> u64,
}

impl Made<'_> {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.next)() % bound as u64) as usize
    }

    fn any_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Returns a number of any width.
    fn u64(&mut self) -> u64 {
        let shift = self.below(64);
        (self.next)() >> shift
    }

    fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.iter_mut().for_each(|byte| *byte = (self.next)() as u8);
        array
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| (self.next)() as u8).collect()
    }

    fn msat(&mut self) -> Msat {
        Msat(self.u64())
    }

    fn sat(&mut self) -> Sat {
        Sat(self.u64())
    }

    fn hash(&mut self) -> Hash {
        Hash(self.array())
    }

    fn key(&mut self) -> PublicKey {
        self.any_of(&POOL_OF_POINTS.keys)
    }

    fn x_only(&mut self) -> XOnlyKey {
        let mut x = [0; 32];
        x.copy_from_slice(&self.key().0[1..]);
        XOnlyKey(x)
    }

    fn g1(&mut self) -> G1 {
        self.any_of(&POOL_OF_POINTS.g1)
    }

    fn g2(&mut self) -> G2 {
        self.any_of(&POOL_OF_POINTS.g2)
    }

    fn outpoint(&mut self) -> OutPoint {
        OutPoint { txid: self.hash(), index: self.u64() }
    }

    fn ecdsa(&mut self) -> EcdsaSignature {
        // Both numbers are below the order if their first bytes are not all ones.
        let mut signature: [u8; 64] = self.array();
        signature[0] &= 0x7F;
        signature[32] &= 0x7F;
        EcdsaSignature(signature)
    }

    fn ecdsas(&mut self) -> Vec<EcdsaSignature> {
        (0..self.below(4)).map(|_| self.ecdsa()).collect()
    }

    /// Returns a variant of a number from `least` on.
    fn unknown(&mut self, least: u64) -> UnknownVariant {
        UnknownVariant { variant: least.saturating_add(self.u64()), bytes: self.bytes(80) }
    }

    fn version(&mut self) -> ModuleVersion {
        ModuleVersion { major: self.u32(), minor: self.u32() }
    }

    fn script(&mut self) -> Script {
        Script(self.bytes(300))
    }

    /// Returns a script that has an address.
    fn standard(&mut self) -> Script {
        let hash = self.array();
        match self.below(5) {
            0 => Script::of_public_key_hash(&hash),
            1 => Script::of_script_hash(&hash),
            2 => Script([&[0, 20], hash.as_slice()].concat()),
            3 => Script([&[0, 32], self.array::<32>().as_slice()].concat()),
            _ => {
                let length = 2 + self.below(39);
                let program: Vec<u8> = (0..length).map(|_| (self.next)() as u8).collect();
                Script([&[0x51 + self.below(16) as u8, length as u8], program.as_slice()].concat())
            }
        }
    }

    fn network(&mut self) -> Network {
        self.any_of(&[
            Network::Bitcoin,
            Network::Testnet,
            Network::Testnet4,
            Network::Signet,
            Network::Regtest,
        ])
    }

    fn bitcoin_outpoint(&mut self) -> BitcoinOutPoint {
        BitcoinOutPoint { txid: BitcoinHash(self.array()), vout: self.u32() }
    }

    fn tx_out(&mut self) -> TxOut {
        TxOut { value: self.sat(), script: self.script() }
    }

    fn transaction(&mut self, outputs: usize) -> Transaction {
        let has_witness = self.flag();
        let input = |made: &mut Self| {
            let elements: Vec<Vec<u8>> =
                if has_witness { (0..made.below(4)).map(|_| made.bytes(200)).collect() } else { Vec::new() };
            let witness =
                elements.iter().flat_map(|element| [&[element.len() as u8], element.as_slice()].concat());
            TxIn {
                previous: made.bitcoin_outpoint(),
                script: if made.flag() { made.bytes(100) } else { Vec::new() },
                sequence: made.u32(),
                witness: witness.collect(),
                witness_elements: elements.len(),
            }
        };
        Transaction {
            version: self.u32() as i32,
            inputs: (0..self.below(4)).map(|_| input(self)).collect(),
            outputs: (0..outputs).map(|_| self.tx_out()).collect(),
            lock_time: self.u32(),
        }
    }

    /// Returns a deposit with a proof that holds.
    pub(crate) fn peg_in_proof(&mut self) -> wallet::PegInProof {
        let outputs = 1 + self.below(4);
        let mut transaction = self.transaction(outputs);
        for output in &mut transaction.outputs {
            output.value = Sat(output.value.0 % (MAX_MONEY.0 + 1));
        }
        let others = self.below(20);
        let mut txids: Vec<BitcoinHash> = (0..others).map(|_| BitcoinHash(self.array())).collect();
        let place = self.below(others + 1);
        txids.insert(place, transaction.txid());
        let (tree, root) = partial_tree(&txids, place);
        let mut header: [u8; 80] = self.array();
        header[36..68].copy_from_slice(&root.0);
        wallet::PegInProof {
            proof: TxOutProof { header, tree },
            output_index: self.below(outputs) as u32,
            tweak: self.key(),
            transaction,
        }
    }

    fn fees(&mut self) -> wallet::PegOutFees {
        wallet::PegOutFees { sats_per_kvb: self.u64(), weight: self.u64() }
    }

    fn ciphertext(&mut self) -> ln::Ciphertext {
        ln::Ciphertext { point: self.g1(), proof: self.g2(), message: self.bytes(40) }
    }

    fn decrypted(&mut self) -> ln::DecryptedPreimage {
        match self.below(3) {
            0 => ln::DecryptedPreimage::Pending,
            1 => ln::DecryptedPreimage::Key(self.array()),
            _ => ln::DecryptedPreimage::Invalid,
        }
    }

    fn image(&mut self) -> lnv2::PaymentImage {
        if self.flag() {
            lnv2::PaymentImage::Hash(self.hash())
        } else {
            lnv2::PaymentImage::Point(self.key())
        }
    }

    fn contract_name(&mut self) -> lnv2::ContractName {
        if self.flag() {
            lnv2::ContractName::Id(self.hash())
        } else {
            lnv2::ContractName::OutPoint(self.outpoint())
        }
    }

    pub(crate) fn input(&mut self, kind: &Kind) -> Input {
        let is_unknown = self.below(8) == 0;
        match kind {
            Kind::Mint if is_unknown => Input::Mint(mint::Input::Unknown(self.unknown(1))),
            Kind::Mint => Input::Mint(mint::Input::V0(mint::NoteInput {
                amount: self.msat(),
                note: mint::Note { nonce: self.key(), signature: self.g1() },
            })),
            Kind::MintV2 if is_unknown => Input::MintV2(mintv2::Input::Unknown(self.unknown(1))),
            Kind::MintV2 => Input::MintV2(mintv2::Input::V0(mintv2::Note {
                denomination: mintv2::Denomination { exponent: self.below(256) as u8 },
                nonce: self.key(),
                signature: self.g1(),
            })),
            Kind::Wallet if is_unknown => Input::Wallet(wallet::Input::Unknown(self.unknown(2))),
            Kind::Wallet if self.flag() => Input::Wallet(wallet::Input::V0(self.peg_in_proof())),
            Kind::Wallet => Input::Wallet(wallet::Input::V1(wallet::PegIn {
                outpoint: self.bitcoin_outpoint(),
                tweak: self.key(),
                output: self.tx_out(),
            })),
            Kind::WalletV2 if is_unknown => Input::WalletV2(walletv2::Input::Unknown(self.unknown(1))),
            Kind::WalletV2 => Input::WalletV2(walletv2::Input::V0(walletv2::Receive {
                output_index: self.u64(),
                tweak: self.key(),
                fee: self.sat(),
            })),
            Kind::Ln if is_unknown => Input::Ln(ln::Input::Unknown(self.unknown(1))),
            Kind::Ln => Input::Ln(ln::Input::V0(ln::ContractInput {
                contract: self.hash(),
                amount: self.msat(),
                preimage: if self.flag() { Some(self.array()) } else { None },
            })),
            Kind::LnV2 if is_unknown => Input::LnV2(lnv2::Input::Unknown(self.unknown(1))),
            Kind::LnV2 if self.flag() => {
                Input::LnV2(lnv2::Input::V0(lnv2::InputV0::Outgoing(lnv2::OutgoingInput {
                    contract: self.contract_name(),
                    witness: match self.below(3) {
                        0 => lnv2::OutgoingWitness::Claim(self.array()),
                        1 => lnv2::OutgoingWitness::Refund,
                        _ => lnv2::OutgoingWitness::Cancel(SchnorrSignature(self.array())),
                    },
                })))
            }
            Kind::LnV2 => Input::LnV2(lnv2::Input::V0(lnv2::InputV0::Incoming(lnv2::IncomingInput {
                contract: self.contract_name(),
                decryption_key: self.g1(),
            }))),
            Kind::Meta => Input::Meta(meta::Input),
            Kind::Dummy => Input::Dummy(dummy::Input {
                amount: self.msat(),
                unit: if self.flag() { Some(self.u64()) } else { None },
                account: self.key(),
            }),
            Kind::Unknown(_) => Input::Unknown(self.bytes(80)),
        }
    }

    pub(crate) fn output(&mut self, kind: &Kind) -> Output {
        let is_unknown = self.below(8) == 0;
        match kind {
            Kind::Mint if is_unknown => Output::Mint(mint::Output::Unknown(self.unknown(1))),
            Kind::Mint => Output::Mint(mint::Output::V0(mint::NoteOutput {
                amount: self.msat(),
                blind_nonce: self.g1(),
            })),
            Kind::MintV2 if is_unknown => Output::MintV2(mintv2::Output::Unknown(self.unknown(1))),
            Kind::MintV2 => Output::MintV2(mintv2::Output::V0(mintv2::NoteOutput {
                denomination: mintv2::Denomination { exponent: self.below(256) as u8 },
                blind_nonce: self.g1(),
                tweak: self.array(),
            })),
            Kind::Wallet if is_unknown => Output::Wallet(wallet::Output::Unknown(self.unknown(1))),
            Kind::Wallet if self.below(4) == 0 => {
                Output::Wallet(wallet::Output::V0(wallet::OutputV0::Rbf(wallet::Rbf {
                    fees: self.fees(),
                    txid: BitcoinHash(self.array()),
                })))
            }
            Kind::Wallet => Output::Wallet(wallet::Output::V0(wallet::OutputV0::PegOut(wallet::PegOut {
                recipient: wallet::Recipient { network: self.network(), script: self.standard() },
                amount: self.sat(),
                fees: self.fees(),
            }))),
            Kind::WalletV2 if is_unknown => Output::WalletV2(walletv2::Output::Unknown(self.unknown(1))),
            Kind::WalletV2 => Output::WalletV2(walletv2::Output::V0(walletv2::Send {
                destination: match self.below(6) {
                    0 => walletv2::StandardScript::P2pkh(self.array()),
                    1 => walletv2::StandardScript::P2sh(self.array()),
                    2 => walletv2::StandardScript::P2wpkh(self.array()),
                    3 => walletv2::StandardScript::P2wsh(self.array()),
                    4 => walletv2::StandardScript::P2tr(self.x_only()),
                    _ => walletv2::StandardScript::Unknown(self.unknown(5)),
                },
                value: self.sat(),
                fee: self.sat(),
            })),
            Kind::Ln if is_unknown => Output::Ln(ln::Output::Unknown(self.unknown(1))),
            Kind::Ln => Output::Ln(ln::Output::V0(self.ln_output())),
            Kind::LnV2 if is_unknown => Output::LnV2(lnv2::Output::Unknown(self.unknown(1))),
            Kind::LnV2 => Output::LnV2(lnv2::Output::V0(self.lnv2_output())),
            Kind::Meta => Output::Meta(meta::Output),
            Kind::Dummy if self.flag() => Output::Dummy(dummy::Output::Account(self.posting())),
            Kind::Dummy => Output::Dummy(dummy::Output::Unit { amount: self.msat(), unit: self.u64() }),
            Kind::Unknown(_) => Output::Unknown(self.bytes(80)),
        }
    }

    fn posting(&mut self) -> dummy::Posting {
        dummy::Posting { amount: self.msat(), account: self.key() }
    }

    fn ln_output(&mut self) -> ln::OutputV0 {
        match self.below(4) {
            0 => ln::OutputV0::Contract(ln::ContractOutput {
                amount: self.msat(),
                contract: ln::Contract::Incoming(ln::IncomingContract {
                    hash: self.hash(),
                    encrypted_preimage: self.ciphertext(),
                    decrypted_preimage: self.decrypted(),
                    gateway_key: self.key(),
                }),
            }),
            1 => ln::OutputV0::Contract(ln::ContractOutput {
                amount: self.msat(),
                contract: ln::Contract::Outgoing(ln::OutgoingContract {
                    hash: self.hash(),
                    gateway_key: self.key(),
                    timelock: self.u32(),
                    user_key: self.key(),
                    cancelled: self.flag(),
                }),
            }),
            2 => ln::OutputV0::Offer(ln::Offer {
                amount: self.msat(),
                hash: self.hash(),
                encrypted_preimage: self.ciphertext(),
                expiry_time: if self.flag() { Some(self.u64()) } else { None },
            }),
            _ => ln::OutputV0::CancelOutgoing(ln::Cancellation {
                contract: self.hash(),
                gateway_signature: SchnorrSignature(self.array()),
            }),
        }
    }

    fn lnv2_output(&mut self) -> lnv2::OutputV0 {
        let (payment_image, amount, expiration) = (self.image(), self.msat(), self.u64());
        let (claim_key, refund_key, ephemeral_key) = (self.key(), self.key(), self.key());
        if self.flag() {
            return lnv2::OutputV0::Outgoing(lnv2::OutgoingContract {
                payment_image,
                amount,
                expiration,
                claim_key,
                refund_key,
                ephemeral_key,
            });
        }
        lnv2::OutputV0::Incoming(lnv2::IncomingContract {
            commitment: lnv2::Commitment {
                payment_image,
                amount,
                expiration,
                claim_key,
                refund_key,
                ephemeral_key,
            },
            ciphertext: lnv2::Ciphertext {
                encrypted_preimage: self.array(),
                point: self.g1(),
                signature: self.g2(),
            },
        })
    }

    pub(crate) fn item(&mut self, kind: &Kind) -> Item {
        match kind {
            Kind::Mint => Item::Mint(mint::Item::Unknown(self.unknown(0))),
            Kind::MintV2 => Item::MintV2(mintv2::Item::Unknown(self.unknown(0))),
            Kind::Wallet => Item::Wallet(match self.below(5) {
                0 => wallet::Item::BlockCount(self.u32()),
                1 => wallet::Item::Feerate(self.u64()),
                2 => wallet::Item::PegOutSignature(wallet::PegOutSignature {
                    txid: BitcoinHash(self.array()),
                    signatures: self.ecdsas(),
                }),
                3 => wallet::Item::ModuleVersion(self.version()),
                _ => wallet::Item::Unknown(self.unknown(4)),
            }),
            Kind::WalletV2 => Item::WalletV2(match self.below(4) {
                0 => walletv2::Item::BlockCount(self.u64()),
                1 => walletv2::Item::Feerate(if self.flag() { Some(self.u64()) } else { None }),
                2 => walletv2::Item::Signatures(walletv2::Signatures {
                    txid: BitcoinHash(self.array()),
                    signatures: self.ecdsas(),
                }),
                _ => walletv2::Item::Unknown(self.unknown(3)),
            }),
            Kind::Ln => Item::Ln(match self.below(4) {
                0 => {
                    ln::Item::DecryptPreimage(ln::DecryptionShare { contract: self.hash(), share: self.g1() })
                }
                1 => ln::Item::BlockCount(self.u64()),
                2 => ln::Item::ModuleVersion(self.version()),
                _ => ln::Item::Unknown(self.unknown(3)),
            }),
            Kind::LnV2 => Item::LnV2(match self.below(3) {
                0 => lnv2::Item::BlockCountVote(self.u64()),
                1 => lnv2::Item::UnixTimeVote(self.u64()),
                _ => lnv2::Item::Unknown(self.unknown(2)),
            }),
            Kind::Meta => Item::Meta(meta::Item {
                salt: self.u64(),
                key: self.below(256) as u8,
                value: self.bytes(300),
            }),
            Kind::Dummy => Item::Dummy(dummy::Item),
            Kind::Unknown(_) => Item::Unknown(self.bytes(80)),
        }
    }

    pub(crate) fn outcome(&mut self, kind: &Kind) -> Outcome {
        let is_unknown = self.below(4) == 0;
        match kind {
            Kind::Mint if is_unknown => Outcome::Mint(mint::Outcome::Unknown(self.unknown(1))),
            Kind::Mint => Outcome::Mint(mint::Outcome::V0(self.g1())),
            Kind::MintV2 => Outcome::MintV2(mintv2::Outcome),
            Kind::Wallet if is_unknown => Outcome::Wallet(wallet::Outcome::Unknown(self.unknown(1))),
            Kind::Wallet => Outcome::Wallet(wallet::Outcome::V0(BitcoinHash(self.array()))),
            Kind::WalletV2 => Outcome::WalletV2(walletv2::Outcome),
            Kind::Ln if is_unknown => Outcome::Ln(ln::Outcome::Unknown(self.unknown(1))),
            Kind::Ln => Outcome::Ln(ln::Outcome::V0(match self.below(4) {
                0 => ln::OutcomeV0::Contract(ln::ContractResult {
                    contract: self.hash(),
                    outcome: ln::ContractOutcome::Incoming(self.decrypted()),
                }),
                1 => ln::OutcomeV0::Contract(ln::ContractResult {
                    contract: self.hash(),
                    outcome: ln::ContractOutcome::Outgoing(ln::Nothing),
                }),
                2 => ln::OutcomeV0::Offer(self.hash()),
                _ => ln::OutcomeV0::CancelOutgoing(self.hash()),
            })),
            Kind::LnV2 => Outcome::LnV2(match self.below(4) {
                0 => lnv2::Outcome::Nothing,
                1 => lnv2::Outcome::Outgoing,
                2 => lnv2::Outcome::Incoming(self.g1()),
                _ => lnv2::Outcome::Unknown(self.unknown(1)),
            }),
            Kind::Meta => Outcome::Meta(meta::Outcome),
            Kind::Dummy if self.flag() => Outcome::Dummy(dummy::Outcome::Account(self.posting())),
            Kind::Dummy => Outcome::Dummy(dummy::Outcome::Nothing),
            Kind::Unknown(_) => Outcome::Unknown(self.bytes(80)),
        }
    }
}

/// Returns the part of a block's tree that proves one of its transactions, and the root.
fn partial_tree(txids: &[BitcoinHash], place: usize) -> (PartialMerkleTree, BitcoinHash) {
    let mut levels = vec![txids.to_vec()];
    while levels.last().unwrap().len() > 1 {
        let below = levels.last().unwrap();
        let parents = below.chunks(2).map(|pair| BitcoinHash::of(&[&pair[0].0, &pair[pair.len() - 1].0]));
        levels.push(parents.collect());
    }
    let (mut flags, mut hashes) = (Vec::new(), Vec::new());
    walk(&levels, levels.len() - 1, 0, place, &mut flags, &mut hashes);
    let mut packed = vec![0; flags.len().div_ceil(8)];
    for (at, flag) in flags.iter().enumerate() {
        packed[at / 8] |= u8::from(*flag) << (at % 8);
    }
    let root = levels.last().unwrap()[0];
    (PartialMerkleTree { transactions: txids.len() as u32, hashes, flags: packed }, root)
}

fn walk(
    levels: &[Vec<BitcoinHash>],
    height: usize,
    position: usize,
    place: usize,
    flags: &mut Vec<bool>,
    hashes: &mut Vec<BitcoinHash>,
) {
    let leads_there = place >> height == position;
    flags.push(leads_there);
    if height == 0 || !leads_there {
        hashes.push(levels[height][position]);
        return;
    }
    walk(levels, height - 1, position * 2, place, flags, hashes);
    if position * 2 + 1 < levels[height - 1].len() {
        walk(levels, height - 1, position * 2 + 1, place, flags, hashes);
    }
}
