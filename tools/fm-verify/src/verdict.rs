//! The verdict: for programs as the last line of NDJSON, for people as a few lines.

use fm_cli::{Exit, Failure, Output, PinnedKeys, group_digits};
use fm_eras::Detected;
use serde::Serialize;

use crate::scope_args::{Limits, Range, SampleFacts, TrustFacts};
use crate::verify::Outcome;

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    source: &'static str,
    era: Option<&'static str>,
    dialect: Option<&'static str>,
    /// Epochs that are stored; none in a history of blocks or sessions.
    epochs: u64,
    signed: u64,
    covered: u64,
    tip: u64,
    unproven: u64,
    unchecked_signatures: u64,
    sessions: u64,
    /// Sessions of a migrated directory that a threshold of guardians signed; none if that was not checked.
    sealed: Option<u64>,
    items: u64,
    pending: u64,
    last: Option<u64>,
    proven_to: Option<u64>,
    history_root: Option<String>,
    errors: u64,
    warnings: u64,
    keys: Option<KeySource>,
    /// The part that was looked at; none if that was all.
    range: Option<Range>,
    /// The sample whose signatures were checked; none if that was every one.
    sample: Option<&'a SampleFacts>,
    trust_file: Option<&'a TrustFacts>,
}

/// Whose keys the signatures were checked with.
#[derive(Serialize)]
struct KeySource {
    path: String,
    #[serde(flatten)]
    keys: TrustRoot,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TrustRoot {
    Epoch { epoch_public_key: String, degree: usize },
    Session { key_set_tag: Option<String>, guardians: usize, threshold: usize },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_source(keys: &PinnedKeys, is_epochs: bool) -> Option<KeySource> {
    let root = match (&keys.epoch, &keys.session) {
        (Some(keys), _) if is_epochs => {
            TrustRoot::Epoch { epoch_public_key: hex(&keys.public_key()), degree: keys.degree() }
        }
        (_, Some(keys)) if !is_epochs => TrustRoot::Session {
            key_set_tag: keys.tag().map(|tag| hex(&tag)),
            guardians: keys.guardians(),
            threshold: keys.threshold(),
        },
        _ => return None,
    };
    Some(KeySource { path: keys.path.display().to_string(), keys: root })
}

pub(crate) fn conclude(
    outcome: &Outcome,
    keys: Option<&PinnedKeys>,
    json: bool,
    mut output: Output,
) -> Result<Exit, Failure> {
    let Limits { range, sample, .. } = &outcome.limits;
    let (name, exit) = match (outcome.errors + outcome.warnings, keys) {
        (0, None) => ("unpinned", Exit::Partial),
        (0, Some(_)) if sample.is_some() => ("sampled", Exit::Partial),
        (0, Some(_)) if range.is_some() => ("partial", Exit::Partial),
        (0, Some(_)) => ("sound", Exit::Done),
        _ => ("findings", Exit::Findings),
    };
    let is_epochs = !matches!(outcome.layout, Some(Detected::Blocks(_)));
    let verdict = verdict(name, outcome, keys.and_then(|keys| key_source(keys, is_epochs)), is_epochs);
    if json {
        output.json(&verdict)?;
    } else {
        print(&mut output, &verdict, outcome, is_epochs)?;
    }
    Ok(exit)
}

fn verdict<'a>(
    name: &'static str,
    outcome: &'a Outcome,
    keys: Option<KeySource>,
    is_epochs: bool,
) -> Verdict<'a> {
    let chain = &outcome.audit.chain;
    let Limits { range, sample, trust } = &outcome.limits;
    // Sessions do not cover each other, and nothing covers what was not looked at.
    let is_gapless = range.is_none_or(|range| range.from == 0) && (is_epochs || sample.is_none());
    let anchor = outcome.audit.anchor.as_ref();
    let sessions = if is_epochs { anchor.map_or(0, |anchor| anchor.sessions) } else { chain.epochs };
    Verdict {
        r#type: "verdict",
        verdict: name,
        source: outcome.source,
        era: outcome.layout.map(|layout| layout.era()),
        dialect: outcome.layout.map(|layout| layout.name()),
        epochs: if is_epochs { chain.epochs } else { 0 },
        signed: chain.signed,
        covered: chain.covered,
        tip: chain.tip,
        unproven: chain.unproven,
        unchecked_signatures: chain.unchecked,
        sessions,
        sealed: outcome.seal.sealed,
        items: anchor.map_or(0, |anchor| anchor.items),
        pending: outcome.audit.pending,
        last: anchor.map(|anchor| anchor.last),
        proven_to: chain.last_signed.filter(|_| is_gapless),
        history_root: anchor.map(|anchor| anchor.history_root.to_string()),
        errors: outcome.errors,
        warnings: outcome.warnings,
        keys,
        range: *range,
        sample: sample.as_ref(),
        trust_file: trust.as_ref(),
    }
}

