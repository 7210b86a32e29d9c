//! `verify`: checks every frame of an archive, every record, its history with keys, and its statement.

use std::sync::Arc;

use fm_archive::Metadata;
use fm_audit::{ArchiveSource, AuditError, Control, HistoryKeys, check_medium};
use fm_history::{Code, Finding, Hash, Place, Severity};

use crate::profile;
use crate::statement::{self, differences, impossible, statement};
use crate::{BackupError, Location, Making, State, Survey, survey};

/// The result of checking an archive.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// The identity of the archive, if every frame is whole.
    pub identity: Option<Hash>,
    /// The identity of the whole state; equal to that of the archive unless it is an increment.
    pub state_identity: Option<Hash>,
    /// The metadata of the archive.
    pub metadata: Metadata,
    /// The names of its entries that nothing here proves: its maker's word.
    pub claims: Vec<String>,
    /// The survey of its records, unless the check was a quick one or ended at damage.
    pub survey: Option<Survey>,
    /// The number of findings that are errors.
    pub errors: u64,
    /// The number of findings that are warnings.
    pub warnings: u64,
}

/// How an archive is verified.
pub struct VerifyOptions<'a> {
    /// The archive that an increment builds on.
    pub base: Option<&'a Location>,
    /// Check hashes only.
    pub quick: bool,
    /// The federation's id in hex, if the config states it.
    pub federation: Option<&'a str>,
    /// The layout of the records, if the archive does not name it.
    pub layout: Option<fm_eras::Layout>,
}

/// Verifies an archive. `keys` returns the keys for the layout that the archive proves to have.
///
/// # Errors
/// If the archive cannot be read at all, or the job was interrupted. What is wrong with it is reported to
/// `on_finding`.
pub fn verify<'k, E: From<BackupError>>(
    archive: &Location,
    options: &VerifyOptions<'_>,
    keys: impl FnOnce(&fm_eras::Layout) -> Result<Option<HistoryKeys<'k>>, E>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Verified, E> {
    let mut verified = Verified::default();
    for (file, is_base) in std::iter::once((archive, false)).chain(options.base.map(|base| (base, true))) {
        file.check_keys()?;
        let (identity, damage) = check_medium(file, control).map_err(BackupError::from)?;
        if !is_base {
            verified.identity = identity;
        }
        for damage in damage {
            verified.errors += 1;
            let message = format!("{}: {}", file.path().display(), damage.message);
            on_finding(Finding::new(Code::ArchiveDamaged, Place::everywhere(), message));
        }
    }
    verified.state_identity = verified.identity;
    if verified.errors > 0 {
        return Ok(verified);
    }
    if options.quick {
        let archive = ArchiveSource::over(Arc::new(archive.clone())).map_err(BackupError::from)?;
        verified.metadata = archive.all_metadata();
        verified.claims = verified.metadata.iter().map(|(name, _)| name.to_owned()).collect();
        return Ok(verified);
    }
    let state = match State::open_at(archive, options.base, options.layout, control) {
        Ok(state) => state,
        Err(BackupError::Audit(AuditError::Detect { source, .. })) => {
            verified.errors += 1;
            let message = format!("its records are of no known layout: {source}");
            on_finding(Finding::new(Code::ArchiveMisstated, Place::everywhere(), message));
            return Ok(verified);
        }
        Err(error) => return Err(error.into()),
    };
    verified.metadata = state.metadata().unwrap_or_default();
    let keys = keys(&state.layout())?;
    check_state(&state, keys, options.federation, &mut verified, control, on_finding)?;
    Ok(verified)
}

fn check_state(
    state: &State,
    keys: Option<HistoryKeys<'_>>,
    federation: Option<&str>,
    verified: &mut Verified,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(), BackupError> {
    let guardians = guardians_of(keys);
    let survey = survey(state, keys, control, on_finding)?;
    (verified.errors, verified.warnings) = (survey.errors, survey.warnings);
    let mut report = |finding: Finding| {
        verified.errors += u64::from(finding.severity == Severity::Error);
        verified.warnings += u64::from(finding.severity == Severity::Warning);
        on_finding(finding);
    };
    for finding in misstated(state, &survey, federation, guardians) {
        report(finding);
    }
    if state.archives().len() > 1 {
        verified.state_identity = Some(survey.classes.identity);
    }
    // Keys identify their federation only if they verify a signature.
    let proven = federation.filter(|_| survey.audit.chain.last_signed.is_some());
    verified.claims = statement::claims(&verified.metadata, proven);
    verified.survey = Some(survey);
    Ok(())
}

/// Returns the number of guardians that have the keys; `None` without keys, or if the keys do not show it.
pub(crate) fn guardians_of(keys: Option<HistoryKeys<'_>>) -> Option<usize> {
    match keys? {
        HistoryKeys::Session(keys) => Some(keys.guardians()),
        HistoryKeys::Epoch(_) => None,
    }
}

/// Returns the statements of an archive that its records do not confirm.
pub(crate) fn misstated(
    state: &State,
    survey: &Survey,
    federation: Option<&str>,
    guardians: Option<usize>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |code, message: String| findings.push(Finding::new(code, Place::everywhere(), message));
    let Some(stated) = state.metadata() else { return findings };
    let says = stated.get("federation").unwrap_or_default();
    if let Some(wanted) = federation.filter(|wanted| !says.is_empty() && *wanted != says) {
        add(Code::ArchiveForeign, format!("it is of the federation {says}, the config is of {wanted}"));
    }
    for fault in impossible(&stated, guardians) {
        add(Code::ArchiveMisstated, fault);
    }
    // An archive of another job has another statement, which that job checks.
    if let Some(profile::CHECKPOINT | profile::INCREMENT) = stated.get("kind") {
        let found = statement(survey, state.profile(), &Making::default());
        for difference in differences(&stated, &found) {
            add(Code::ArchiveMisstated, difference);
        }
    }
    if state.archives().len() > 1 && state.stated_identity() != Some(survey.classes.identity) {
        let found = survey.classes.identity;
        add(Code::ArchiveMisstated, format!("it leads to the state {found}, which is not the one it names"));
    }
    findings
}
