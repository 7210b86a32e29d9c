//! Checks a message of AlephBFT before the library decodes it: its lists have no bound of their own, and an
//! absent entry of a list takes one byte on the wire but 65 in memory.
//!
//! Layout: SCALE, as `fedimint-aleph-bft` 0.36 derives it for `NetworkData` (network.rs, member.rs,
//! alerts/mod.rs, runway/collection.rs) and `aleph-bft-rmc` 0.12 for its messages.
//!
//! Invariants: every count is checked against the number of guardians or of rounds before anything is
//! allocated; a message that names its sender is accepted only from that guardian.

use fm_consensus::BATCH_BYTES;
use fm_history::PeerId;
use fm_units::{ALEPH_0_36, ScaleError, ScaleErrorKind, ScaleReader, Unit, UnitData};

/// The bytes that the library allocates for a unit in addition to its batch: `FullUnit` with its mask, hash
/// and signature.
const UNIT_OVERHEAD: usize = 320;

/// The cost of answering a request for an alert, in signature checks: up to 4 MiB are encoded.
const ALERT_ANSWER: usize = 200;

/// The bounds of every message of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The number of guardians of the federation.
    pub(crate) guardians: usize,
    /// The number of rounds of a session.
    pub(crate) rounds: usize,
    /// This guardian.
    pub(crate) me: PeerId,
}

/// Why a message is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not a message, or a list in it is longer than any honest one.
    Malformed(ScaleError),
    /// It names another sender or recipient than its actual one.
    Misnamed,
    /// A batch above [`BATCH_BYTES`].
    BatchTooLarge,
    /// A unit, or a set of signatures, of a federation with another number of guardians.
    OtherFederation,
    /// More bytes than the message has.
    TrailingBytes,
}

impl From<ScaleError> for Refusal {
    fn from(error: ScaleError) -> Self {
        Self::Malformed(error)
    }
}

/// The cost of an accepted message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The signatures to check or to look up for an answer; at least one.
    pub(crate) checks: usize,
    /// The bytes in memory after decoding.
    pub(crate) bytes: usize,
    /// Whether the library always keeps it until the session ends: a fork alert.
    pub(crate) is_kept: bool,
}

/// Checks a message that came over the link of a guardian.
///
/// # Errors
/// If it is not a message, or this guardian cannot have sent it.
pub(crate) fn check(bytes: &[u8], from: PeerId, bounds: &Bounds) -> Result<Cost, Refusal> {
    let mut walk = Walk { reader: ScaleReader::new(bytes), from: from.into(), bounds, cost: Cost::default() };
    match walk.reader.u8()? {
        0 => walk.unit_message()?,
        1 => walk.alert_message()?,
        variant => return Err(walk.unknown("message", variant)),
    }
    if walk.reader.left() > 0 {
        return Err(Refusal::TrailingBytes);
    }
    walk.cost.checks = walk.cost.checks.max(1);
    walk.cost.bytes += bytes.len();
    Ok(walk.cost)
}

struct Walk<'a> {
    reader: ScaleReader<'a>,
    from: u64,
    bounds: &'a Bounds,
    cost: Cost,
}

