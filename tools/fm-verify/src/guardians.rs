//! What is to be said about the guardians of a running federation.

use std::collections::BTreeMap;

use fm_audit::{AuditError, Control};
use fm_cli::{Failure, guardian_name};
use fm_client::{FindError, Refusal};
use fm_evidence::{GuardianDifference, compare_guardians};
use fm_history::{Code, Finding, PeerId, Place, Severity};

use crate::opened::Live;

/// The number of sessions by which guardians differ while a session ends.
const ORDINARY_LAG: u64 = 1;

/// Reports who did not answer, who lags, and whose records were refused. If every guardian was asked, being
/// silent or late is a warning.
pub(crate) fn report(live: &Live, is_every: bool, on_finding: &mut dyn FnMut(Finding)) {
    let name = |peer: PeerId| guardian_name(&live.federation.config, peer);
    let worse = |finding: Finding| {
        if is_every { finding.with_severity(Severity::Warning) } else { finding }
    };
    configurations(live, is_every).into_iter().for_each(&mut *on_finding);
    let counts = live.history.counts();
    let sessions = live.history.sessions();
    for (peer, count) in counts {
        match count {
            None => {
                let message = format!("{} does not answer", name(peer));
                on_finding(worse(Finding::new(Code::GuardianSilent, Place::everywhere(), message)));
            }
            Some(count) if count < sessions => {
                let lag = sessions - count;
                let message = format!("{} has finished {count} sessions of {sessions}", name(peer));
                let finding = Finding::new(Code::GuardianBehind, Place::session(count), message);
                on_finding(if lag > ORDINARY_LAG { worse(finding) } else { finding });
            }
            Some(_) => {}
        }
    }
    refused(live, &live.history.refusals()).into_iter().for_each(on_finding);
}

/// Reports who states another configuration, and who cannot be asked.
pub(crate) fn configurations(live: &Live, is_every: bool) -> Vec<Finding> {
    let finding = |(peer, error): (&PeerId, &FindError)| {
        let message = format!("{}: {error}", guardian_name(&live.federation.config, *peer));
        match error {
            // Whether it answers is looked at again, later.
            FindError::Client(_) | FindError::AllOverIroh { .. } | FindError::NoAddress => None,
            FindError::OverIroh { .. } => {
                let finding = Finding::new(Code::GuardianSilent, Place::everywhere(), message);
                is_every.then(|| finding.with_severity(Severity::Warning))
            }
            FindError::OtherConfig { .. } | FindError::OtherFederation { .. } | FindError::Config { .. } => {
                Some(Finding::new(Code::GuardianConfigDiffers, Place::everywhere(), message))
            }
        }
    };
    live.federation.others.iter().filter_map(finding).collect()
}

/// Reports records that their signatures do not prove.
pub(crate) fn refused(live: &Live, refusals: &[Refusal]) -> Vec<Finding> {
    let finding = |refusal: &Refusal| {
        let name = guardian_name(&live.federation.config, refusal.peer);
        let message = format!("{name} returned a record that is refused: {}", refusal.reason);
        Finding::new(Code::GuardianRecordRefused, Place::session(refusal.session), message)
    };
    refusals.iter().map(finding).collect()
}

/// Asks every guardian for every session, and reports who serves another one than the others.
pub(crate) fn compare(
    live: &Live,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<(), Failure> {
    let config = &live.federation.config;
    let answers: BTreeMap<PeerId, _> = live
        .history
        .counts()
        .into_keys()
        .map(|peer| (peer, live.history.answers_of(peer).map(Ok::<_, AuditError>)))
        .collect();
    control.progress.begin("guardians", "sessions", Some(live.history.sessions()));
    let ends = compare_guardians(answers, control, &mut |difference: GuardianDifference| {
        let name = guardian_name(config, difference.peer);
        let others: Vec<String> = difference.others.iter().map(ToString::to_string).collect();
        let message = format!("{name} {}; guardians {} agree", difference.what, others.join(", "));
        on_finding(Finding::new(Code::GuardianDiffers, Place::session(difference.session), message));
    })?;
    control.progress.end();
    let refused: Vec<PeerId> = live.history.refusals().iter().map(|refusal| refusal.peer).collect();
    for (peer, count) in live.history.counts() {
        let (end, count) = (ends.get(&peer).copied().unwrap_or(0), count.unwrap_or(0));
        if end < count.min(live.history.sessions()) && !refused.contains(&peer) {
            let message = format!("{} stopped to answer at session {end}", guardian_name(config, peer));
            let finding = Finding::new(Code::GuardianSilent, Place::session(end), message);
            on_finding(finding.with_severity(Severity::Warning));
        }
    }
    Ok(())
}
