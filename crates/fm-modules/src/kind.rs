//! The kinds of modules. A closed set: the compiler says where a new one is missing.

use std::fmt;

/// The kind of a module, as configurations name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Notes of e-cash.
    Mint,
    /// Notes of e-cash, of the second generation.
    MintV2,
    /// Deposits and withdrawals.
    Wallet,
    /// Deposits and withdrawals, of the second generation.
    WalletV2,
    /// Lightning contracts.
    Ln,
    /// Lightning contracts, of the second generation.
    LnV2,
    /// Values that guardians vote for.
    Meta,
    /// Upstream's module for tests.
    Dummy,
    /// A kind whose payloads are kept as bytes, with its name.
    Unknown(String),
}

impl Kind {
    /// Every kind whose payloads are decoded.
    pub const KNOWN: [Self; 8] = [
        Self::Mint,
        Self::MintV2,
        Self::Wallet,
        Self::WalletV2,
        Self::Ln,
        Self::LnV2,
        Self::Meta,
        Self::Dummy,
    ];

    /// Returns the kind with this name.
    pub fn of(name: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|kind| kind.name() == name);
        known.unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Returns its name in configurations. Source: `KIND` in src/lib.rs of the modules' crates.
    pub fn name(&self) -> &str {
        match self {
            Self::Mint => "mint",
            Self::MintV2 => "mintv2",
            Self::Wallet => "wallet",
            Self::WalletV2 => "walletv2",
            Self::Ln => "ln",
            Self::LnV2 => "lnv2",
            Self::Meta => "meta",
            Self::Dummy => "dummy",
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
