//! How far a history holds, in numbers and in words: what is intact, what is proven, and who signed it.
//!
//! Invariant: nothing after the first error is called proven.

use fm_cli::group_digits;

use crate::ruling::Ruling;
use crate::verdict::{Judgement, KeySource, TrustRoot, Verdict};
use crate::verify::{FEDERATION, Outcome};

/// Returns the last epoch or session up to which everything holds: signed or covered by a signature, and
/// without an error.
pub(crate) fn proven_to(outcome: &Outcome) -> Option<u64> {
    let (chain, continued) = (&outcome.audit.chain, outcome.continued.as_ref().map(|audit| &audit.chain));
    // The sessions since a conversion count if all before are proven.
    let signed =
        continued.map_or(chain.last_signed, |continued| chain.last_signed.and(continued.last_signed))?;
    let breaks = [
        outcome.tally.first_break,
        chain.first_unproven,
        continued.and_then(|continued| continued.first_unproven),
    ];
    match breaks.into_iter().flatten().min() {
        Some(first) => first.checked_sub(1).map(|before| before.min(signed)),
        None => Some(signed),
    }
}

/// Returns the last epoch or session that is stored.
pub(crate) fn last_stored(outcome: &Outcome) -> Option<u64> {
    outcome.continued.as_ref().unwrap_or(&outcome.audit).chain.last
}

/// Returns the verdict in one sentence.
pub(crate) fn summary(judgement: &Judgement<'_>, outcome: &Outcome) -> String {
    let Judgement { verdict, is_epochs, .. } = judgement;
    // What was not signed before the conversion is in none of the sessions after it.
    let is_epochs = *is_epochs && outcome.continued.is_none();
    let what = if is_epochs { "epoch" } else { "session" };
    let part = verdict.range.map(|range| {
        let (from, to) = (group_digits(range.from), group_digits(range.to));
        format!("{what}s {from} to {to} only, and none of the records beside the history")
    });
    let sample = verdict.sample.map(|sample| sample.words(what));
    let is_limited = part.is_some() || sample.is_some();
    let scope = proven_scope(verdict, last_stored(outcome), what).unwrap_or_default();
    let warned = match verdict.warnings {
        0 => String::new(),
        count => format!("; {count} warning(s)"),
    };
    let nothing = if verdict.warnings == 0 { "nothing found" } else { "no error found" };
    match verdict.verdict {
        Ruling::Sound => format!("SOUND {scope}{}{warned}", ambiguous(outcome)),
        Ruling::Empty => format!("EMPTY: nothing is signed yet, so nothing is proven{warned}"),
        Ruling::Sampled => {
            let limits: Vec<String> = sample.into_iter().chain(part).collect();
            format!("SAMPLED, {nothing}: {}{warned}", limits.join("; "))
        }
        Ruling::Partial => format!("PARTIAL, {nothing}: {}{warned}", part.unwrap_or_default()),
        Ruling::Unpinned => {
            let is_checked = verdict.unchecked_signatures == 0
                && verdict.keys.as_ref().is_some_and(KeySource::is_unconfirmed);
            let is_stated = verdict.keys.as_ref().is_some_and(|keys| keys.stated.is_some());
            let checked = if is_checked && is_stated {
                " and with the keys that the guardians state, which nobody confirmed"
            } else if is_checked {
                " and with the keys that lie beside it, which nobody confirmed"
            } else {
                ", signatures not checked for want of keys"
            };
            format!("UNPINNED: consistent in itself{checked}{warned}")
        }
        Ruling::Findings => {
            let follow = match verdict.consequences {
                0 => String::new(),
                1 => ", and 1 finding that follows from them".to_owned(),
                count => format!(", and {} findings that follow from them", group_digits(count)),
            };
            let scope = match (verdict.errors, is_limited) {
                (0, false) if scope.is_empty() => "; nothing proven".to_owned(),
                (0, false) => format!("; proven {scope}{}", ambiguous(outcome)),
                (0, true) => String::new(),
                _ => breaks(verdict, what, is_limited),
            };
            format!("FINDINGS: {} error(s), {} warning(s){follow}{scope}", verdict.errors, verdict.warnings)
        }
    }
}

