//! Everything a conversion decides before it writes: is the history proven, and up to where.

use fm_audit::{Anchor, Control, EpochStream, HbbftAudit, HbbftOptions, audit_hbbft};
use fm_crypto::EpochKeys;
use fm_eras::hbbft::Layout;
use fm_history::{Code, Finding, Severity};

use crate::MigrationError;

/// What is to be converted.
#[derive(Clone, Copy)]
pub struct PlanOptions<'a> {
    /// Layout of the records.
    pub layout: Layout,
    /// The federation's epoch keys.
    pub keys: &'a EpochKeys,
    /// The last epoch to convert; the last signed one if none.
    pub until: Option<u64>,
    /// What the source lacks, as findings.
    pub omissions: &'a [Finding],
    /// Whether a source may be converted that lacks more than the torn end of its log.
    pub accept_incomplete: bool,
}

/// A proven history, up to its anchor.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The audit of the whole source.
    pub audit: HbbftAudit,
    /// What will be converted.
    pub anchor: Anchor,
    /// The last epoch that the source stores.
    pub last_stored: u64,
}

/// Audits the source and decides; `on_finding` sees every finding, also those that do not matter here.
pub fn plan(
    stream: EpochStream<'_>,
    options: PlanOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Plan, MigrationError> {
    options.omissions.iter().cloned().for_each(&mut *on_finding);
    let lost = options.omissions.iter().find(|finding| finding.severity == Severity::Error);
    if let Some(lost) = lost.filter(|_| !options.accept_incomplete) {
        return Err(MigrationError::Incomplete { what: lost.to_string() });
    }
    if !options.layout.is_framed() {
        return Err(MigrationError::Opaque { layout: options.layout.name() });
    }
    let audit_options = HbbftOptions {
        layout: options.layout,
        keys: Some(options.keys),
        shares: false,
        until: options.until,
        side_records: true,
    };
    let mut judge = Judge::new(options.until);
    let audit = audit_hbbft(
        stream,
        audit_options,
        control,
        &mut |finding| {
            judge.take(&finding);
            on_finding(finding);
        },
        &mut |_| Ok(()),
    )?;
    if let Some(first) = judge.first {
        return Err(MigrationError::NotProven { errors: judge.errors, first: first.to_string() });
    }
    let signed = audit.chain.last_signed.ok_or(MigrationError::NothingSigned)?;
    if let Some(until) = options.until.filter(|until| *until > signed) {
        return Err(MigrationError::NotAnchored { until, signed });
    }
    match (&audit.anchor, audit.chain.last) {
        (Some(anchor), Some(last_stored)) => {
            Ok(Plan { anchor: anchor.clone(), last_stored, audit: audit.clone() })
        }
        _ => Err(MigrationError::NothingSigned),
    }
}

/// Decides which findings stand in the way of carrying over the epochs up to `until`.
pub(crate) struct Judge {
    until: Option<u64>,
    /// The chain is damaged behind the last epoch asked for.
    broken_behind: bool,
    pub(crate) first: Option<Finding>,
    pub(crate) errors: u64,
}

impl Judge {
    pub(crate) fn new(until: Option<u64>) -> Self {
        Self { until, broken_behind: false, first: None, errors: 0 }
    }

    pub(crate) fn take(&mut self, finding: &Finding) {
        if finding.severity != Severity::Error {
            return;
        }
        let behind = matches!((finding.place.epoch, self.until), (Some(epoch), Some(until)) if epoch > until);
        if behind {
            self.broken_behind = true;
            return;
        }
        // The old pointer and the old index speak of the whole history: if its end was given up, so are they.
        let of_the_end = matches!(
            finding.code,
            Code::LastEpochWrong
                | Code::LastEpochMissing
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
