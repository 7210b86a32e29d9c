//! The parameters of a history.

use fm_eras::hbbft::EpochLayout;
use thiserror::Error;

/// The parameters of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeSpec {
    /// The seed of everything random.
    pub seed: u64,
    /// The number of epochs, at least 1.
    pub epochs: u64,
    /// The number of guardians, at least 1.
    pub guardians: u16,
    /// The mean number of items in an epoch, signature shares not counted.
    pub items_per_epoch: u32,
    /// The largest body of a module value, in bytes; every body has at least 8.
    pub body_bytes: u32,
    /// The number of newest epochs that are not signed yet, from 1 to `epochs`.
    pub tip: u64,
    /// The interval at which an epoch stays unsigned for ever, for want of valid shares in the next; 0 for
    /// never.
    pub gap_every: u64,
    /// The interval at which an epoch is signed; those between have no shares and are covered. At least 1.
    pub sign_every: u64,
    /// Whether the next epoch holds the shares that a signature is made of.
    pub with_shares: bool,
    /// The percentage of unneeded shares that are of another peer or of an older epoch.
    pub bad_shares_percent: u32,
    /// The on-disk layout.
    pub layout: EpochLayout,
    /// The module instances, at least one.
    pub modules: Vec<u16>,
    /// The number of rows of each module, its version not counted.
    pub module_rows: u64,
}

impl Default for ForgeSpec {
    /// Returns parameters for four guardians and 100 epochs of v0.1 with some ten items each.
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
        /// The parameter.
        field: &'static str,
    },
    /// The tip is longer than the history.
    #[error("a tip of {tip} epochs in a history of {epochs}")]
    Tip {
        /// The length of the tip.
        tip: u64,
        /// The length of the history.
        epochs: u64,
    },
}

/// Whether an epoch is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Signed.
    Signed,
    /// Unsigned: the next epoch, if there is one, has too few valid shares.
    TooFewShares,
    /// Unsigned: nobody made shares.
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

    /// Returns the last epoch that is signed; none if all belong to the tip.
    pub fn last_signed(&self) -> Option<u64> {
        (self.epochs - self.tip).checked_sub(1)
    }

    /// Returns whether an epoch is signed.
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

    /// Returns the number of guardians that have to agree.
    pub(crate) fn threshold(&self) -> usize {
        let guardians = usize::from(self.guardians);
        guardians - (guardians - 1) / 3
    }
}