fn print(
    output: &mut Output,
    verdict: &Verdict<'_>,
    outcome: &Outcome,
    is_epochs: bool,
) -> Result<(), Failure> {
    output.line(&trust_root(verdict))?;
    output.line(&format!(
        "source     {}, era {} ({})",
        verdict.source,
        verdict.era.unwrap_or("unknown"),
        verdict.dialect.unwrap_or("nothing of it can be read")
    ))?;
    output.line(&signatures(verdict, is_epochs))?;
    if let (Some(last), Some(root)) = (verdict.last, &verdict.history_root) {
        output.line(&format!(
            "sessions   {} (0 to {}), {} items",
            group_digits(verdict.sessions),
            group_digits(last),
            group_digits(verdict.items)
        ))?;
        if verdict.pending > 0 {
            output.line(&format!(
                "open       {} accepted items, not signed yet",
                group_digits(verdict.pending)
            ))?;
        }
        let is_proven = verdict.errors == 0 && verdict.proven_to.is_some();
        let proven = match verdict.sample {
            Some(_) => " (SAMPLED, not proven)",
            None if is_proven => "",
            None => " (NOT PROVEN)",
        };
        output.line(&format!("root       {root}{proven}"))?;
    }
    let seal = outcome.seal;
    if let Some(sealed) = seal.sealed.filter(|sealed| *sealed > 0) {
        output.line(&format!(
            "sealed     {} sessions, each signed by {} of {} guardians",
            group_digits(sealed),
            seal.threshold,
            seal.guardians
        ))?;
    }
    if let Some(trust) = verdict.trust_file {
        output.line(&trust_line(trust, verdict.errors, is_epochs))?;
    }
    let scope = proven_scope(verdict, outcome.audit.chain.last, is_epochs);
    let what = if is_epochs { "epoch" } else { "session" };
    let part = verdict.range.map(|range| {
        let (from, to) = (group_digits(range.from), group_digits(range.to));
        format!("{what}s {from} to {to} only, and none of the records beside the history")
    });
    let sample = verdict.sample.map(|sample| sample.words(what));
    let summary = match verdict.verdict {
        "sound" => format!("SOUND {}", scope.unwrap_or_default()),
        "sampled" => {
            let limits: Vec<String> = sample.into_iter().chain(part).collect();
            format!("SAMPLED, nothing found: {}", limits.join("; "))
        }
        "partial" => format!("PARTIAL, nothing found: {}", part.unwrap_or_default()),
        "unpinned" => "UNPINNED: consistent in itself, signatures not checked for want of keys".to_owned(),
        _ => {
            let scope = scope.filter(|_| part.is_none() && sample.is_none());
            let scope = scope.map(|scope| format!("; proven {scope}")).unwrap_or_default();
            format!("FINDINGS: {} error(s), {} warning(s){scope}", verdict.errors, verdict.warnings)
        }
    };
    output.line(&format!("verdict    {summary}"))
}

fn trust_line(trust: &TrustFacts, errors: u64, is_epochs: bool) -> String {
    let what = if is_epochs { "epochs" } else { "sessions" };
    let now = if errors == 0 { "now" } else { "as before, for there are errors" };
    format!(
        "trust file {}: {} {what} are as an earlier audit proved them; it has {} {now}",
        trust.path,
        group_digits(trust.trusted),
        group_digits(trust.remembered)
    )
}

fn trust_root(verdict: &Verdict<'_>) -> String {
    let Some(KeySource { path, keys }) = &verdict.keys else {
        return "trust root NONE: without --config or --keys this shows consistency only, NOT that the federation \
                agreed to it"
            .to_owned();
    };
    match keys {
        TrustRoot::Epoch { epoch_public_key, degree } => format!(
            "trust root {epoch_public_key} from {path} (degree {degree}: {} guardians sign together)",
            degree + 1
        ),
        TrustRoot::Session { key_set_tag, guardians, threshold } => format!(
            "trust root {} from {path} ({guardians} guardians, {threshold} sign together)",
            key_set_tag.as_deref().unwrap_or("without a tag")
        ),
    }
}

fn signatures(verdict: &Verdict<'_>, is_epochs: bool) -> String {
    let what = if is_epochs { "epochs    " } else { "signatures" };
    let stored = group_digits(if is_epochs { verdict.epochs } else { verdict.sessions });
    match (&verdict.keys, verdict.unchecked_signatures) {
        (Some(_), 0) if is_epochs => format!(
            "{what} {stored}: {} signed, {} covered by later signatures, {} unsigned at the tip, {} unproven",
            group_digits(verdict.signed),
            group_digits(verdict.covered),
            group_digits(verdict.tip),
            group_digits(verdict.unproven)
        ),
        (Some(_), 0) => format!(
            "{what} {stored} sessions: {} signed by enough guardians, {} not",
            group_digits(verdict.signed),
            group_digits(verdict.unproven)
        ),
        (Some(_), unchecked) if verdict.sample.is_some() => format!(
            "{what} {stored}{}: {} signed, signatures of {} not checked, {} not signed by enough guardians",
            if is_epochs { "" } else { " sessions" },
            group_digits(verdict.signed),
            group_digits(unchecked),
            group_digits(verdict.unproven)
        ),
        (_, unchecked) if is_epochs => {
            format!("{what} {stored}: {} with a signature, none of them checked", group_digits(unchecked))
        }
        (_, unchecked) => {
            format!(
                "{what} {stored} sessions: {} with signatures, none of them checked",
                group_digits(unchecked)
            )
        }
    }
}

/// What the signatures prove, and what they do not; none if there are errors or nothing is signed.
fn proven_scope(verdict: &Verdict<'_>, last_stored: Option<u64>, is_epochs: bool) -> Option<String> {
    let signed = verdict.proven_to.filter(|_| verdict.errors == 0)?;
    let what = if is_epochs { "epoch" } else { "session" };
    let guardians_own = match last_stored.filter(|last| *last > signed).map(|last| (signed + 1, last)) {
        None if verdict.pending > 0 => "the open session and module data are".to_owned(),
        None => "module data is".to_owned(),
        Some((first, last)) if first == last => format!("{what} {} and module data are", group_digits(last)),
        Some((first, last)) => {
            format!("{what}s {} to {} and module data are", group_digits(first), group_digits(last))
        }
    };
    Some(format!("up to {what} {}; {guardians_own} this guardian's own word", group_digits(signed)))
}
