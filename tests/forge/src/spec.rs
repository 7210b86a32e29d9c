//! What to forge.

use fm_eras::hbbft::EpochLayout;
use thiserror::Error;

/// The parameters of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeSpec {
    /// Everything random follows from it.
    pub seed: u64,
    /// Number of epochs, at least 1.
    pub epochs: u64,
    /// Number of guardians, at least 1.
    pub guardians: u16,
    /// Mean number of items in an epoch, signature shares not counted.
    pub items_per_epoch: u32,
    /// Largest body of a module value, in bytes; every body is at least 8.
    pub body_bytes: u32,
    /// Number of newest epochs that are not signed yet, from 1 to `epochs`.
    pub tip: u64,
    /// One epoch in so many stays unsigned for ever, for want of valid shares in the next; 0 for none.
    pub gap_every: u64,
    /// Only one epoch in so many is signed; those between have no shares and are covered. At least 1.
    pub sign_every: u64,
    /// Whether the shares that a signature is made of stand in the epoch behind it.
    pub with_shares: bool,
    /// How many percent of the shares that are not needed are of another peer or of an older epoch.
    pub bad_shares_percent: u32,
    /// On-disk layout.
    pub layout: EpochLayout,
    /// Module instances, at least one.
    pub modules: Vec<u16>,
    /// Rows of each module, its version not counted.
    pub module_rows: u64,
}

impl Default for ForgeSpec {
    /// Four guardians, 100 epochs of v0.1 with some ten items each.
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 100,
            guardians: 4,
            items_per_epoch: 10,
            body_bytes: 80,
            tip: 1,
            gap_every: 17,
            sign_every: 1,
            with_shares: true,
            bad_shares_percent: 30,
            layout: V0_1,
            modules: vec![0, 1, 2, 252, 253, 300, u16::MAX],
            module_rows: 5,
        }
    }
}

/// The layout of v0.1.0 to v0.1.5.
const V0_1: EpochLayout =
    EpochLayout { dialect: fm_codec::Dialect::A2, tables: fm_eras::hbbft::TableSet::V0_1 };

/// Parameters that contradict each other.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SpecError {
    /// A number that must not be 0.
    #[error("{field} is 0")]
    Zero {
        /// Which.
        field: &'static str,
    },
    /// A tip longer than the history.
    #[error("a tip of {tip} epochs in a history of {epochs}")]
    Tip {
        /// Its length.
        tip: u64,
        /// Length of the history.
        epochs: u64,
    },
}

/// How an epoch ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Signed.
    Signed,
    /// Not signed: the next epoch, if there is one, has too few valid shares.
    TooFewShares,
    /// Not signed: nobody made shares.
    NoShares,
}

impl ForgeSpec {
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let zero = [
            ("epochs", self.epochs == 0),
            ("guardians", self.guardians == 0),
            ("tip", self.tip == 0),
            ("sign_every", self.sign_every == 0),
            ("the number of modules", self.modules.is_empty()),
        ];
        if let Some((field, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(SpecError::Zero { field });
        }
        if self.tip > self.epochs {
            return Err(SpecError::Tip { tip: self.tip, epochs: self.epochs });
        }
        Ok(())
    }

    /// The last epoch that is signed; none if all are the tip.
    pub fn last_signed(&self) -> Option<u64> {
        (self.epochs - self.tip).checked_sub(1)
    }

    /// What becomes of an epoch.
    pub(crate) fn fate(&self, epoch: u64) -> Fate {
        match self.last_signed() {
            Some(last) if epoch == last => return Fate::Signed,
            Some(last) if epoch < last => {}
            _ => return Fate::TooFewShares,
        }
        if !epoch.is_multiple_of(self.sign_every) {
            return Fate::NoShares;
        }
        if self.gap_every > 0 && epoch % self.gap_every == self.gap_every - 1 {
            return Fate::TooFewShares;
        }
        Fate::Signed
    }

    /// How many guardians have to agree.
    pub(crate) fn threshold(&self) -> usize {
        let guardians = usize::from(self.guardians);
        guardians - (guardians - 1) / 3
    }
}
