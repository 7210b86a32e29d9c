//! The verdict: for programs as the last line of NDJSON, for people as a few lines.

use std::collections::BTreeMap;
use std::path::Path;

use fm_cli::{Exit, Failure, Output, PinnedKeys, StatedBy, group_digits, quoted, root_line};
use fm_eras::Layout;
use fm_units::PastEnd;
use serde::Serialize;

use crate::attribution::Attribution;
use crate::ruling::Ruling;
use crate::scope_args::{Limits, Range, SampleFacts, TrustFacts};
use crate::standing::{last_stored, proven_to, signatures, summary};
use crate::verify::Outcome;

/// The last line of an audit's NDJSON.
#[derive(Serialize)]
pub(crate) struct Verdict<'a> {
    pub(crate) r#type: &'static str,
    pub(crate) verdict: Ruling,
    pub(crate) source: &'static str,
    pub(crate) era: Option<&'static str>,
    pub(crate) layout: Option<&'static str>,
    /// The number of epochs that are stored; none in a history of blocks or sessions.
    pub(crate) epochs: u64,
    pub(crate) signed: u64,
    pub(crate) covered: u64,
    pub(crate) tip: u64,
    pub(crate) unproven: u64,
    pub(crate) unchecked_signatures: u64,
    /// Blocks or sessions by the number of their valid signatures.
    pub(crate) by_signers: &'a BTreeMap<usize, u64>,
    pub(crate) sessions: u64,
    /// Sessions of a migrated directory that a threshold of guardians signed; none if that was not checked.
    pub(crate) sealed: Option<u64>,
    /// Sessions since the conversion, if a guardian continued from it.
    pub(crate) continued: Option<u64>,
    pub(crate) items: u64,
    pub(crate) pending: u64,
    /// The number of units of the session in progress that were checked.
    pub(crate) units: u64,
    /// Those past the end of the session, and their items, which do not count; none if its rounds are not
    /// known.
    pub(crate) past_end: Option<PastEnd>,
    pub(crate) last: Option<u64>,
    pub(crate) proven_to: Option<u64>,
    /// The last epoch or session before the first break; none if the first one is broken, or if an earlier
    /// part was not looked at.
    pub(crate) intact_to: Option<u64>,
    /// The first epoch or session with an error.
    pub(crate) first_break: Option<u64>,
    pub(crate) history_root: Option<String>,
    pub(crate) errors: u64,
    pub(crate) warnings: u64,
    /// Errors and warnings that follow from nothing else.
    pub(crate) causes: u64,
    /// Findings that follow from others.
    pub(crate) consequences: u64,
    /// The number of sessions whose header also fits another list of items.
    pub(crate) ambiguous: u64,
    pub(crate) keys: Option<KeySource>,
    /// The part that was looked at; none for all.
    pub(crate) range: Option<Range>,
    /// The sample whose signatures were checked; none if all were checked.
    pub(crate) sample: Option<&'a SampleFacts>,
    pub(crate) trust_file: Option<&'a TrustFacts>,
    #[serde(flatten)]
    pub(crate) attribution: Attribution,
}

