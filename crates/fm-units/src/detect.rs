//! Finds the form in which a backup is written: exactly one, or a refusal that says what was seen.

use thiserror::Error;

use crate::backup::Backup;
use crate::form::UnitForm;
use crate::records::{Expected, Records};

/// The reason that no form was chosen.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FormError {
    /// No form explains the bytes.
    #[error("the unit backup of session {session} is in no known form: {seen}")]
    Unknown {
        session: u64,
        /// The result of each form.
        seen: String,
    },
    /// Several forms explain the bytes.
    #[error("several forms explain the unit backup of session {session}: {}; say which with --form", forms.join(", "))]
    Ambiguous { session: u64, forms: Vec<&'static str> },
}

/// Reads a backup in the one form of these that explains it.
///
/// A form explains the whole backup if every byte is read, and every unit belongs to the open session and to
/// a guardian and has a mask for all guardians. If several forms do, the hash over no parents in units of
/// round 0 decides. If no form does, the backup is damaged: the form is then the one whose units of round 0
/// show its hash rule, and that reads most.
///
/// # Errors
/// Fails if no form explains the bytes, or several do equally.
pub fn read_in_form<'a>(
    backup: &'a Backup,
    expected: Expected,
    candidates: &[&'static UnitForm],
) -> Result<Records<'a>, FormError> {
    let session = expected.session;
    let attempts: Vec<_> =
        candidates.iter().map(|form| (*form, Records::read(backup, form, expected))).collect();
    let seen = attempts.iter().map(|(form, read)| format!("{} {}", form.name, describe(read.as_ref())));
    let unknown = FormError::Unknown { session, seen: seen.collect::<Vec<_>>().join("; ") };
    let mut read: Vec<Records<'a>> = attempts.into_iter().filter_map(|(_, read)| read).collect();
    if let [_] = candidates {
        return read.pop().filter(|only| only.score().0 > 0).ok_or(unknown);
    }
    if read.iter().any(Records::is_whole) {
        read.retain(Records::is_whole);
        if read.len() > 1 {
            keep_best(&mut read, |records| records.score().1);
        }
    } else {
        read.retain(|records| records.score().1 > 0);
        keep_best(&mut read, |records| records.score().0);
    }
    match (read.pop(), read.is_empty()) {
        (None, _) => Err(unknown),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let forms = read.iter().chain([&last]).map(|records| records.form.name).collect();
            Err(FormError::Ambiguous { session, forms })
        }
    }
}

fn keep_best(read: &mut Vec<Records<'_>>, score: impl Fn(&Records<'_>) -> usize) {
    let best = read.iter().map(&score).max();
    read.retain(|records| Some(score(records)) == best);
}

fn describe(read: Option<&Records<'_>>) -> String {
    let Some(records) = read else { return "reads nothing".to_owned() };
    format!(
        "reads {} record(s), {} of them of this session and federation, and cannot read {} row(s)",
        records.records.len(),
        records.score().0,
        records.damage.len()
    )
}
