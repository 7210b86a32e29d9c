//! `diff`: the first session and item at which two histories part, and why.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use fm_audit::{
    CompareForm, Comparison, Control, Pair, Source, StoredHistory, TrustedKeys, compare_histories, evidence,
    explain, open_source,
};
use fm_cli::{
    Exit, Failure, FindingPrinter, Output, PinnedKeys, TerminalProgress, check_target, group_digits,
    interrupt_flag,
};
use fm_eras::Detected;
use fm_history::{DiffClass, Hash};
use serde::Serialize;

use crate::args::DiffArgs;
use crate::explained::Explained;
use crate::show::trusted;
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
    evidence: Option<String>,
}

pub(crate) fn run(arguments: &DiffArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let keys = arguments.keys.load()?;
    if let Some(target) = &arguments.evidence {
        check_file(target, &[&arguments.left, &arguments.right])?;
    }
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = Control { progress: &progress, interrupted: &flag };
    let left = open_source(&arguments.left, layout, control)?;
    let right = open_source(&arguments.right, layout, control)?;
    let mut printer = FindingPrinter::new(arguments.json);
    [&left, &right].into_iter().for_each(|source| tell_losses(source, &mut printer));
    let [left, right] = sides(&left, &right, keys.as_ref())?;
    let compared = compare_histories(left, right, control);
    drop(progress);
    let output = printer.finish()?;
    let (comparison, form) = compared?;
    report(arguments, output, [left, right], &comparison, form, keys.as_ref())
}

/// What a database lost may be all that it differs in.
fn tell_losses(source: &Source, printer: &mut FindingPrinter) {
    source.lacks().iter().for_each(|finding| printer.print(finding));
}

/// The histories to compare: of two migrated directories, or of one and another source, the sessions of today.
fn sides<'a>(
    left: &'a Source,
    right: &'a Source,
    keys: Option<&PinnedKeys>,
) -> Result<[StoredHistory<'a>; 2], Failure> {
    let sides = [left.history(), right.history()];
    if let Some(keys) = keys {
        // Keys of neither side are a mistake; sealed sessions and old epochs have different ones.
        let of_left = keys.of_history(&sides[0].layout).map(drop);
        of_left.or_else(|failure| keys.of_history(&sides[1].layout).map(drop).map_err(|_| failure))?;
    }
    Ok(sides)
}

fn report(
    arguments: &DiffArgs,
    mut output: Output,
    sides: [StoredHistory<'_>; 2],
    comparison: &Comparison,
    form: CompareForm,
    keys: Option<&PinnedKeys>,
) -> Result<Exit, Failure> {
    let trusted = trusted(keys);
    let layouts = [&sides[0].layout, &sides[1].layout];
    let pair = comparison.parted.as_ref().or(comparison.first_other_signatures.as_ref());
    let explanation = pair.and_then(|pair| explain(pair, layouts[0], layouts[1], trusted));
    let modules = modules(keys);
    let explained = explanation.as_ref().map(|explanation| Explained {
        explanation,
        layouts,
        modules: &modules,
        hex: arguments.hex,
    });
    if !arguments.json {
        print_sides(&mut output, arguments, layouts, keys, form)?;
        print_equal(&mut output, comparison)?;
    }
    if let Some(explained) = &explained {
        if arguments.json { explained.json(&mut output)? } else { explained.print(&mut output)? }
    }
    let written = match (&arguments.evidence, pair, &explained) {
        (Some(target), Some(pair), Some(explained)) => {
            write_evidence(target, arguments, pair, explained, trusted)?;
            Some(target.display().to_string())
        }
        _ => None,
    };
    conclude(output, arguments.json, comparison, explained.as_ref(), form, written)
}

/// Refuses a target that is in the way or inside a source before any work is done.
pub(crate) fn check_file(target: &Path, sources: &[&Path]) -> Result<(), Failure> {
    sources.iter().try_for_each(|source| check_target(target, source))?;
    if target.symlink_metadata().is_ok() {
        let message = format!("{} exists already", target.display());
        return Err(Failure::new(Exit::Usage, message).hint("choose a file that does not exist"));
    }
    Ok(())
}

/// Writes a file whole, or leaves none.
pub(crate) fn write_file(target: &Path, text: &str) -> Result<(), Failure> {
    let write = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    File::create_new(target)
        .and_then(|file| {
            write(file).inspect_err(|_| {
                // It is ours, and not whole.
                let _ = std::fs::remove_file(target);
            })
        })
        .map_err(|error| {
            let is_full = error.kind() == std::io::ErrorKind::StorageFull;
            let exit = if is_full { Exit::OutOfSpace } else { Exit::CannotLook };
            Failure::new(exit, format!("cannot write {}: {error}", target.display()))
        })
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
    layouts: [&Detected; 2],
    keys: Option<&PinnedKeys>,
    form: CompareForm,
) -> Result<(), Failure> {
    match keys {
        Some(keys) => output.line(&format!("keys       {}", keys.path.display()))?,
        None => output.line("keys       NONE: without --config or --keys no signature is checked")?,
    }
    let sides = [("left ", &arguments.left, layouts[0]), ("right", &arguments.right, layouts[1])];
    for (name, path, layout) in sides {
        output.line(&format!("{name}      {}, era {} ({})", path.display(), layout.era(), layout.name()))?;
    }
    match form {
        CompareForm::Stored => Ok(()),
        CompareForm::Ruled => {
            output.line("compared   as the sessions that the conversion rule makes of them")
        }
    }
}

fn print_equal(output: &mut Output, comparison: &Comparison) -> Result<(), Failure> {
    let Some(last) = comparison.last_equal else {
        return output.line("equal      nothing");
    };
    let (count, last) = (group_digits(comparison.equal), group_digits(last));
    output.line(&format!("equal      {count} (up to {last})"))?;
    if let Some(root) = comparison.root {
        output.line(&format!("root       {root} (up to {last})"))?;
    }
    if comparison.other_signatures > 0 {
        let count = group_digits(comparison.other_signatures);
        output.line(&format!("signatures {count} of them carry other signatures here and there"))?;
    }
    Ok(())
}

fn conclude(
    mut output: Output,
    json: bool,
    comparison: &Comparison,
    explained: Option<&Explained<'_>>,
    form: CompareForm,
    evidence: Option<String>,
) -> Result<Exit, Failure> {
    let is_equal = comparison.parted.is_none();
    let found = explained.map(|explained| explained.explanation);
    let verdict = Verdict {
        r#type: "verdict",
        verdict: if is_equal { "equal" } else { "different" },
        session: found.map(|found| found.index),
        item: found.and_then(|found| found.item),
        class: found.map(|found| found.class),
        by_rule: form == CompareForm::Ruled,
        equal: comparison.equal,
        last_equal: comparison.last_equal,
        history_root: comparison.root,
        other_signatures: comparison.other_signatures,
        evidence,
    };
    if json {
        output.json(&verdict)?;
    } else {
        if let Some(file) = &verdict.evidence {
            output.line(&format!("evidence   {file}"))?;
        }
        let summary = match (is_equal, explained) {
            (false, Some(explained)) => {
                let found = explained.explanation;
                format!("DIFFERENT at {} {}: {}", explained.what(), group_digits(found.index), found.class)
            }
            (false, None) => "DIFFERENT".to_owned(),
            (true, _) => "EQUAL".to_owned(),
        };
        output.line(&format!("verdict    {summary}"))?;
    }
    Ok(if is_equal { Exit::Done } else { Exit::Findings })
}
