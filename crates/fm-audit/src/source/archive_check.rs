//! The check of every byte of an archive.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use fm_archive::VerifyReport;
use fm_history::{Code, Finding, Hash, Place};

use super::medium::{Medium, ReadSeek};
use crate::control::Control;
use crate::error::AuditError;

/// The largest number of damaged parts of an archive that are listed.
const MOST_DAMAGE: usize = 1000;

/// Checks every byte of an archive. Returns its identity if it is undamaged, otherwise what is damaged.
///
/// # Errors
/// If the archive cannot be read, or the job was interrupted.
pub fn check_archive(path: &Path, control: Control<'_>) -> Result<(Option<Hash>, Vec<Finding>), AuditError> {
    check_medium(&path.to_owned(), control)
}

/// Checks every byte of an archive on any medium, as [`check_archive`] does.
///
/// # Errors
/// If the archive cannot be read, or the job was interrupted.
pub fn check_medium(
    medium: &dyn Medium,
    control: Control<'_>,
) -> Result<(Option<Hash>, Vec<Finding>), AuditError> {
    check(medium, control, &|file, on_progress| fm_archive::verify(file, on_progress))
}

/// Reads back an archive that was just written with this root, and checks it as [`check_medium`] does.
///
/// # Errors
/// If the archive cannot be read, or the job was interrupted.
pub fn check_written(
    medium: &dyn Medium,
    root: [u8; 32],
    control: Control<'_>,
) -> Result<(Option<Hash>, Vec<Finding>), AuditError> {
    check(medium, control, &|file, on_progress| fm_archive::verify_written(file, root, on_progress))
}

/// A way to check an archive.
type Verify<'a> =
    &'a dyn Fn(Stoppable<'_>, &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, fm_archive::ArchiveError>;

fn check(
    medium: &dyn Medium,
    control: Control<'_>,
    verify: Verify<'_>,
) -> Result<(Option<Hash>, Vec<Finding>), AuditError> {
    let path = medium.path();
    let file = medium.open().map_err(|source| AuditError::File { path: path.to_owned(), source })?;
    let file = Stoppable { file, control };
    control.progress.begin("provenance archive", "bytes", None);
    let mut last = 0;
    let checked = verify(file, &mut |done, _| {
        control.progress.advance(done.saturating_sub(last));
        last = done;
    });
    control.progress.end();
    control.check()?;
    let checked = checked.map_err(|source| AuditError::Archive { path: path.to_owned(), source })?;
    let finding = |text: String| Finding::new(Code::ProvenanceDamaged, Place::everywhere(), text);
    let listed = checked.damage.iter().take(MOST_DAMAGE).map(|damage| finding(damage.to_string()));
    let mut damage: Vec<Finding> = listed.collect();
    let rest = checked.damage.len() - damage.len();
    if rest > 0 {
        damage.push(finding(format!("{rest} more parts of the archive are damaged")));
    }
    match checked.summary {
        Some(summary) if damage.is_empty() => Ok((Some(Hash(summary.identity)), damage)),
        None if damage.is_empty() => Ok((None, vec![finding("the archive has no index".to_owned())])),
        _ => Ok((None, damage)),
    }
}

/// A file whose reads fail after the job was interrupted.
///
/// The check of an archive skips what it cannot read. After an interruption it therefore ends soon, and its
/// result is not used.
pub(crate) struct Stoppable<'a> {
    pub(crate) file: Box<dyn ReadSeek>,
    pub(crate) control: Control<'a>,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.control.check().map_err(io::Error::other)?;
        self.file.read(bytes)
    }
}

impl Seek for Stoppable<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
