//! The top of the page: the verdict, what it rests on, and its limits.

use fm_cli::{PinnedKeys, group_digits};
use fm_eras::Layout;

use super::collect::Collector;
use super::page::{Page, size};
use crate::ruling::Ruling;
use crate::standing::{signatures, summary};
use crate::verdict::{
    Judgement, KeySource, TrustRoot, open_session, root_standing, sealed, source, trust_root,
};
use crate::verify::Outcome;

/// The number of keys that are listed.
const MOST_KEYS: usize = 64;

/// Writes the verdict and the facts.
pub(super) fn verdict(page: &mut Page, judgement: &Judgement<'_>, outcome: &Outcome, path: &str) {
    let verdict = &judgement.verdict;
    let (class, sign) = match verdict.verdict {
        Ruling::Sound => ("sound", "✓"),
        Ruling::Findings if verdict.errors == 0 => ("warned", "!"),
        Ruling::Findings => ("broken", "✕"),
        Ruling::Empty | Ruling::Partial | Ruling::Sampled | Ruling::Unpinned => ("limited", "?"),
    };
    let text = summary(judgement, outcome);
    let (word, rest) = text.split_at(text.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(text.len()));
    page.open("header", class);
    page.tag("p", "kicker", "Audit of a Fedimint history");
    page.open("h1", "");
    page.tag("span", "sign", sign);
    page.text(word);
    page.close("h1");
    page.tag("p", "lead", rest.trim_start_matches([':', ',', ' ']));
    page.tag("p", "path", path);
    page.close("header");
}

/// Writes what the verdict rests on.
pub(super) fn trust(page: &mut Page, judgement: &Judgement<'_>, keys: Option<&PinnedKeys>) {
    let verdict = &judgement.verdict;
    page.open("section", "trust");
    page.tag("h2", "", "What this rests on");
    let attribution = &verdict.attribution;
    page.open("dl", "");
    let named = [("Federation", attribution.federation()), ("Guardians", attribution.guardians())];
    for (name, value) in named {
        if let Some(value) = value {
            fact(page, name, &value, "wide");
        }
    }
    fact(page, "Checked", &attribution.checked(), "wide");
    if let Some(identity) = attribution.identity {
        fact(page, "Identity of the source", &identity.to_string(), "wide hash");
    }
    page.close("dl");
    let pinned = verdict.keys.as_ref().and_then(|source| Some((source, rests_on(source)?)));
    let is_pinned = pinned.is_some();
    match pinned {
        None => page.tag("p", "root warned", &trust_root(verdict)),
        Some((source, (name, needed))) => {
            page.open("dl", "");
            fact(page, name, source.key_set.as_deref().unwrap_or_default(), "wide hash");
            fact(page, "Taken from", &source.path, "wide");
            fact(page, "What it takes", &needed, "wide");
            page.close("dl");
        }
    }
    let is_unconfirmed = verdict.keys.as_ref().is_some_and(KeySource::is_unconfirmed);
    let words = if is_unconfirmed {
        "These keys lie in the data directory that was audited, and nobody confirmed them: anyone who makes a history can \
         put keys that fit it beside it. Compare them by another way (fm-verify keys), and audit again with --config."
    } else if is_pinned {
        "The reader must know by another way that these are the federation's keys: everything else here follows \
         from them and from the signatures."
    } else {
        "Without keys the records were only compared with each other. Anybody can make records that fit together."
    };
    page.tag("p", "note", words);
    if let Some(keys) = keys.and_then(|keys| keys.session.as_ref()).filter(|_| !judgement.is_epochs) {
        page.tag("h3", "", "The guardians' keys");
        page.open("table", "");
        let compressed = keys.compressed();
        for peer in keys.peers().take(MOST_KEYS) {
            page.open("tr", "");
            page.tag("td", "", &peer.to_string());
            // The form that a configuration has; the oldest keys have no parity.
            let key = compressed.get(&peer).map(|key| key.to_vec());
            let key = key.or_else(|| keys.x_only(peer).map(|key| key.to_vec())).unwrap_or_default();
            let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            page.tag("td", "hash", &key);
            page.close("tr");
        }
        page.close("table");
    }
    page.close("section");
}

