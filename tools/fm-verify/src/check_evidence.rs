//! `check-evidence`: what a file of evidence proves, by the keys alone.

use fm_audit::{CheckedEvidence, Explanation, check_evidence};
use fm_cli::{Exit, Failure, Output, group_digits, read_file};
use fm_history::DiffClass;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::explained::Explained;
use crate::show::trusted;
use crate::view::{modules, peers_text};

/// Largest file that is read: two records of the largest size in hex, and some.
pub(crate) const MAX_BYTES: u64 = 160 << 20;

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    session: Option<u64>,
    class: Option<DiffClass>,
    item: Option<usize>,
    proven: &'a [String],
    reason: Option<String>,
}

pub(crate) fn run(arguments: &CheckArgs) -> Result<Exit, Failure> {
    let keys = arguments.keys.load()?;
    let text = read_file(&arguments.file, MAX_BYTES, "evidence")?;
    let trusted = trusted(keys.as_ref());
    let mut output = Output::default();
    let checked = match check_evidence(&text, trusted) {
        Ok(checked) => checked,
        Err(error) => return refuse(output, arguments, error.to_string()),
    };
    let modules = modules(keys.as_ref());
    let explained = Explained {
        explanation: &checked.explanation,
        layouts: [&checked.layouts[0], &checked.layouts[1]],
        modules: &modules,
        hex: arguments.hex,
    };
    let proven = proven(&checked, &explained);
    let has_keys = checked.layouts.iter().any(|layout| trusted.fingerprint(layout).is_some());
    let (name, exit) = match (has_keys, proven.is_empty()) {
        (false, _) => ("unpinned", Exit::Partial),
        (true, true) => ("unproven", Exit::Partial),
        (true, false) => ("proven", Exit::Done),
    };
    let found = &checked.explanation;
    if arguments.json {
        explained.json(&mut output)?;
        let (class, item, session) = (Some(found.class), found.item, Some(found.index));
        let verdict =
            Verdict { r#type: "verdict", verdict: name, session, class, item, proven: &proven, reason: None };
        output.json(&verdict)?;
    } else {
        print(&mut output, &checked, &explained, &proven, name)?;
    }
    Ok(exit)
}

fn refuse(mut output: Output, arguments: &CheckArgs, reason: String) -> Result<Exit, Failure> {
    if arguments.json {
        output.json(&Verdict {
            r#type: "verdict",
            verdict: "refused",
            session: None,
            class: None,
            item: None,
            proven: &[],
            reason: Some(reason),
        })?;
    } else {
        output.line(&format!("refused    {}: {reason}", arguments.file.display()))?;
        output.line("verdict    REFUSED: the file proves nothing")?;
    }
    Ok(Exit::Findings)
}

fn print(
    output: &mut Output,
    checked: &CheckedEvidence,
    explained: &Explained<'_>,
    proven: &[String],
    name: &str,
) -> Result<(), Failure> {
    for (side, (source, layout)) in
        ["left ", "right"].iter().zip(checked.sources.iter().zip(&checked.layouts))
    {
        output.line(&format!("{side}      called {source:?}, era {} ({})", layout.era(), layout.name()))?;
    }
    explained.print(output)?;
    for statement in proven {
        output.line(&format!("proven     {statement}"))?;
    }
    let is_absent = checked.explanation.left.entry.is_none() || checked.explanation.right.entry.is_none();
    let summary = match name {
        "proven" if is_absent => {
            "PROVEN of the one side; that the other has no such record is nobody's signature".to_owned()
        }
        "proven" => format!("PROVEN: {}", checked.explanation.class),
        "unproven" => {
            "UNPROVEN: consistent in itself, and no signature of enough guardians is behind it".to_owned()
        }
        _ => "UNPINNED: consistent in itself, signatures not checked for want of keys".to_owned(),
    };
    output.line(&format!("verdict    {summary}"))
}

/// What the signatures in the file prove, each as a sentence.
fn proven(checked: &CheckedEvidence, explained: &Explained<'_>) -> Vec<String> {
    let found: &Explanation = &checked.explanation;
    let mut proven = Vec::new();
    let index = group_digits(found.index);
    if found.class == DiffClass::Equivocation {
        proven.push(format!("{}: equivocation", explained.equivocation()));
    }
    for (name, side) in [("left", &found.left), ("right", &found.right)] {
        if side.signers.is_enough != Some(true) {
            continue;
        }
        let by = match &side.signers.valid {
            Some(valid) => peers_text(valid),
            None => "the federation's key".to_owned(),
        };
        proven.push(format!("the {name} {} {index} is signed by {by}: enough", explained.what()));
    }
    if found.change == DiffClass::MerkleMutation && !proven.is_empty() {
        proven.push(
            "both lists have one header: no guardian signed two; of lists with a repeated tail the shorter is the \
             one that servers make"
                .to_owned(),
        );
    }
    proven
}
