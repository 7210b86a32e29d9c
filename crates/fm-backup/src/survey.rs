//! Surveys a state: audits its history and classifies its rows.

use fm_audit::{Control, HistoryAudit, HistoryKeys, Observer, Origin, Request, audit_history};
use fm_eras::Layout;
use fm_history::Finding;

use crate::classes::{Onlooker, classes};
use crate::headers::audit_headers;
use crate::standing::Judge;
use crate::{BackupError, Classes, Profile, Standing, State};

/// The result of a survey.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The layout of the records; the signatures may show another one than was detected.
    pub layout: Layout,
    /// Whether there were keys for checking signatures.
    pub has_keys: bool,
    /// The audit of the history.
    pub audit: HistoryAudit,
    /// The classes of its rows; all zeros unless the state has every row.
    pub classes: Classes,
    /// Whether it is good, or why not.
    pub standing: Standing,
    /// The codes of what the database lacks, sorted.
    pub omissions: Vec<String>,
    /// The number of findings that are errors.
    pub errors: u64,
    /// The number of findings that are warnings.
    pub warnings: u64,
}

/// Audits a whole state.
///
/// # Errors
/// If the state cannot be read, or the job was interrupted. What is wrong with it is reported to
/// `on_finding`.
pub fn survey(
    state: &State,
    keys: Option<HistoryKeys<'_>>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Survey, BackupError> {
    let lacks = state.lacks();
    let mut omissions: Vec<String> = lacks.iter().map(|finding| finding.code.to_string()).collect();
    omissions.sort();
    let mut judge = Judge::default();
    let on_finding = &mut |finding: Finding| {
        judge.hear(&finding);
        on_finding(finding);
    };
    let (audit, classes) = match state.profile() {
        Profile::Full => audit_all(state, request(keys, &lacks), control, on_finding)?,
        Profile::History => {
            let request = Request { side_records: false, ..request(keys, &lacks) };
            let observer = Observer::of_findings(on_finding);
            (audit_history(state.history(), request, control, observer)?, Classes::default())
        }
        Profile::Headers => {
            let request = request(keys, &lacks);
            (audit_headers(state, request, control, on_finding)?, Classes::default())
        }
    };
    let layout = audit.layout.unwrap_or(state.layout());
    let (errors, warnings) = (audit.errors, audit.warnings);
    let standing = judge.decide(audit.chain.records);
    Ok(Survey { standing, layout, has_keys: keys.is_some(), audit, classes, omissions, errors, warnings })
}

/// Returns the options of an audit that leaves out everything but the history.
fn request<'a>(keys: Option<HistoryKeys<'a>>, lacks: &'a [Finding]) -> Request<'a> {
    Request { lacks, ..Request::everything(keys) }
}

/// Audits every row, and classifies all of them.
fn audit_all(
    state: &State,
    request: Request<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(HistoryAudit, Classes), BackupError> {
    let origin = state.history();
    let onlooker = Onlooker::new(origin)?;
    let see = |key: &[u8], value: &[u8]| onlooker.see(key, value);
    let observer = Observer { on_row: Some(&see), ..Observer::of_findings(on_finding) };
    let audit = audit_history(origin, request, control, observer)?;
    let classes = match onlooker.conclude(&audit) {
        Some(classes) => classes,
        None => classes(Origin { layout: audit.layout.unwrap_or(origin.layout), ..origin }, &audit, control)?,
    };
    Ok((audit, classes))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use fm_audit::Silent;

    use super::*;

    fn sources() -> Vec<PathBuf> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let guardians =
            ["session-v0.5.0", "session-v0.2.0-rc1", "broadcast-v0.1.5", "aleph-a4177cea3", "hbbft-v0.1.5"];
        let databases = guardians.map(|name| fixtures.join(name).join("peer-0/database"));
        let checkpoint = fixtures.join("session-v0.5.0/peer-0/db_checkpoints/25");
        databases.into_iter().chain([checkpoint, fixtures.join("synth-v0.5.0/database")]).collect()
    }

    /// Classifying while the audit reads yields the same as a separate reading.
    #[test]
    fn classes_are_the_same_from_either_reading() {
        let interrupted = std::sync::atomic::AtomicBool::new(false);
        let control = Control { progress: &Silent, interrupted: &interrupted };
        let mut seen = 0;
        for source in sources() {
            let state = State::open(&source, None, None, control).unwrap();
            let origin = state.history();
            let onlooker = Onlooker::new(origin).unwrap();
            let see = |key: &[u8], value: &[u8]| onlooker.see(key, value);
            let hear = &mut |_| ();
            let observer = Observer { on_row: Some(&see), ..Observer::of_findings(hear) };
            let audit = audit_history(origin, Request::everything(None), control, observer).unwrap();
            let found = Origin { layout: audit.layout.unwrap(), ..origin };
            let again = classes(found, &audit, control).unwrap();
            let concluded = onlooker.conclude(&audit);
            seen += usize::from(concluded.is_some());
            assert_eq!(concluded.unwrap_or(again.clone()), again, "{}", source.display());
        }
        assert!(seen >= 4, "{seen} were reported while they were read");
    }
}
