//! The decisions of a conversion before it writes: whether the history is proven, and up to which point.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fm_archive::{ArchiveError, check_limits};
use fm_audit::{
    Control, EpochOptions, HistoryAudit, HistoryKeys, Observer, Origin, ProvenPrefix, Request, Scope,
    audit_history, each_epoch,
};
use fm_crypto::EpochKeys;
use fm_eras::block::{BlockLayout, Version};
use fm_eras::hbbft::{EpochLayout, epoch_key};
use fm_eras::{Era, Layout, session};
use fm_history::{Code, Finding, Place, Severity};
use fm_rows::{RowSource, Rows, SourceError};

use crate::MigrationError;
use crate::on_start::{on_start, refusals};

/// The number of bytes that are shown of a key that is too long.
const SHOWN_KEY_BYTES: usize = 40;

/// The options of a conversion.
#[derive(Clone, Copy)]
pub struct PlanOptions<'a> {
    /// The federation's keys.
    pub keys: HistoryKeys<'a>,
    /// The last epoch or block to convert. Without it, the conversion ends at the last signed one, and that
    /// signature must be the newest that ever existed.
    pub until: Option<u64>,
    /// What is missing from the source, as findings.
    pub omissions: &'a [Finding],
    /// Whether to convert a source that lacks more than the torn end of its log.
    pub accept_incomplete: bool,
    /// The version of the server that the result is for, if the user states it.
    pub target_version: Option<Version>,
    /// The kinds of the modules, as the federation's configuration states them.
    pub kinds: &'a BTreeMap<u16, String>,
}

/// A history that is proven up to its anchor.
#[derive(Clone, Debug)]
pub struct ConversionPlan {
    /// The audit of the whole source.
    pub audit: HistoryAudit,
    /// The layout of the records, as their signatures show it.
    pub layout: Layout,
    /// The part of the history that will be converted.
    pub anchor: ProvenPrefix,
    /// The last epoch or session that the source stores.
    pub last_stored: u64,
}