/// Says how far a history with errors holds.
fn breaks(verdict: &Verdict<'_>, what: &str, is_limited: bool) -> String {
    let mut parts = Vec::new();
    match (verdict.intact_to, verdict.first_break) {
        (Some(last), Some(first)) => parts.push(format!(
            "intact up to {what} {}, first break at {}",
            group_digits(last),
            group_digits(first)
        )),
        (None, Some(first)) => parts.push(format!("first break at {what} {}", group_digits(first))),
        (Some(last), None) => parts.push(format!("intact up to {what} {}", group_digits(last))),
        (None, None) => {}
    }
    match verdict.proven_to {
        Some(last) => parts.push(format!("proven up to {what} {}", group_digits(last))),
        None if is_limited => {}
        None => parts.push("nothing proven".to_owned()),
    }
    parts.iter().map(|part| format!("; {part}")).collect()
}

/// Says for which sessions the signatures do not fix how many times the last items were repeated.
fn ambiguous(outcome: &Outcome) -> String {
    match (outcome.tally.ambiguous, outcome.tally.first_ambiguous) {
        (0, _) | (_, None) => String::new(),
        (1, Some(first)) => format!(
            "; how often the last items of session {} were repeated is not under its signatures",
            group_digits(first)
        ),
        (count, Some(first)) => format!(
            "; how often the last items of {} sessions (the first: {}) were repeated is not under their signatures",
            group_digits(count),
            group_digits(first)
        ),
    }
}

/// Says what the signatures prove and what they do not; returns none if there are errors or nothing is
/// signed.
fn proven_scope(verdict: &Verdict<'_>, last_stored: Option<u64>, what: &str) -> Option<String> {
    let signed = verdict.proven_to.filter(|_| verdict.errors == 0)?;
    if verdict.source == FEDERATION {
        let signed = group_digits(signed);
        return Some(format!("up to {what} {signed}; that it ends there is the guardians' own word"));
    }
    let guardians_own = match last_stored.filter(|last| *last > signed).map(|last| (signed + 1, last)) {
        None if verdict.pending > 0 => "that it ends there, the open session and module data are".to_owned(),
        None => "that it ends there and module data are".to_owned(),
        Some((first, last)) if first == last => format!("{what} {} and module data are", group_digits(last)),
        Some((first, last)) => {
            format!("{what}s {} to {} and module data are", group_digits(first), group_digits(last))
        }
    };
    Some(format!("up to {what} {}; {guardians_own} this guardian's own word", group_digits(signed)))
}

/// How many records are signed, and how.
pub(crate) fn signatures(judgement: &Judgement<'_>) -> String {
    let Judgement { verdict, is_epochs, records, .. } = judgement;
    let stored = group_digits(*records);
    match (&verdict.keys, verdict.unchecked_signatures) {
        (Some(_), 0) if *is_epochs => format!(
            "{stored}: {} signed, {} covered by later signatures, {} unsigned at the tip, {} unproven",
            group_digits(verdict.signed),
            group_digits(verdict.covered),
            group_digits(verdict.tip),
            group_digits(verdict.unproven)
        ),
        (Some(_), 0) => {
            let [enough, short] = by_signers(verdict);
            let readable = verdict.signed.saturating_add(verdict.unproven);
            let unreadable = match records.saturating_sub(readable) {
                0 => String::new(),
                count => format!(", {} not readable", group_digits(count)),
            };
            format!(
                "{stored} sessions: {} signed by enough guardians{enough}, {} not{short}{unreadable}",
                group_digits(verdict.signed),
                group_digits(verdict.unproven)
            )
        }
        (Some(_), unchecked) if verdict.sample.is_some() => format!(
            "{stored}{}: {} signed, signatures of {} not checked, {} not signed by enough guardians",
            if *is_epochs { "" } else { " sessions" },
            group_digits(verdict.signed),
            group_digits(unchecked),
            group_digits(verdict.unproven)
        ),
        (_, unchecked) if *is_epochs => {
            format!("{stored}: {} with a signature, none of them checked", group_digits(unchecked))
        }
        (_, unchecked) => {
            format!("{stored} sessions: {} with signatures, none of them checked", group_digits(unchecked))
        }
    }
}

/// How many guardians signed how many sessions: of those that enough guardians signed, and of the others.
fn by_signers(verdict: &Verdict<'_>) -> [String; 2] {
    let threshold = match verdict.keys.as_ref().map(|source| &source.keys) {
        Some(TrustRoot::Session { threshold, .. }) => *threshold,
        _ => 0,
    };
    [true, false].map(|threshold_met| {
        let mut parts = Vec::new();
        for (guardians, sessions) in verdict.by_signers.iter().rev() {
            if (*guardians >= threshold) == threshold_met {
                let by = if *guardians == 0 { "nobody".to_owned() } else { guardians.to_string() };
                parts.push(format!("{} by {by}", group_digits(*sessions)));
            }
        }
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    })
}
