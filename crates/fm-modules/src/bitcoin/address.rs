//! The networks of Bitcoin, and the text of addresses.

use bech32::{ToBase32, Variant, u5};

use super::{BitcoinHash, Script, ScriptKind};

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The network with money.
    Bitcoin,
    /// The third test network.
    Testnet,
    /// The fourth test network.
    Testnet4,
    /// The test network with signed blocks, and every other one like it.
    Signet,
    /// A network on one machine.
    Regtest,
}

/// The networks and the numbers that messages begin with. Source: bitcoin 0.32, src/p2p/mod.rs.
const NETWORKS: [(Network, [u8; 4]); 5] = [
    (Network::Bitcoin, [0xF9, 0xBE, 0xB4, 0xD9]),
    (Network::Testnet, [0x0B, 0x11, 0x09, 0x07]),
    (Network::Testnet4, [0x1C, 0x16, 0x3F, 0x28]),
    (Network::Signet, [0x0A, 0x03, 0xCF, 0x40]),
    (Network::Regtest, [0xFA, 0xBF, 0xB5, 0xDA]),
];

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

impl Network {
    /// Returns the network with this number, as a little endian integer.
    pub fn of_magic(magic: u32) -> Option<Self> {
        let of =
            |(network, bytes): &(Self, [u8; 4])| (u32::from_le_bytes(*bytes) == magic).then_some(*network);
        NETWORKS.iter().find_map(of)
    }

    /// Returns the network with these bytes, in the order of messages.
    pub fn of_magic_bytes(magic: [u8; 4]) -> Option<Self> {
        Self::of_magic(u32::from_le_bytes(magic))
    }

    /// Returns its number, as a little endian integer.
    pub fn magic(self) -> u32 {
        let bytes = NETWORKS.iter().find(|(network, _)| *network == self).map_or([0; 4], |(_, bytes)| *bytes);
        u32::from_le_bytes(bytes)
    }

    /// Returns the text of the address that this script pays to; `None` if it has none.
    ///
    /// Test networks share their texts, except those of witness programs on regtest.
    /// Source: BIP 173, BIP 350; Bitcoin Core, src/kernel/chainparams.cpp.
    pub fn address(self, script: &Script) -> Option<String> {
        let is_main = self == Self::Bitcoin;
        match script.kind()? {
            ScriptKind::PublicKeyHash(hash) => Some(base58_check(if is_main { 0 } else { 111 }, hash)),
            ScriptKind::ScriptHash(hash) => Some(base58_check(if is_main { 5 } else { 196 }, hash)),
            ScriptKind::Witness { version, program } => {
                let prefix = match self {
                    Self::Bitcoin => "bc",
                    Self::Regtest => "bcrt",
                    Self::Testnet | Self::Testnet4 | Self::Signet => "tb",
                };
                let variant = if version == 0 { Variant::Bech32 } else { Variant::Bech32m };
                let mut digits = vec![u5::try_from_u8(version).ok()?];
                digits.extend(program.to_base32());
                bech32::encode(prefix, digits, variant).ok()
            }
        }
    }
}

/// Returns a version and a hash as text, with a checksum of four bytes.
fn base58_check(version: u8, hash: &[u8]) -> String {
    let mut bytes = [&[version], hash].concat();
    let checksum = BitcoinHash::of(&[&bytes]);
    bytes.extend(&checksum.0[..4]);
    // Lowest digit first.
    let mut digits: Vec<u8> = Vec::new();
    for byte in &bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| &0);
    zeros.chain(digits.iter().rev()).map(|digit| char::from(BASE58[usize::from(*digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(hex: &str) -> Script {
        Script(hex::decode(hex).unwrap())
    }

    /// Source: BIP 173, BIP 350; the first address of a hash is that of block 0's key.
    #[test]
    fn addresses_have_their_known_texts() {
        let cases = [
            (
                Network::Bitcoin,
                "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
                "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            ),
            (
                Network::Bitcoin,
                "a914162c5ea71c0b23f5b9022ef047c4a86470a5b07087",
                "33iFwdLuRpW1uK1RTRqsoi8rR4NpDzk66k",
            ),
            (
                Network::Bitcoin,
                "0014751e76e8199196d454941c45d1b3a323f1433bd6",
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            ),
            (
                Network::Testnet,
                "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
                "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
            ),
            (
                Network::Bitcoin,
                "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            ),
            (Network::Bitcoin, "6002751e", "bc1sw50qgdz25j"),
        ];
        for (network, hex, text) in cases {
            assert_eq!(network.address(&script(hex)).as_deref(), Some(text), "{hex}");
        }
    }

    #[test]
    fn other_scripts_have_no_address() {
        for hex in [
            "",
            "00",
            "51",
            "6a00",
            "0013751e76e8199196d454941c45d1b3a323f1433b",
            "510100",
            "5203aabb",
            "a91462e987",
        ] {
            assert_eq!(Network::Bitcoin.address(&script(hex)), None, "{hex}");
        }
    }

    #[test]
    fn every_network_has_its_number() {
        for (network, bytes) in NETWORKS {
            assert_eq!(Network::of_magic_bytes(bytes), Some(network));
            assert_eq!(Network::of_magic(network.magic()), Some(network));
        }
        assert_eq!(Network::of_magic(0), None);
    }
}