/// Returns the name of the keys, and how many guardians sign together; none if the keys were not used.
fn rests_on(source: &KeySource) -> Option<(&'static str, String)> {
    match &source.keys {
        TrustRoot::Epoch { degree, .. } => {
            let needed = format!("{} guardians sign together (degree {degree})", degree + 1);
            Some(("The federation's key", needed))
        }
        TrustRoot::Session { guardians, threshold, .. } => Some((
            "Tag of the guardians' keys",
            format!("{threshold} of {guardians} guardians sign together"),
        )),
        TrustRoot::Unused {} => None,
    }
}

fn fact(page: &mut Page, name: &str, value: &str, class: &str) {
    page.open("div", class);
    page.tag("dt", "", name);
    page.tag("dd", "", value);
    page.close("div");
}

/// Writes the numbers.
pub(super) fn facts(page: &mut Page, judgement: &Judgement<'_>, collector: &Collector) {
    let verdict = &judgement.verdict;
    page.open("section", "facts");
    page.tag("h2", "", "In numbers");
    page.open("dl", "");
    fact(page, "Source", &source(verdict), "");
    let what = if judgement.is_epochs { "Epochs" } else { "Sessions" };
    fact(page, what, &signatures(judgement), "");
    if let Some(last) = verdict.last {
        let sessions = group_digits(verdict.sessions);
        let (last, items) = (group_digits(last), group_digits(verdict.items));
        fact(page, "Under the root", &format!("{sessions} sessions, 0 to {last}, with {items} items"), "");
    }
    if verdict.pending > 0 || verdict.units > 0 {
        fact(page, "Open session", &open_session(verdict), "");
    }
    if collector.bytes > 0 {
        fact(page, "Size", &format!("{} of records", size(collector.bytes)), "");
    }
    if let Some(trust) = verdict.trust_file {
        let (known, now) = (group_digits(trust.trusted), group_digits(trust.remembered));
        fact(
            page,
            "Earlier audit",
            &format!("{known} unchanged since; {now} remembered in {}", trust.path),
            "",
        );
    }
    if let Some(root) = &verdict.history_root {
        let name = "History root: equal roots, equal histories";
        fact(page, name, &format!("{root}{}", root_standing(verdict)), "wide hash");
    }
    page.close("dl");
    page.close("section");
}

/// Writes how an old history and the new one that was made from it are proven.
pub(super) fn migration(page: &mut Page, judgement: &Judgement<'_>, outcome: &Outcome) {
    if outcome.source != "migrated directory" {
        return;
    }
    let verdict = &judgement.verdict;
    let layout = outcome.layout.as_ref().map_or("unknown", Layout::name);
    let rows = [
        ("The old records", format!("{} (layout {layout})", signatures(judgement))),
        (
            "The way from old to new",
            if verdict.errors == 0 {
                "The conversion rule was applied again to every old record, and its result is the new \
                 database, byte for byte."
                    .to_owned()
            } else {
                "Errors were found: the new database is not shown to follow from the old records.".to_owned()
            },
        ),
        (
            "The new sessions",
            sealed(outcome).map_or_else(
                || match outcome.seal.sealed {
                    None => "Nobody checked for signatures of guardians under the new sessions.".to_owned(),
                    Some(_) => "Not signed by the guardians yet; the old signatures certify them.".to_owned(),
                },
                |sealed| format!("Sealed: {sealed}, every signature checked."),
            ),
        ),
    ];
    page.open("section", "proofs");
    page.tag("h2", "", "The old proof and the new one");
    page.open("ol", "");
    for (name, text) in rows {
        page.open("li", "");
        page.tag("strong", "", name);
        page.text(&text);
        page.close("li");
    }
    page.close("ol");
    page.close("section");
}

/// Writes what the page does not prove.
pub(super) fn limits(page: &mut Page, judgement: &Judgement<'_>) {
    page.open("section", "limits");
    page.tag("h2", "", "What this does not say");
    page.open("ul", "");
    let mut limits = vec![
        "That the history ends where this copy of it ends: only other guardians can show that it was cut back.",
        "Anything about the guardian's own records beside the history (module data, the open session): no signature \
         covers them.",
    ];
    if judgement.verdict.range.is_some() {
        limits.push("Anything about the part of the history that was not looked at.");
    }
    if judgement.verdict.sample.is_some() {
        limits.push("That all signatures are good: some, chosen by chance, were checked.");
    }
    if judgement.is_epochs {
        limits
            .push("Which guardians signed an epoch: its signature is made together, and does not show them.");
    }
    limits.into_iter().for_each(|limit| page.tag("li", "", limit));
    page.close("ul");
    page.close("section");
}
