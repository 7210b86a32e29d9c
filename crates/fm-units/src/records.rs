//! Turns rows into records: which bytes are units, which are not, and what is lost.
//!
//! Every known writer except v0.2.0 and v0.2.1 puts one record into a row. A record is therefore first sought
//! in its own row, and joined with the rows after it only if what follows fits.
//!
//! Invariants: every byte of the stream is in a record or named as damage. No byte after a missing row is
//! joined with a byte before it.

use fm_history::Hash;

use crate::alert::Alert;
use crate::backup::{Backup, Row};
use crate::form::{Framing, HashRule, UnitForm};
use crate::scale::{ScaleError, ScaleErrorKind, ScaleReader};
use crate::unit::Unit;

/// The largest number of rows that a record may span.
pub const MAX_SPAN: usize = 64;

/// The values that every unit of a backup must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The open session.
    pub session: u64,
    /// The number of guardians; if it is not known, the first readable unit decides.
    pub guardians: Option<usize>,
}

/// The content of a record.
#[expect(clippy::large_enum_variant, reason = "all but a few records are units")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A unit.
    Unit(Unit<'a>),
    /// A record of a fork alert.
    Alert(Alert<'a>),
}

/// A record and the row in which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Position in [`Backup::rows`].
    pub row: usize,
    /// The record.
    pub content: Content<'a>,
}

/// A row with bytes that are not a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Position in [`Backup::rows`].
    pub row: usize,
    /// The reason.
    pub reason: String,
    /// Bytes that cannot be read.
    pub lost: usize,
}

/// A backup, read in one form.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    /// The rows.
    pub backup: &'a Backup,
    /// The form.
    pub form: &'static UnitForm,
    /// The session that the units should be of.
    pub session: u64,
    /// Number of guardians.
    pub guardians: usize,
    /// The records, in the order of the stream.
    pub records: Vec<Record<'a>>,
    /// What cannot be read.
    pub damage: Vec<Damage>,
    /// The name of the backup if there are several; empty at first.
    pub label: String,
}

impl<'a> Records<'a> {
    /// Reads a backup in one form; returns `None` if no record can be read.
    pub fn read(backup: &'a Backup, form: &'static UnitForm, expected: Expected) -> Option<Self> {
        let guardians = expected.guardians.or_else(|| first_guardians(backup, form))?;
        let reading = Reading { backup, form, session: expected.session, guardians };
        let mut read = Self {
            backup,
            form,
            session: expected.session,
            guardians,
            records: Vec::new(),
            damage: Vec::new(),
            label: String::new(),
        };
        reading.run(&mut read.records, &mut read.damage);
        (!read.records.is_empty()).then_some(read)
    }

    /// Returns the units and the rows they begin in.
    pub fn units(&self) -> impl Iterator<Item = (usize, &Unit<'a>)> {
        self.records.iter().filter_map(|record| match &record.content {
            Content::Unit(unit) => Some((record.row, unit)),
            Content::Alert(_) => None,
        })
    }

    /// Counts the units that agree with what is expected, and those among them that show the form's hash
    /// rule.
    pub(crate) fn score(&self) -> (usize, usize) {
        let none = no_parents(self.form.hash, self.guardians);
        let agreeing = || self.units().filter(|(_, unit)| agrees(unit, self.session, self.guardians));
        let anchors = agreeing().filter(|(_, unit)| unit.fields.round == 0);
        (agreeing().count(), anchors.filter(|(_, unit)| unit.fields.parents_hash == none.0).count())
    }

    /// Returns whether every byte was read and every unit agrees.
    pub(crate) fn is_whole(&self) -> bool {
        self.damage.is_empty() && self.units().all(|(_, unit)| agrees(unit, self.session, self.guardians))
    }
}

/// Returns the hash over no parents.
fn no_parents(rule: HashRule, guardians: usize) -> Hash {
    rule.parents_hash(&vec![None; guardians])
}

fn agrees(unit: &Unit<'_>, session: u64, guardians: usize) -> bool {
    let fields = &unit.fields;
    fields.session == session
        && usize::try_from(fields.creator).is_ok_and(|creator| creator < guardians)
        && fields.parents.nodes == guardians
}