impl Walk<'_> {
    fn unknown(&self, of: &'static str, variant: u8) -> Refusal {
        Refusal::Malformed(self.reader.error(ScaleErrorKind::UnknownVariant { of, variant }))
    }

    fn unit_message(&mut self) -> Result<(), Refusal> {
        match self.reader.u8()? {
            // A new unit, or one that was requested.
            0 | 2 => self.unit(),
            // A request by coordinates.
            1 => {
                self.sender()?;
                self.reader.take(2 + 8)?;
                Ok(())
            }
            // A request for the parents of a unit: one unit per guardian is looked up and sent.
            3 => {
                self.sender()?;
                self.reader.take(32)?;
                self.cost.checks += self.bounds.guardians;
                Ok(())
            }
            4 => {
                self.reader.take(32)?;
                self.units("parents of a unit", self.bounds.guardians)
            }
            // A request for the newest unit of its sender.
            5 => {
                self.sender()?;
                self.reader.take(8)?;
                Ok(())
            }
            6 => self.newest_unit(),
            variant => Err(self.unknown("unit message", variant)),
        }
    }

    /// Reads the answer to a request for the newest unit: recipient, sender, unit, salt, signature.
    fn newest_unit(&mut self) -> Result<(), Refusal> {
        if self.reader.u64()? != u64::from(self.bounds.me) {
            return Err(Refusal::Misnamed);
        }
        self.sender()?;
        if self.reader.flag()? {
            self.unit()?;
        }
        self.reader.take(8 + 64)?;
        self.cost.checks += 1;
        Ok(())
    }

    fn alert_message(&mut self) -> Result<(), Refusal> {
        match self.reader.u8()? {
            // Any guardian that has an alert may answer a request for it, so its author need not be the
            // sender.
            0 => {
                self.guardian()?;
                self.unit()?;
                self.unit()?;
                self.units("units of an alert", self.bounds.rounds)?;
                self.reader.take(64)?;
                self.cost.checks += 1;
                self.cost.is_kept = true;
                Ok(())
            }
            1 => {
                self.sender()?;
                self.multicast()
            }
            // A request for an alert: the whole alert is encoded and sent.
            2 => {
                self.sender()?;
                self.reader.take(32)?;
                self.cost.checks += ALERT_ANSWER;
                Ok(())
            }
            variant => Err(self.unknown("alert message", variant)),
        }
    }

    /// Reads a message of reliable multicast: a hash with one signature, or with several.
    fn multicast(&mut self) -> Result<(), Refusal> {
        let variant = self.reader.u8()?;
        self.reader.take(32)?;
        match variant {
            0 => {
                self.guardian()?;
                self.reader.take(64)?;
                self.cost.checks += 1;
                Ok(())
            }
            1 => {
                let places = self.reader.count("places for signatures", self.bounds.guardians)?;
                // The library indexes the list by guardian.
                if places != self.bounds.guardians {
                    return Err(Refusal::OtherFederation);
                }
                for _ in 0..places {
                    if self.reader.flag()? {
                        self.reader.take(64)?;
                        self.cost.checks += 1;
                    }
                }
                self.cost.bytes += 65 * places;
                Ok(())
            }
            variant => Err(self.unknown("multicast message", variant)),
        }
    }

    fn units(&mut self, of: &'static str, most: usize) -> Result<(), Refusal> {
        for _ in 0..self.reader.count(of, most)? {
            self.unit()?;
        }
        Ok(())
    }

    fn unit(&mut self) -> Result<(), Refusal> {
        let unit = Unit::read(&mut self.reader, &ALEPH_0_36)?;
        let guardians = self.bounds.guardians;
        let is_one_of_us = |creator: u64| usize::try_from(creator).is_ok_and(|creator| creator < guardians);
        if unit.fields.parents.nodes != guardians || !is_one_of_us(unit.fields.creator) {
            return Err(Refusal::OtherFederation);
        }
        if let Some(UnitData::Bytes { bytes, .. }) = unit.fields.data
            && bytes.len() > BATCH_BYTES
        {
            return Err(Refusal::BatchTooLarge);
        }
        self.cost.checks += 1;
        self.cost.bytes += UNIT_OVERHEAD;
        Ok(())
    }

    /// Reads the number of any guardian.
    fn guardian(&mut self) -> Result<u64, Refusal> {
        let named = self.reader.u64()?;
        let exists = usize::try_from(named).is_ok_and(|named| named < self.bounds.guardians);
        if exists { Ok(named) } else { Err(Refusal::Misnamed) }
    }

    /// Reads the number of the guardian that sends the message.
    fn sender(&mut self) -> Result<(), Refusal> {
        if self.guardian()? == self.from { Ok(()) } else { Err(Refusal::Misnamed) }
    }
}
