//! The record of a fork alert in a backup of aleph-bft 0.30, after the tag byte 1.
//!
//! No sample is known; the layout follows from the library's types.

use crate::form::UnitForm;
use crate::scale::{ScaleError, ScaleErrorKind, ScaleReader};
use crate::unit::{MAX_NODES, Unit};

/// The most units that an alert may vouch for; a session has fewer rounds.
pub const MAX_ALERT_UNITS: usize = 65_536;

/// A record about a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert<'a> {
    /// A guardian shows two units that another guardian made for one round.
    Fork {
        /// Whether this guardian raised the alert itself.
        own: bool,
        /// The guardian that raised the alert.
        sender: u64,
        /// The two units.
        proof: Box<(Unit<'a>, Unit<'a>)>,
        /// The number of the culprit's units that the sender vouches for.
        legit_units: usize,
    },
    /// The guardians' signatures under an alert.
    Multisigned {
        /// The alert's hash.
        hash: [u8; 32],
        /// Who signed.
        signers: Vec<usize>,
    },
}

impl<'a> Alert<'a> {
    /// Reads a record about a fork.
    ///
    /// # Errors
    /// Fails if the bytes end or are not such a record.
    pub fn read(reader: &mut ScaleReader<'a>, form: &UnitForm) -> Result<Self, ScaleError> {
        let offset = reader.position();
        match reader.u8()? {
            tag @ (0 | 1) => Ok(Self::Fork {
                own: tag == 0,
                sender: reader.u64()?,
                proof: Box::new((Unit::read(reader, form)?, Unit::read(reader, form)?)),
                legit_units: {
                    let count = reader.count("units of an alert", MAX_ALERT_UNITS)?;
                    for _ in 0..count {
                        Unit::read(reader, form)?;
                    }
                    count
                },
            }),
            2 => {
                let hash = reader.array()?;
                let nodes = reader.count("places for signatures", MAX_NODES)?;
                let mut signers = Vec::new();
                for node in 0..nodes {
                    if reader.flag()? {
                        reader.take(64)?;
                        signers.push(node);
                    }
                }
                Ok(Self::Multisigned { hash, signers })
            }
            variant => {
                let kind = ScaleErrorKind::UnknownVariant { of: "alert data", variant };
                Err(ScaleError { offset, kind })
            }
        }
    }
}