/// Audits the source and decides what to convert. `on_finding` receives every finding, including those that
/// do not affect the decision.
///
/// # Errors
/// If the source is incomplete, not proven, cannot be converted or cannot be read, or the job was
/// interrupted.
pub fn plan(
    origin: Origin<'_>,
    options: PlanOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<ConversionPlan, MigrationError> {
    options.omissions.iter().cloned().for_each(&mut *on_finding);
    let lost = options.omissions.iter().find(|finding| finding.severity == Severity::Error);
    if let Some(lost) = lost.filter(|_| !options.accept_incomplete) {
        return Err(MigrationError::Incomplete { what: lost.to_string() });
    }
    if let Layout::Hbbft(layout) = origin.layout
        && !layout.is_framed()
    {
        return Err(MigrationError::Opaque { layout: layout.name() });
    }
    let request = Request {
        // Covered epochs are proven without their signatures; the end is checked separately.
        shares: false,
        until: options.until,
        ..Request::everything(Some(options.keys))
    };
    let mut judge = Judge::new(options.until);
    let sizes = Sizes::default();
    let mut on_audited = |finding: Finding| {
        judge.take(&finding);
        on_finding(finding);
    };
    let on_row = |key: &[u8], value: &[u8]| sizes.see(key, value);
    let observer = Observer { on_row: Some(&on_row), ..Observer::of_findings(&mut on_audited) };
    let audit = audit_history(origin, request, control, observer)?;
    let (Some(signed), Some(last_stored), None) = (audit.chain.last_signed, audit.chain.last, &judge.first)
    else {
        return Err(judge.refusal());
    };
    if let Some(until) = options.until.filter(|until| *until > signed) {
        return Err(MigrationError::NotAnchored { until, signed });
    }
    match (origin.layout, options.keys) {
        (Layout::Hbbft(layout), HistoryKeys::Epoch(keys)) if options.until.is_none() => {
            check_end(origin, layout, keys, signed, control, on_finding)?;
        }
        (Layout::Blocks(layout), _) if layout.is_modern() => {
            check_copied(options, layout, &audit, last_stored, on_finding)?;
            check_start(origin, options)?;
        }
        _ => {}
    }
    let anchor = audit.proven.clone().ok_or_else(|| judge.refusal())?;
    sizes.conclude()?;
    Ok(ConversionPlan { layout: audit.layout.unwrap_or(origin.layout), audit, anchor, last_stored })
}

/// Refuses to end at the last signed epoch if a newer one was signed: its shares are then in the epoch after
/// it.
fn check_end(
    origin: Origin<'_>,
    layout: EpochLayout,
    keys: &EpochKeys,
    signed: u64,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(), MigrationError> {
    let Some(first) = signed.checked_add(1) else { return Ok(()) };
    let tip = Tip { rows: origin.rows, first: epoch_key(first, layout.dialect) };
    let options = EpochOptions {
        layout,
        keys: Some(keys),
        shares: true,
        convert: false,
        scope: Scope::default(),
        on_row: None,
    };
    let mut lost = None;
    control.progress.begin("shares in the tip", "epochs", None);
    each_epoch(Origin { rows: &tip, ..origin }, options, control, |audited| {
        for finding in audited.decoded.into_iter().flat_map(|decoded| decoded.shares) {
            lost = finding.place.epoch;
            on_finding(finding);
        }
        Ok::<_, MigrationError>(())
    })?;
    control.progress.end();
    lost.map_or(Ok(()), |epoch| Err(MigrationError::SignatureLost { epoch, signed }))
}

/// Checks that a history of the current layout can be copied unchanged: it must be whole and contain nothing
/// that the server does not know.
fn check_copied(
    options: PlanOptions<'_>,
    layout: &BlockLayout,
    audit: &HistoryAudit,
    last_stored: u64,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(), MigrationError> {
    if options.until.is_some_and(|until| until < last_stored) {
        return Err(MigrationError::CopiedWhole { last: last_stored });
    }
    let version = options.target_version.unwrap_or(session::NEWEST);
    let is_known = |name: &str| {
        let table = layout.tables.iter().find(|table| table.name == name);
        table.is_some_and(|table| session::is_known(&[table.prefix], version))
    };
    let unknown: Vec<String> = audit
        .rows
        .iter()
        .filter(|(name, _)| !is_known(name))
        .map(|(name, rows)| format!("{rows} {name}"))
        .collect();
    if !unknown.is_empty() {
        return Err(MigrationError::NotForTarget { version, records: unknown.join(", ") });
    }
    let units = layout.table_of(&[layout.units]).and_then(|table| audit.rows.get(table.name)).copied();
    let Some(units) = units.filter(|units| *units > 0 && layout.era == Era::D) else { return Ok(()) };
    match options.target_version {
        Some(version) if version >= session::UNTAGGED_UNITS => Err(MigrationError::NotForTarget {
            version,
            records: format!("{units} units of the open session, in the form of v0.2 and v0.3"),
        }),
        Some(_) => Ok(()),
        None => {
            let message = format!(
                "the open session has {units} units in the form of v0.2 and v0.3, which no server from {} on reads: \
                 let the old version finish the session first",
                session::UNTAGGED_UNITS
            );
            on_finding(Finding::new(Code::UnitsUnreadable, Place::key(&[layout.units]), message));
            Ok(())
        }
    }
}

/// Checks that the target version starts with the databases of the modules.
fn check_start(origin: Origin<'_>, options: PlanOptions<'_>) -> Result<(), MigrationError> {
    let version = options.target_version.unwrap_or(session::NEWEST);
    let starts = on_start(origin.rows, origin.layout, options.kinds, version)
        .map_err(|source| origin.unreadable(source))?;
    let refusals = refusals(&starts);
    if refusals.is_empty() {
        return Ok(());
    }
    Err(MigrationError::NotForTarget { version, records: refusals.join("; ") })
}

/// The rows from an epoch on. In layouts that can be converted, keys sort by epoch.
struct Tip<'a> {
    rows: &'a dyn RowSource,
    first: Vec<u8>,
}

impl RowSource for Tip<'_> {
    fn scan_range<'a>(&'a self, from: &[u8], to: Option<&[u8]>) -> Rows<'a> {
        self.rows.scan_range(from.max(&self.first), to)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SourceError> {
        self.rows.get(key)
    }
}

/// A search for rows that are too large for the provenance archive, which must hold all rows.
#[derive(Default)]
struct Sizes {
    rows: AtomicU64,
    /// The first row that is too large.
    first: OnceLock<(String, ArchiveError)>,
}

impl Sizes {
    fn see(&self, key: &[u8], value: &[u8]) {
        let number = self.rows.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = check_limits(number, key, value) {
            let shown = &key[..key.len().min(SHOWN_KEY_BYTES)];
            // Only the first one is reported.
            let _ = self.first.set((hex::encode(shown), error));
        }
    }

    fn conclude(self) -> Result<(), MigrationError> {
        match self.first.into_inner() {
            Some((key, source)) => Err(MigrationError::NotArchivable { key, source }),
            None => Ok(()),
        }
    }
}

