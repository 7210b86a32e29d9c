//! A message of AlephBFT, checked before the library decodes it: its lists have no bound of their own, and an absent
//! entry of a list takes one byte on the wire and 65 in memory.
//!
//! Layout: SCALE, as `fedimint-aleph-bft` 0.36 derives it for `NetworkData` (network.rs, member.rs, alerts/mod.rs,
//! runway/collection.rs) and `aleph-bft-rmc` 0.12 for its messages.
//!
//! Invariants: every count is checked against the number of guardians or of rounds before anything is allocated; a
//! message that names who sends it is accepted from that guardian only.

use fm_consensus::BATCH_BYTES;
use fm_units::{ALEPH_0_36, ScaleError, ScaleErrorKind, ScaleReader, Unit, UnitData};

/// What the library allocates for a unit beside the bytes of its batch: `FullUnit` with its mask, hash and signature.
const UNIT_OVERHEAD: usize = 320;

/// What the answer to a request for an alert costs, in signature checks: up to 4 MiB are encoded.
const ALERT_ANSWER: usize = 200;

/// What holds for every message of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Guardians of the federation.
    pub(crate) guardians: usize,
    /// Rounds of a session.
    pub(crate) rounds: usize,
    /// This guardian.
    pub(crate) me: u16,
}

/// Why a message is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no message, or a list in it is longer than any honest one.
    Malformed(ScaleError),
    /// It names another sender, or another recipient, than it has.
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

/// What an accepted message costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Signatures to check or to look up for an answer; one at least.
    pub(crate) checks: usize,
    /// Bytes in memory once it is decoded.
    pub(crate) bytes: usize,
    /// Whether the library keeps it until the session ends, whatever else it keeps: a fork alert.
    pub(crate) is_kept: bool,
}

/// Checks a message that came over the link of a guardian.
///
/// # Errors
/// If it is no message, or none that this guardian can have sent.
pub(crate) fn check(bytes: &[u8], from: u16, bounds: &Bounds) -> Result<Cost, Refusal> {
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
            // A new unit, or the one that was asked for.
            0 | 2 => self.unit(),
            // A request by coordinates.
            1 => {
                self.sender()?;
                self.reader.take(2 + 8)?;
                Ok(())
            }
            // A request for the parents of a unit: as many units are looked up and sent.
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

    /// The answer to a request for the newest unit: for whom, by whom, the unit, salt, signature.
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
            // Who asks for an alert gets it from anyone who has it: its author is not the one who sends it.
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
            // A request for an alert: the whole of it is encoded and sent.
            2 => {
                self.sender()?;
                self.reader.take(32)?;
                self.cost.checks += ALERT_ANSWER;
                Ok(())
            }
            variant => Err(self.unknown("alert message", variant)),
        }
    }

    /// A message of reliable multicast: a hash with one signature, or with those of many.
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
                // The library indexes it by guardian.
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

    /// The number of some guardian.
    fn guardian(&mut self) -> Result<u64, Refusal> {
        let named = self.reader.u64()?;
        let exists = usize::try_from(named).is_ok_and(|named| named < self.bounds.guardians);
        if exists { Ok(named) } else { Err(Refusal::Misnamed) }
    }

    /// The number of the guardian who sends the message.
    fn sender(&mut self) -> Result<(), Refusal> {
        if self.guardian()? == self.from { Ok(()) } else { Err(Refusal::Misnamed) }
    }
}