/// Whose keys the signatures were checked with.
#[derive(Serialize)]
pub(crate) struct KeySource {
    pub(crate) path: String,
    /// Whether nobody named the keys: they lie in the data directory that was looked at, and do not prove who
    /// made it.
    pub(crate) found: bool,
    /// How many guardians of a running federation state the keys, if they were not read from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stated: Option<StatedBy>,
    /// The words for people about where the keys are from.
    #[serde(skip)]
    pub(crate) origin: String,
    /// The federation that states the keys, in hex.
    #[serde(skip)]
    pub(crate) federation: Option<String>,
    /// The name of the key set; null if it is not of the kind that signs this history, or if nothing of the
    /// history could be read.
    pub(crate) key_set: Option<String>,
    #[serde(flatten)]
    pub(crate) keys: TrustRoot,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum TrustRoot {
    Epoch {
        epoch_public_key: String,
        degree: usize,
    },
    Session {
        key_set_tag: Option<String>,
        guardians: usize,
        threshold: usize,
    },
    /// Keys were given, but nothing could be checked with them.
    Unused {},
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key_source(keys: &PinnedKeys, is_epochs: bool) -> KeySource {
    let (key_set, root) = match (&keys.epoch, &keys.session) {
        (Some(keys), _) if is_epochs => {
            let root = TrustRoot::Epoch { epoch_public_key: hex(&keys.public_key()), degree: keys.degree() };
            (Some(keys.name()), root)
        }
        (_, Some(keys)) if !is_epochs => {
            let root = TrustRoot::Session {
                key_set_tag: keys.tag().map(|tag| hex(&tag)),
                guardians: keys.guardians(),
                threshold: keys.threshold(),
            };
            (Some(keys.name()), root)
        }
        _ => (None, TrustRoot::Unused {}),
    };
    KeySource {
        path: keys.path.display().to_string(),
        found: keys.is_found,
        stated: keys.stated,
        origin: keys.origin_words(),
        federation: keys.federation().filter(|_| keys.stated.is_some()),
        key_set,
        keys: root,
    }
}

/// The judgement of an outcome, in every form in which it is reported.
pub(crate) struct Judgement<'a> {
    pub(crate) verdict: Verdict<'a>,
    pub(crate) exit: Exit,
    pub(crate) is_epochs: bool,
    /// The number of records to which the counts of signatures refer.
    pub(crate) records: u64,
}

pub(crate) fn judge<'a>(outcome: &'a Outcome, keys: Option<&PinnedKeys>) -> Judgement<'a> {
    let Limits { range, sample, .. } = &outcome.limits;
    let failing = outcome.strict.failing(outcome.tally.errors, outcome.tally.warnings);
    let ruling = match (failing, keys) {
        (0, None) => Ruling::Unpinned,
        (0, Some(keys)) if keys.is_found => Ruling::Unpinned,
        (0, Some(_)) if sample.is_some() => Ruling::Sampled,
        (0, Some(_)) if range.is_some() => Ruling::Partial,
        // An empty history is never sound: a federation in its first session has signed nothing yet.
        (0, Some(_)) if proven_to(outcome).is_none() => Ruling::Empty,
        (0, Some(_)) => Ruling::Sound,
        _ => Ruling::Findings,
    };
    let is_epochs = !matches!(outcome.layout, Some(Layout::Blocks(_)));
    let verdict = verdict(
        ruling,
        outcome,
        keys.map(|keys| key_source(keys, is_epochs)),
        Attribution::new(own_keys(outcome, keys), outcome.identity),
        is_epochs,
    );
    Judgement { verdict, exit: ruling.exit(), is_epochs, records: outcome.audit.chain.records }
}

/// Returns the keys, unless they are another federation's, whose name and guardians do not describe this
/// history.
pub(crate) fn own_keys<'k>(outcome: &Outcome, keys: Option<&'k PinnedKeys>) -> Option<&'k PinnedKeys> {
    keys.filter(|_| !outcome.tally.other_keys)
}

pub(crate) fn conclude(
    outcome: &Outcome,
    keys: Option<&PinnedKeys>,
    json: bool,
    mut output: Output,
) -> Result<Exit, Failure> {
    let judgement = judge(outcome, keys);
    if json {
        output.json(&judgement.verdict)?;
    } else {
        print(&mut output, &judgement, outcome)?;
    }
    Ok(judgement.exit)
}

