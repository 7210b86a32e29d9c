//! What a state is: its history audited, its rows told apart by what stands behind them.

use fm_audit::{Control, HistoryAudit, HistoryKeys, HistoryOptions, Scope, audit_history};
use fm_crypto::SessionKeys;
use fm_eras::Detected;
use fm_history::{Finding, Severity};

use crate::classes::{Onlooker, classes};
use crate::headers::audit_headers;
use crate::standing::Judge;
use crate::{BackupError, Classes, Profile, Standing, State};

/// What a state came to.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Layout of the records; the signatures may show it to be another one than was detected.
    pub layout: Detected,
    /// Whether there were keys to check signatures with.
    pub has_keys: bool,
    /// The audit of the history.
    pub audit: HistoryAudit,
    /// Its rows by what stands behind them; all zeros unless the state has every row.
    pub classes: Classes,
    /// Whether it is good, or why not.
    pub standing: Standing,
    /// Codes of what the database lacks, sorted.
    pub omissions: Vec<String>,
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
}

/// Audits a state, all of it.
///
/// # Errors
/// If it cannot be read, or the job was interrupted. What is wrong with it is told to `on_finding`.
pub fn survey(
    state: &State,
    keys: Option<HistoryKeys<'_>>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Survey, BackupError> {
    let lacks = state.lacks();
    let count = |severity| lacks.iter().filter(|finding| finding.severity == severity).count() as u64;
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let mut omissions: Vec<String> = lacks.iter().map(|finding| finding.code.to_string()).collect();
    omissions.sort();
    let mut judge = Judge::default();
    let on_finding = &mut |finding: Finding| {
        judge.hear(&finding);
        on_finding(finding);
    };
    lacks.into_iter().for_each(&mut *on_finding);
    let (audit, classes) = match state.profile() {
        Profile::Full => audit_all(state, keys, control, on_finding)?,
        Profile::History => {
            let options = history_options(state.layout(), keys);
            (
                audit_history(state.stream(), options, control, on_finding, &mut |_| Ok(()))?,
                Classes::default(),
            )
        }
        Profile::Headers => {
            (audit_headers(state, session_keys(keys), control, on_finding)?, Classes::default())
        }
    };
    let layout = audit.layout.unwrap_or(state.layout());
    let (errors, warnings) = (errors + audit.errors, warnings + audit.warnings);
    let standing = judge.decide(audit.chain.epochs);
    Ok(Survey { standing, layout, has_keys: keys.is_some(), audit, classes, omissions, errors, warnings })
}

/// The options of an audit that leaves out what is not of the history.
fn history_options<'a>(layout: Detected, keys: Option<HistoryKeys<'a>>) -> HistoryOptions<'a> {
    HistoryOptions {
        layout,
        keys,
        shares: true,
        until: None,
        side_records: false,
        on_row: None,
        scope: Scope::default(),
    }
}

/// Audits every row, and tells the classes of all.
fn audit_all(
    state: &State,
    keys: Option<HistoryKeys<'_>>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(HistoryAudit, Classes), BackupError> {
    let (stream, layout) = (state.stream(), state.layout());
    let onlooker = match layout {
        Detected::Hbbft(_) => None,
        Detected::Blocks(layout) => Some(Onlooker::new(stream, layout)?),
    };
    let see = |key: &[u8], value: &[u8]| onlooker.iter().for_each(|onlooker| onlooker.see(key, value));
    let options = HistoryOptions { side_records: true, on_row: Some(&see), ..history_options(layout, keys) };
    let audit = audit_history(stream, options, control, on_finding, &mut |_| Ok(()))?;
    let seen = onlooker.and_then(|onlooker| onlooker.conclude(&audit));
    let classes = match seen {
        Some(classes) => classes,
        None => classes(stream, audit.layout.unwrap_or(layout), &audit, control)?,
    };
    Ok((audit, classes))
}

fn session_keys(keys: Option<HistoryKeys<'_>>) -> Option<&SessionKeys> {
    match keys {
        Some(HistoryKeys::Session(keys)) => Some(keys),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use fm_audit::Silent;

    use super::*;

    fn sources() -> Vec<PathBuf> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let guardians = ["session-v0.5.0", "session-v0.2.0-rc1", "broadcast-v0.1.5", "aleph-a4177cea3"];
        let databases = guardians.map(|name| fixtures.join(name).join("peer-0/database"));
        let checkpoint = fixtures.join("session-v0.5.0/peer-0/db_checkpoints/25");
        databases.into_iter().chain([checkpoint, fixtures.join("synth-v0.5.0/database")]).collect()
    }

    /// What is told while the audit reads is what a reading of its own tells.
    #[test]
    fn classes_are_the_same_from_either_reading() {
        let interrupted = std::sync::atomic::AtomicBool::new(false);
        let control = Control { progress: &Silent, interrupted: &interrupted };
        let mut seen = 0;
        for source in sources() {
            let state = State::open(&source, None, None, control).unwrap();
            let (stream, layout) = (state.stream(), state.layout());
            let Detected::Blocks(blocks) = layout else { panic!("{}", source.display()) };
            let onlooker = Onlooker::new(stream, blocks).unwrap();
            let see = |key: &[u8], value: &[u8]| onlooker.see(key, value);
            let options =
                HistoryOptions { side_records: true, on_row: Some(&see), ..history_options(layout, None) };
            let audit = audit_history(stream, options, control, &mut |_| (), &mut |_| Ok(())).unwrap();
            let again = classes(stream, audit.layout.unwrap_or(layout), &audit, control).unwrap();
            let concluded = onlooker.conclude(&audit);
            seen += usize::from(concluded.is_some());
            assert_eq!(concluded.unwrap_or(again.clone()), again, "{}", source.display());
        }
        assert!(seen >= 4, "{seen} were reported while they were read");
    }
}