/// Returns the number of guardians that the first unit that a row holds alone names.
fn first_guardians(backup: &Backup, form: &UnitForm) -> Option<usize> {
    let alone = |row: &Row| {
        let mut reader = ScaleReader::new(&backup.stream[row.range.clone()]);
        match read_record(&mut reader, form) {
            Ok(Content::Unit(unit)) => Some(unit.fields.parents.nodes),
            _ => None,
        }
    };
    backup.rows.iter().find_map(alone)
}

/// Returns the end of the rows that may be joined with this one: the next missing or faulty row.
fn run_end(rows: &[Row], first: usize) -> usize {
    let mut end = first + 1;
    while end < rows.len()
        && end - first < MAX_SPAN
        && rows[end].fault.is_none()
        && rows[end - 1].number.checked_add(1) == Some(rows[end].number)
    {
        end += 1;
    }
    end
}

fn read_record<'a>(reader: &mut ScaleReader<'a>, form: &UnitForm) -> Result<Content<'a>, ScaleError> {
    let offset = reader.position();
    match form.framing {
        Framing::Bare => Unit::read(reader, form).map(Content::Unit),
        Framing::Tagged => match reader.u8()? {
            0 => Unit::read(reader, form).map(Content::Unit),
            1 => Alert::read(reader, form).map(Content::Alert),
            variant => {
                let kind = ScaleErrorKind::UnknownVariant { of: "backup record", variant };
                Err(ScaleError { offset, kind })
            }
        },
    }
}

struct Reading<'a> {
    backup: &'a Backup,
    form: &'static UnitForm,
    session: u64,
    guardians: usize,
}

impl<'a> Reading<'a> {
    /// Returns the record at a position in a row, and where it ends; otherwise the reason that there is no
    /// record.
    fn record(&self, position: usize, row: usize) -> Result<(Content<'a>, usize), String> {
        let rows = &self.backup.rows;
        let alone = match self.within(position, rows[row].range.end) {
            Err(error) if matches!(error.kind, ScaleErrorKind::UnexpectedEnd { .. }) => error,
            Err(error) => return Err(error.to_string()),
            Ok(found) => return Ok(found),
        };
        // Joining rows proves nothing by itself: the unit must belong to this session and federation. So must
        // what follows it, unless a row ends there too.
        let ours = |content: &Content<'_>| match content {
            Content::Unit(unit) => agrees(unit, self.session, self.guardians),
            Content::Alert(_) => true,
        };
        let limit = rows[run_end(rows, row) - 1].range.end;
        let follows = |end: usize| match rows.binary_search_by_key(&end, |row| row.range.end) {
            Ok(_) => true,
            Err(row) => {
                let limit = rows[run_end(rows, row) - 1].range.end;
                self.within(end, limit).is_ok_and(|(content, _)| ours(&content))
            }
        };
        match self.within(position, limit) {
            Ok((content, end)) if ours(&content) && follows(end) => Ok((content, end)),
            _ => Err(alone.to_string()),
        }
    }

    fn within(&self, from: usize, to: usize) -> Result<(Content<'a>, usize), ScaleError> {
        let mut reader = ScaleReader::new(&self.backup.stream[from..to]);
        let content = read_record(&mut reader, self.form)?;
        Ok((content, from + reader.position()))
    }

    /// Reads all rows in order.
    fn run(&self, records: &mut Vec<Record<'a>>, damage: &mut Vec<Damage>) {
        let mut position = 0;
        for (number, row) in self.backup.rows.iter().enumerate() {
            let range = &row.range;
            if let Some(fault) = &row.fault {
                let reason = format!("the value is not a byte string: {fault}");
                damage.push(Damage { row: number, reason, lost: row.value_bytes });
            } else if range.is_empty() {
                damage.push(Damage { row: number, reason: "it holds no byte of a unit".to_owned(), lost: 0 });
            }
            while position < range.end {
                match self.record(position, number) {
                    Ok((content, end)) => {
                        records.push(Record { row: number, content });
                        position = end;
                    }
                    Err(reason) => {
                        let reason = format!("after byte {}: {reason}", position - range.start);
                        damage.push(Damage { row: number, reason, lost: range.end - position });
                        position = range.end;
                    }
                }
            }
        }
    }
}
