//! `diff`: the first session and item at which two histories diverge, and why; whether one is a prefix of the
//! other.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use fm_audit::{AuditError, Control, KeyStanding, Origin, Source, TrustedKeys};
use fm_cli::{
    Exit, Failure, FindingPrinter, NamedKeys, Output, PinnedKeys, TerminalProgress, check_target,
    group_digits, interrupt_flag, is_federation, root_line, trust_root_line, trusted,
};
use fm_eras::Layout;
use fm_evidence::{
    CompareForm, Comparison, Explanation, Pair, compare_histories, compare_histories_after, evidence, explain,
};
use fm_history::{DiffClass, Hash, HistoryRoot};
use serde::Serialize;

use crate::args::DiffArgs;
use crate::explained::Explained;
use crate::opened::{Live, Opening};
use crate::show_converted::Converted;
use crate::view::modules;

#[derive(Serialize)]
struct Verdict {
    r#type: &'static str,
    verdict: &'static str,
    /// The first session that differs; of equal histories, the first with other signatures.
    session: Option<u64>,
    item: Option<usize>,
    class: Option<DiffClass>,
    by_rule: bool,
    equal: u64,
    last_equal: Option<u64>,
    history_root: Option<Hash>,
    other_signatures: u64,
    /// The number of sessions, from the first, that were not read: both guardians state the same history root after
    /// them.
    equal_as_stated: u64,
    /// The side that is a prefix of the other.
    shorter: Option<&'static str>,
    /// How the keys relate to each side.
    left_keys: KeyStanding,
    right_keys: KeyStanding,
    keys: Option<NamedKeys>,
    evidence: Option<String>,
}

/// The result of a comparison.
struct Found {
    comparison: Comparison,
    /// The number of sessions that are equal by the roots that both guardians state, and were not read.
    as_stated: u64,
    form: CompareForm,
    explanation: Option<Explanation>,
    /// How the keys relate to the left and the right history.
    standing: [KeyStanding; 2],
    /// What the sessions of each side were made from, if the side is a migrated directory.
    converted: [Option<Converted>; 2],
}

impl Found {
    /// Checks whether one history is a prefix of the other: they agree as far as both reach.
    fn is_one_history(&self) -> bool {
        self.comparison.parted.is_none() || self.is_shorter()
    }

    fn is_shorter(&self) -> bool {
        self.explanation.as_ref().is_some_and(|found| found.class == DiffClass::Shorter)
    }

    /// Returns the side that ends first, and the other one.
    fn ends(&self) -> Option<[&'static str; 2]> {
        let parted = self.comparison.parted.as_ref().filter(|_| self.is_shorter())?;
        Some(if parted.left.is_none() { ["left", "right"] } else { ["right", "left"] })
    }
}

pub(crate) fn run(arguments: &DiffArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let begin = |side| Opening::begin(side, &arguments.keys, &arguments.federation);
    let left = begin(&arguments.left)?;
    // The configuration beside the second side is of no interest if the first one has keys.
    let right = match left.keys.is_some() && !is_federation(&arguments.right) {
        true => Opening::without_keys(),
        false => begin(&arguments.right)?,
    };
    if let Some(target) = &arguments.evidence {
        check_file(target, &[&arguments.left, &arguments.right])?;
    }
    let known = match (left.live(), right.live()) {
        (Some(left), Some(right)) if !arguments.all_sessions => common_root(&left, &right)?,
        _ => None,
    };
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let (left, keys) = left.source(&arguments.left, layout, control)?;
    let (right, other_keys) = right.source(&arguments.right, layout, control)?;
    let keys = keys.or(other_keys);
    let mut printer = FindingPrinter::new(arguments.json);
    [&left, &right].into_iter().for_each(|source| tell_losses(source, &mut printer));
    let (sides, keys) = sides(&left, &right, keys)?;
    let found = compare(known, sides, keys.as_ref(), control)
        .map_err(Failure::from)
        .and_then(|found| with_originals(found, [&left, &right], keys.as_ref(), control));
    drop(progress);
    let output = printer.finish()?;
    report(arguments, output, [&sides[0].layout, &sides[1].layout], &found?, keys.as_ref())
}

/// Returns the root after the sessions that two guardians state to be equal, if both state roots.
fn common_root(left: &Live, right: &Live) -> Result<Option<HistoryRoot>, Failure> {
    left.history.last_common_root(&right.history).map_err(|error| {
        Failure::from_error(Exit::CannotLook, &error)
            .hint("--all-sessions compares the guardians without the roots that they state")
    })
}