fn verdict<'a>(
    ruling: Ruling,
    outcome: &'a Outcome,
    keys: Option<KeySource>,
    attribution: Attribution,
    is_epochs: bool,
) -> Verdict<'a> {
    let chain = &outcome.audit.chain;
    let Limits { range, sample, trust } = &outcome.limits;
    // Sessions do not cover each other, and nothing covers what was not looked at.
    let is_confirmed = keys.as_ref().is_some_and(|keys| !keys.found);
    let is_from_start = range.is_none_or(|range| range.from == 0);
    let is_gapless = is_from_start && (is_epochs || sample.is_none());
    let continued = outcome.continued.as_ref();
    // The sessions since the conversion belong to the same history: one root over all of them.
    let anchor = continued.map_or(&outcome.audit, |continued| continued).proven.as_ref();
    let sessions = if is_epochs || continued.is_some() {
        anchor.map_or(0, |anchor| anchor.sessions)
    } else {
        chain.records
    };
    Verdict {
        r#type: "verdict",
        verdict: ruling,
        source: outcome.source,
        era: outcome.layout.map(|layout| layout.era().as_str()),
        layout: outcome.layout.map(|layout| layout.name()),
        epochs: if is_epochs { chain.records } else { 0 },
        signed: chain.signed,
        covered: chain.covered,
        tip: chain.tip,
        unproven: chain.unproven,
        unchecked_signatures: chain.unchecked,
        by_signers: &outcome.audit.by_signers,
        sessions,
        sealed: outcome.seal.sealed,
        items: anchor.map_or(0, |anchor| anchor.items),
        continued: continued_sessions(outcome),
        pending: continued.unwrap_or(&outcome.audit).pending,
        units: outcome.units.units,
        past_end: outcome.units.past_end,
        last: anchor.map(|anchor| anchor.last),
        proven_to: proven_to(outcome).filter(|_| is_gapless && is_confirmed),
        intact_to: outcome.tally.intact_to(last_stored(outcome)).filter(|_| is_from_start),
        first_break: outcome.tally.first_break,
        history_root: anchor.map(|anchor| anchor.history_root.to_string()),
        errors: outcome.tally.errors,
        warnings: outcome.tally.warnings,
        causes: outcome.tally.errors + outcome.tally.warnings,
        consequences: outcome.tally.consequences,
        ambiguous: outcome.tally.ambiguous,
        keys,
        range: *range,
        sample: sample.as_ref(),
        trust_file: trust.as_ref(),
        attribution,
    }
}

/// Returns the number of sessions since the conversion.
pub(crate) fn continued_sessions(outcome: &Outcome) -> Option<u64> {
    let converted = outcome.audit.proven.as_ref().map_or(0, |anchor| anchor.sessions);
    outcome.continued.as_ref().map(|continued| continued.chain.records.saturating_sub(converted))
}

fn print(output: &mut Output, judgement: &Judgement<'_>, outcome: &Outcome) -> Result<(), Failure> {
    let Judgement { verdict, is_epochs, .. } = judgement;
    verdict.attribution.print(output)?;
    output.line(&format!("trust root {}", trust_root(verdict)))?;
    if let Some(keys) = verdict.keys.as_ref().filter(|keys| keys.is_unconfirmed()) {
        output.line(&format!("           {}", how_to_confirm(keys)))?;
    }
    output.line(&format!("source     {}", source(verdict)))?;
    let what = if *is_epochs { "epochs    " } else { "signatures" };
    output.line(&format!("{what} {}", signatures(judgement)))?;
    if let (Some(last), Some(root)) = (verdict.last, &verdict.history_root) {
        output.line(&format!(
            "sessions   {} (0 to {}), {} items",
            group_digits(verdict.sessions),
            group_digits(last),
            group_digits(verdict.items)
        ))?;
        print_open(output, verdict)?;
        output.line(&format!("{}{}", root_line(root, last), root_standing(verdict)))?;
    } else {
        print_open(output, verdict)?;
        if judgement.records > 0 {
            output.line("root       none: it is that of a whole history, and part of this one is missing or cannot be read")?;
        }
    }
    if let Some(identity) = verdict.attribution.identity {
        output.line(&format!("identity   {identity}"))?;
    }
    if let Some(sealed) = sealed(outcome) {
        output.line(&format!("sealed     {sealed}"))?;
    }
    if let Some(continued) = verdict.continued {
        let (of, all) = (outcome.seal.threshold, outcome.seal.guardians);
        let count = group_digits(continued);
        output.line(&format!(
            "continued  {count} sessions since the conversion, each signed by {of} of {all} guardians"
        ))?;
    }
    if let Some(trust) = verdict.trust_file {
        output.line(&trust_line(trust, verdict.errors, *is_epochs))?;
    }
    output.line(&format!("verdict    {}", summary(judgement, outcome)))
}

