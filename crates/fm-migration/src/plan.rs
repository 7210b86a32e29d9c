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
    let mut judge = Judge { until: options.until, broken_behind: false, blocking: Vec::new(), errors: 0 };
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
    if let Some(first) = judge.blocking.first() {
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

/// Decides which findings stand in the way.
struct Judge {
    until: Option<u64>,
    /// The chain is damaged behind the last epoch asked for.
    broken_behind: bool,
    blocking: Vec<Finding>,
    errors: u64,
}

impl Judge {
    fn take(&mut self, finding: &Finding) {
        if finding.severity != Severity::Error {
            return;
        }
        let behind = matches!((finding.place.epoch, self.until), (Some(epoch), Some(until)) if epoch > until);
        if behind {
            self.broken_behind = true;
            return;
        }
        // The pointer and the index speak of the whole history: if its end was given up by hand, so are they.
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
        if self.blocking.is_empty() {
            self.blocking.push(finding.clone());
        }
    }
}