fn compare(
    known: Option<HistoryRoot>,
    sides: [Origin<'_>; 2],
    keys: Option<&PinnedKeys>,
    control: Control<'_>,
) -> Result<Found, AuditError> {
    let trusted = trusted(keys);
    let mut as_stated = 0;
    let after = known.map(|known| {
        as_stated = known.sessions();
        compare_histories_after(known, sides[0], sides[1], control)
    });
    let (comparison, form) = match after.transpose()? {
        Some((comparison, form)) if comparison.equal == as_stated => (comparison, form),
        // The next sessions are equal, and the stated roots are not: one of them is wrong.
        _ => {
            as_stated = 0;
            compare_histories(sides[0], sides[1], control)?
        }
    };
    let pair = comparison.parted.as_ref().or(comparison.first_other_signatures.as_ref());
    let mut explanation = pair.and_then(|pair| explain(pair, &sides[0].layout, &sides[1].layout, trusted));
    let mut standing = sides.map(|side| trusted.standing(&side.layout));
    for (standing, side) in standing.iter_mut().zip(&sides) {
        // This holds for equal histories, too: the verdict names the keys, and must not seem to rest on
        // another federation's.
        if *standing == KeyStanding::Given && side.has_other_keys(trusted, control)? {
            *standing = KeyStanding::Other;
        }
    }
    if let Some(found) = &mut explanation {
        for (side, standing) in [&mut found.left, &mut found.right].into_iter().zip(standing) {
            if standing == KeyStanding::Other && side.signers.none_verifies() {
                side.signers.keys = standing;
            }
        }
    }
    Ok(Found { comparison, as_stated, form, explanation, standing, converted: [None, None] })
}

/// Looks up the originals of the sessions that differ: before sealing, only these are signed.
fn with_originals(
    mut found: Found,
    sources: [&Source; 2],
    keys: Option<&PinnedKeys>,
    control: Control<'_>,
) -> Result<Found, Failure> {
    let Some(explanation) = &found.explanation else { return Ok(found) };
    let sides = [&explanation.left, &explanation.right];
    for ((converted, side), source) in found.converted.iter_mut().zip(sides).zip(sources) {
        if let Some(Ok(entry)) = &side.entry {
            *converted = Converted::of(source, entry, trusted(keys), control)?;
        }
    }
    Ok(found)
}

/// Reports what a database lost, which may be all that it differs in.
fn tell_losses(source: &Source, printer: &mut FindingPrinter) {
    source.lacks().iter().for_each(|finding| printer.print(finding));
}

/// Returns the histories to compare: the new sessions of two migrated directories, or of one and another
/// source. Returns the keys as well, unless they were found (not named) and are of neither side's kind.
fn sides<'a>(
    left: &'a Source,
    right: &'a Source,
    keys: Option<PinnedKeys>,
) -> Result<([Origin<'a>; 2], Option<PinnedKeys>), Failure> {
    let sides = [left.history(), right.history()];
    let Some(keys) = keys else { return Ok((sides, None)) };
    // Sealed sessions and old epochs have different keys.
    let fit = |side: &Origin<'_>| keys.of_history(&side.layout).map(drop);
    match fit(&sides[0]).or_else(|failure| fit(&sides[1]).map_err(|_| failure)) {
        Ok(()) => Ok((sides, Some(keys))),
        Err(_) if keys.is_found => Ok((sides, None)),
        // Keys that the user named and that fit neither side are a mistake.
        Err(failure) => Err(failure),
    }
}

fn report(
    arguments: &DiffArgs,
    mut output: Output,
    layouts: [&Layout; 2],
    found: &Found,
    keys: Option<&PinnedKeys>,
) -> Result<Exit, Failure> {
    let comparison = &found.comparison;
    let pair = comparison.parted.as_ref().or(comparison.first_other_signatures.as_ref());
    let modules = modules(keys, found.standing.iter().all(|standing| *standing == KeyStanding::Other));
    let explained = found.explanation.as_ref().map(|explanation| Explained {
        explanation,
        layouts,
        converted: found.converted.each_ref().map(Option::as_ref),
        modules: &modules,
        hex: arguments.hex,
    });
    if !arguments.json {
        print_sides(&mut output, arguments, layouts, keys, found)?;
        print_equal(&mut output, found)?;
    }
    if let Some(explained) = &explained {
        if arguments.json { explained.json(&mut output)? } else { explained.print(&mut output)? }
    }
    let written = match (&arguments.evidence, pair, &explained) {
        (Some(target), Some(pair), Some(explained)) => {
            write_evidence(target, arguments, pair, explained, trusted(keys))?;
            Some(target.display().to_string())
        }
        _ => None,
    };
    let verdict = verdict(found, NamedKeys::of(keys, layouts), written);
    if arguments.json {
        output.json(&verdict)?;
    } else {
        if let Some(file) = &verdict.evidence {
            output.line(&format!("evidence   {file}"))?;
        }
        output.line(&format!("verdict    {}", summary(found, explained.as_ref())))?;
    }
    Ok(if found.is_one_history() { Exit::Done } else { Exit::Findings })
}

/// Refuses, before any work, a target that exists or lies inside a source.
pub(crate) fn check_file(target: &Path, sources: &[&Path]) -> Result<(), Failure> {
    sources.iter().try_for_each(|source| check_target(target, source))?;
    if target.symlink_metadata().is_ok() {
        let message = format!("{} exists already", target.display());
        return Err(Failure::new(Exit::Usage, message).hint("choose a file that does not exist"));
    }
    Ok(())
}

/// Writes a whole file, or leaves no file.
pub(crate) fn write_file(target: &Path, text: &str) -> Result<(), Failure> {
    let write = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    File::create_new(target)
        .and_then(|file| {
            write(file).inspect_err(|_| {
                // This program made the file, and it is not whole.
                let _ = std::fs::remove_file(target);
            })
        })
        .map_err(|error| Failure::file("write", target, &error))
}

fn write_evidence(
    target: &Path,
    arguments: &DiffArgs,
    pair: &Pair,
    explained: &Explained<'_>,
    keys: TrustedKeys<'_>,
) -> Result<(), Failure> {
    let names = [&arguments.left, &arguments.right].map(|path| path.display().to_string());
    let sources = [names[0].as_str(), names[1].as_str()];
    write_file(target, &evidence(pair, explained.explanation, sources, explained.layouts, keys))
}

fn print_sides(
    output: &mut Output,
    arguments: &DiffArgs,
    layouts: [&Layout; 2],
    keys: Option<&PinnedKeys>,
    found: &Found,
) -> Result<(), Failure> {
    output.line(&trust_root_line(keys, layouts))?;
    let sides = [("left ", &arguments.left, layouts[0]), ("right", &arguments.right, layouts[1])];
    for (name, path, layout) in sides {
        output.line(&format!("{name}      {}, era {} ({})", path.display(), layout.era(), layout.name()))?;
    }
    if let Some(words) = other_keys(found.standing) {
        output.line(&format!("other keys {words}"))?;
    }
    match found.form {
        CompareForm::Stored => Ok(()),
        CompareForm::Ruled => {
            output.line("compared   as the sessions that the conversion rule makes of them")
        }
    }
}

/// Says which side is not signed with the given keys.
fn other_keys(standing: [KeyStanding; 2]) -> Option<&'static str> {
    let words = match standing.map(|standing| standing == KeyStanding::Other) {
        [false, false] => return None,
        [true, true] => {
            "neither side is signed with these keys: they are another federation's, and verify nothing here"
        }
        [true, false] => "the left side is not signed with these keys: it is of another federation",
        [false, true] => "the right side is not signed with these keys: it is of another federation",
    };
    Some(words)
}