/// Decides which findings prevent the conversion of the epochs up to `until`.
pub(crate) struct Judge {
    until: Option<u64>,
    /// The chain is damaged after the last requested epoch.
    broken_behind: bool,
    pub(crate) first: Option<Finding>,
    pub(crate) errors: u64,
}

impl Judge {
    pub(crate) fn new(until: Option<u64>) -> Self {
        Self { until, broken_behind: false, first: None, errors: 0 }
    }

    fn refusal(&self) -> MigrationError {
        // Without a signed epoch there is always an error.
        let first = self.first.as_ref().map_or("nothing is signed".to_owned(), Finding::to_string);
        MigrationError::NotProven { errors: self.errors, first }
    }

    pub(crate) fn take(&mut self, finding: &Finding) {
        if finding.severity != Severity::Error {
            return;
        }
        let number = finding.place.epoch.or(finding.place.session);
        let behind = matches!((number, self.until), (Some(number), Some(until)) if number > until);
        if behind {
            self.broken_behind = true;
            return;
        }
        // The old pointer and the old index cover the whole history: if its end is left out, they are left
        // out too.
        let of_the_end = matches!(
            finding.code,
            Code::LastEpochWrong
                | Code::LastEpochMissing
                | Code::SessionPointerWrong
                | Code::UnitsBeyondEnd
                | Code::TransactionIndexMissing
                | Code::TransactionIndexExtra
                | Code::TransactionIndexDiffers
        );
        if of_the_end && self.broken_behind {
            return;
        }
        self.errors += 1;
        self.first.get_or_insert_with(|| finding.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use fm_archive::MAX_VALUE_LEN;
    use fm_audit::Silent;
    use fm_eras::session::session_key;
    use fm_forge::memory::{SIGNERS, history, items_of, keys, record};
    use fm_rows::MemoryRows;

    use super::*;

    /// What the tests vary.
    #[derive(Default)]
    struct Asked {
        until: Option<u64>,
        omissions: Vec<Finding>,
        accept_incomplete: bool,
    }

    fn planned(rows: &MemoryRows, asked: Asked) -> Result<ConversionPlan, MigrationError> {
        let (keys, kinds) = (keys(), BTreeMap::new());
        let options = PlanOptions {
            keys: HistoryKeys::Session(&keys),
            until: asked.until,
            omissions: &asked.omissions,
            accept_incomplete: asked.accept_incomplete,
            target_version: None,
            kinds: &kinds,
        };
        let interrupted = AtomicBool::new(false);
        let control = Control { progress: &Silent, interrupted: &interrupted };
        let origin = Origin { rows, path: Path::new("memory"), layout: Layout::Blocks(session::modern()) };
        plan(origin, options, control, &mut |_| {})
    }

    #[test]
    fn a_signed_history_is_planned_whole() {
        let plan = planned(&history(3), Asked::default()).unwrap();
        assert_eq!((plan.anchor.sessions, plan.anchor.items, plan.last_stored), (3, 6, 2));
        // Current records are copied, so they are copied whole.
        let part = planned(&history(3), Asked { until: Some(1), ..Asked::default() });
        assert!(matches!(part, Err(MigrationError::CopiedWhole { last: 2 })));
        let beyond = planned(&history(3), Asked { until: Some(7), ..Asked::default() });
        assert!(matches!(beyond, Err(MigrationError::NotAnchored { until: 7, signed: 2 })));
    }

    #[test]
    fn what_is_not_proven_or_not_known_is_not_planned() {
        let mut unsigned = history(3);
        unsigned.0.insert(session_key(1), record(1, items_of(1), &SIGNERS[..2]));
        assert!(matches!(planned(&unsigned, Asked::default()), Err(MigrationError::NotProven { .. })));
        assert!(matches!(planned(&history(0), Asked::default()), Err(MigrationError::NotProven { .. })));
        let lacks = |accept_incomplete| {
            let lost = Finding::new(Code::LogMissing, Place::everywhere(), "a log is missing");
            planned(&history(3), Asked { omissions: vec![lost], accept_incomplete, until: None })
        };
        assert!(matches!(lacks(false), Err(MigrationError::Incomplete { .. })));
        assert!(lacks(true).is_ok());
    }

    #[test]
    fn rows_that_no_archive_holds_are_found_while_the_audit_reads() {
        let mut rows = history(3);
        let long = vec![0; MAX_VALUE_LEN + 1];
        rows.0.insert(session::module_key(0, b"row"), long);
        assert!(matches!(planned(&rows, Asked::default()), Err(MigrationError::NotArchivable { .. })));
    }
}
