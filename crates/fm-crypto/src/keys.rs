//! A federation's public BLS keys: the coefficients of the polynomial whose value at 0 is the federation's
//! key.
//!
//! Invariants: at least one and at most [`MAX_COEFFICIENTS`] coefficients, each a point of G1 for both
//! libraries; the key itself is not the point at infinity (under which anyone could sign anything).

use fm_codec::PeerId;
use threshold_crypto::PublicKeySet;
use threshold_crypto::poly::Commitment;

use crate::PublicKey;
use crate::blst_ffi::KeyPoint;

/// The most coefficients a key set may have; far above any federation that existed.
pub const MAX_COEFFICIENTS: usize = 1024;

/// Why bytes or text are not a key set.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// An empty list.
    #[error("a key set without coefficients")]
    NoCoefficients,
    /// A count above [`MAX_COEFFICIENTS`].
    #[error("a key set of {count} coefficients, at most {MAX_COEFFICIENTS} are read")]
    TooManyCoefficients { count: u64 },
    /// The bytes of a coefficient are not a point of G1.
    #[error("coefficient {coefficient} is not a point of the key group")]
    NotAPoint { coefficient: usize },
    /// The key is the point at infinity.
    #[error("the key is the point at infinity, under which anything verifies")]
    IdentityKey,
    /// The outer text is not hex.
    #[error("the text of the key set is not hex")]
    Hex(#[source] hex::FromHexError),
    /// A coefficient's text is not hex.
    #[error("the text of coefficient {coefficient} is not hex")]
    CoefficientHex { coefficient: usize, source: hex::FromHexError },
    /// The bytes end inside a number or a coefficient.
    #[error("the key set ends inside the part at byte {offset}, {needed} more bytes are needed")]
    Ends { offset: usize, needed: usize },
    /// A coefficient's text is not 96 characters long.
    #[error("coefficient {coefficient} is a text of {length} characters instead of 96")]
    CoefficientLength { coefficient: usize, length: u64 },
    /// Bytes follow the last coefficient.
    #[error("{left} bytes follow the key set, which ends at byte {offset}")]
    Trailing { offset: usize, left: usize },
}

/// The keys that epochs were signed with.
#[derive(Clone)]
pub struct EpochKeys {
    coefficients: Vec<PublicKey>,
    reference: PublicKeySet,
    point: KeyPoint,
}

impl EpochKeys {
    /// Makes a key set from its coefficients, the federation's key first.
    ///
    /// # Errors
    /// If there are no coefficients or too many, one is not a point of G1, or the key is the point at
    /// infinity.
    pub fn from_coefficients(coefficients: Vec<PublicKey>) -> Result<Self, KeyError> {
        if coefficients.len() > MAX_COEFFICIENTS {
            let count = u64::try_from(coefficients.len()).unwrap_or(u64::MAX);
            return Err(KeyError::TooManyCoefficients { count });
        }
        let mut points = Vec::with_capacity(coefficients.len());
        for (coefficient, bytes) in coefficients.iter().enumerate() {
            let key = threshold_crypto::PublicKey::from_bytes(bytes);
            points.push(key.map_err(|_| KeyError::NotAPoint { coefficient })?.0);
        }
        let first = coefficients.first().ok_or(KeyError::NoCoefficients)?;
        let point = KeyPoint::decode(first).ok_or(KeyError::NotAPoint { coefficient: 0 })?;
        if point.is_identity() {
            return Err(KeyError::IdentityKey);
        }
        Ok(Self { coefficients, reference: PublicKeySet::from(Commitment::from(points)), point })
    }

    /// Returns the coefficients, the federation's key first.
    #[must_use]
    pub fn coefficients(&self) -> &[PublicKey] {
        &self.coefficients
    }

    /// Returns the polynomial's degree; one more share than this is needed for a signature.
    #[must_use]
    pub fn degree(&self) -> usize {
        // The invariant guarantees at least one coefficient.
        self.coefficients.len().saturating_sub(1)
    }

    /// Returns the federation's key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        // The invariant guarantees at least one coefficient.
        self.coefficients.first().copied().unwrap_or([0; 48])
    }

    /// Returns the name of the key set in messages and files: the federation's key in hex.
    #[must_use]
    pub fn name(&self) -> String {
        hex::encode(self.public_key())
    }

    /// Returns the key that checks the shares of a peer: the polynomial at `peer + 1`.
    ///
    /// # Errors
    /// If that key is the point at infinity.
    pub fn of_peer(&self, peer: PeerId) -> Result<Self, KeyError> {
        let share = self.reference.public_key_share(u64::from(peer));
        Self::from_coefficients(vec![share.to_bytes()])
    }

    pub(crate) fn reference(&self) -> &PublicKeySet {
        &self.reference
    }

    pub(crate) fn point(&self) -> &KeyPoint {
        &self.point
    }
}

impl PartialEq for EpochKeys {
    fn eq(&self, other: &Self) -> bool {
        self.coefficients == other.coefficients
    }
}

impl Eq for EpochKeys {}

impl std::fmt::Debug for EpochKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex: Vec<String> = self.coefficients.iter().map(hex::encode).collect();
        f.debug_tuple("EpochKeys").field(&hex).finish()
    }
}