fn print_equal(output: &mut Output, found: &Found) -> Result<(), Failure> {
    let comparison = &found.comparison;
    let Some(end) = comparison.last_equal else {
        return output.line("equal      nothing");
    };
    let (count, last) = (group_digits(comparison.equal), group_digits(end));
    output.line(&format!("equal      {count} (up to {last})"))?;
    if let Some(root) = comparison.root {
        output.line(&root_line(root, end))?;
    }
    if found.as_stated > 0 {
        let count = group_digits(found.as_stated);
        output.line(&format!(
            "as stated  the first {count} were not read: both guardians state this root (--all-sessions reads them)"
        ))?;
    }
    if comparison.other_signatures > 0 {
        let count = group_digits(comparison.other_signatures);
        output.line(&format!("signatures {count} of them carry other signatures here and there"))?;
    }
    Ok(())
}

fn verdict(found: &Found, keys: Option<NamedKeys>, evidence: Option<String>) -> Verdict {
    let (comparison, explanation) = (&found.comparison, found.explanation.as_ref());
    Verdict {
        r#type: "verdict",
        verdict: if found.is_one_history() { "equal" } else { "different" },
        session: explanation.map(|explanation| explanation.index),
        item: explanation.and_then(|explanation| explanation.item),
        class: explanation.map(|explanation| explanation.class),
        by_rule: found.form == CompareForm::Ruled,
        equal: comparison.equal,
        last_equal: comparison.last_equal,
        history_root: comparison.root,
        other_signatures: comparison.other_signatures,
        equal_as_stated: found.as_stated,
        shorter: found.ends().map(|[shorter, _]| shorter),
        left_keys: found.standing[0],
        right_keys: found.standing[1],
        keys,
        evidence,
    }
}

fn summary(found: &Found, explained: Option<&Explained<'_>>) -> String {
    let Some(explained) = explained.filter(|_| found.comparison.parted.is_some()) else {
        return if found.comparison.parted.is_none() { "EQUAL" } else { "DIFFERENT" }.to_owned();
    };
    let (what, index) = (explained.what(), group_digits(explained.explanation.index));
    match (found.ends(), found.comparison.last_equal) {
        (Some([shorter, longer]), Some(last)) => format!(
            "EQUAL up to {what} {}, where the {shorter} side ends; the {longer} side continues with {what} {index}",
            group_digits(last)
        ),
        (Some([shorter, longer]), None) => {
            format!(
                "EQUAL as far as both go: the {shorter} side is empty; the {longer} side begins with {what} {index}"
            )
        }
        (None, _) => {
            let federations = match found.standing {
                [KeyStanding::Given, KeyStanding::Other] | [KeyStanding::Other, KeyStanding::Given] => {
                    "; they are the histories of two federations"
                }
                _ => "",
            };
            format!("DIFFERENT at {what} {index}: {}{federations}", explained.explanation.class)
        }
    }
}