fn print_open(output: &mut Output, verdict: &Verdict<'_>) -> Result<(), Failure> {
    if verdict.pending == 0 && verdict.units == 0 {
        return Ok(());
    }
    output.line(&format!("open       {}", open_session(verdict)))
}

/// Describes the session in progress.
pub(crate) fn open_session(verdict: &Verdict<'_>) -> String {
    let pending = group_digits(verdict.pending);
    let units = match verdict.units {
        0 => String::new(),
        1 => "; 1 unit checked".to_owned(),
        units => format!("; {} units checked", group_digits(units)),
    };
    let past_end = match verdict.past_end {
        Some(past) if past.units > 0 => format!(
            ", {} of them past the end of the session at round {}: their {} items do not count",
            group_digits(past.units),
            group_digits(past.rounds.into()),
            group_digits(past.items)
        ),
        _ => String::new(),
    };
    format!("{pending} accepted items, not signed yet{units}{past_end}")
}

/// Describes what was looked at.
pub(crate) fn source(verdict: &Verdict<'_>) -> String {
    format!(
        "{}, era {} ({})",
        verdict.source,
        verdict.era.unwrap_or("unknown"),
        verdict.layout.unwrap_or("nothing of it can be read")
    )
}

/// Returns the words that follow a history root that is less than proven.
pub(crate) fn root_standing(verdict: &Verdict<'_>) -> &'static str {
    match verdict.sample {
        Some(_) => " (SAMPLED, not proven)",
        None if verdict.errors == 0 && verdict.proven_to.is_some() => "",
        None => " (NOT PROVEN)",
    }
}

/// Says how the new signatures of a migrated directory were judged, if there are any.
pub(crate) fn sealed(outcome: &Outcome) -> Option<String> {
    let seal = outcome.seal;
    seal.sealed.filter(|sealed| *sealed > 0).map(|sealed| {
        let sessions = match outcome.audit.proven.as_ref().map(|anchor| anchor.sessions) {
            Some(all) if all > sealed => format!("{} of {}", group_digits(sealed), group_digits(all)),
            _ => group_digits(sealed),
        };
        format!("{sessions} sessions, each signed by {} of {} guardians", seal.threshold, seal.guardians)
    })
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

pub(crate) fn trust_root(verdict: &Verdict<'_>) -> String {
    let Some(source) = &verdict.keys else {
        return "NONE: without --config or --keys this shows consistency only, NOT that the federation \
                agreed to it"
            .to_owned();
    };
    let path = &source.path;
    let found = &source.origin;
    match &source.keys {
        TrustRoot::Epoch { epoch_public_key, degree } => format!(
            "{epoch_public_key} from {path} (degree {degree}: {} guardians sign together){found}",
            degree + 1
        ),
        TrustRoot::Session { guardians, threshold, .. } => format!(
            "{} from {path} ({guardians} guardians, {threshold} sign together){found}",
            source.key_set.as_deref().unwrap_or_default()
        ),
        TrustRoot::Unused {} if source.found => {
            format!("NOT USED: {path}, found in the data directory, has no keys that sign what was looked at")
        }
        TrustRoot::Unused {} => {
            format!("NOT USED: {path} was given, and there was nothing that its keys could be tried on")
        }
    }
}

/// Says how a user confirms keys that nobody named.
fn how_to_confirm(keys: &KeySource) -> String {
    match (keys.stated, &keys.federation) {
        (None, _) => {
            let path = quoted(Path::new(&keys.path));
            format!("compare it by `fm-verify keys {path}`, then audit with --config {path}")
        }
        (Some(_), Some(id)) => format!(
            "audit with a guardian's --config; or compare the id with others, then audit with --federation-id {id}"
        ),
        (Some(_), None) => "audit with a guardian's --config or --keys".to_owned(),
    }
}

impl KeySource {
    /// Checks whether signatures were checked with keys that nobody confirmed.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.found && !matches!(self.keys, TrustRoot::Unused {})
    }
}
