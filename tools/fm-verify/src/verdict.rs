//! The verdict: for programs as the last line of NDJSON, for people as a few lines.

use fm_cli::{Exit, Failure, Output, PinnedKeys, group_digits};
use fm_eras::Detected;
use serde::Serialize;

use crate::verify::Outcome;

#[derive(Serialize)]
struct Verdict {
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
    let (name, exit) = match (outcome.errors + outcome.warnings, keys) {
        (0, Some(_)) => ("sound", Exit::Done),
        (0, None) => ("unpinned", Exit::Partial),
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

fn verdict(name: &'static str, outcome: &Outcome, keys: Option<KeySource>, is_epochs: bool) -> Verdict {
    let chain = &outcome.audit.chain;
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
        proven_to: chain.last_signed,
        history_root: anchor.map(|anchor| anchor.history_root.to_string()),
        errors: outcome.errors,
        warnings: outcome.warnings,
        keys,
    }
}

fn print(output: &mut Output, verdict: &Verdict, outcome: &Outcome, is_epochs: bool) -> Result<(), Failure> {
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
        let proven = if is_proven { "" } else { " (NOT PROVEN)" };
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
    let scope = proven_scope(verdict, outcome.audit.chain.last, is_epochs);
    let summary = match verdict.verdict {
        "sound" => format!("SOUND {}", scope.unwrap_or_default()),
        "unpinned" => "UNPINNED: consistent in itself, signatures not checked for want of keys".to_owned(),
        _ => {
            let scope = scope.map(|scope| format!("; proven {scope}")).unwrap_or_default();
            format!("FINDINGS: {} error(s), {} warning(s){scope}", verdict.errors, verdict.warnings)
        }
    };
    output.line(&format!("verdict    {summary}"))
}

fn trust_root(verdict: &Verdict) -> String {
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

fn signatures(verdict: &Verdict, is_epochs: bool) -> String {
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
fn proven_scope(verdict: &Verdict, last_stored: Option<u64>, is_epochs: bool) -> Option<String> {
    let signed = verdict.proven_to.filter(|_| verdict.errors == 0)?;
    let what = if is_epochs { "epoch" } else { "session" };
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
