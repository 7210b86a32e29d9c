//! `check-evidence`: what a file of evidence proves, and of which side, by the keys alone.

use fm_audit::KeyStanding;
use fm_cli::{
    Exit, Failure, NamedKeys, Output, PinnedKeys, group_digits, read_file, trust_root_line, trusted,
};
use fm_evidence::{CheckedEvidence, Explanation, check_evidence};
use fm_history::DiffClass;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::explained::Explained;
use crate::view::{in_quotes, modules, peers_text};

/// The largest file that is read: two records of the largest size in hex, and some more.
pub(crate) const MAX_BYTES: u64 = 160 << 20;

/// The names of the sides.
const SIDES: [&str; 2] = ["left", "right"];

#[derive(Serialize)]
struct Verdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    session: Option<u64>,
    class: Option<DiffClass>,
    /// The class, if signatures prove it.
    proven_class: Option<DiffClass>,
    /// The sides that enough guardians signed.
    proven_sides: Vec<&'static str>,
    item: Option<usize>,
    proven: &'a [String],
    keys: Option<NamedKeys>,
    reason: Option<String>,
}

pub(crate) fn run(arguments: &CheckArgs) -> Result<Exit, Failure> {
    let keys = arguments.keys.load()?;
    let text = read_file(&arguments.file, MAX_BYTES, "a file of evidence")?;
    let mut output = Output::default();
    let checked = match check_evidence(&text, trusted(keys.as_ref())) {
        Ok(checked) => checked,
        Err(error) => return refuse(output, arguments, error.to_string()),
    };
    let sides = [&checked.explanation.left, &checked.explanation.right];
    let modules = modules(keys.as_ref(), sides.iter().all(|side| side.signers.none_verifies()));
    let layouts = [&checked.layouts[0], &checked.layouts[1]];
    let explained = Explained {
        explanation: &checked.explanation,
        layouts,
        converted: [None, None],
        modules: &modules,
        hex: arguments.hex,
    };
    let proven = proven(&checked, &explained);
    let (name, exit) = judge(&checked);
    let found = &checked.explanation;
    if arguments.json {
        explained.json(&mut output)?;
        output.json(&Verdict {
            r#type: "verdict",
            verdict: name,
            session: Some(found.index),
            class: Some(found.class),
            proven_class: checked.proven_class(),
            proven_sides: proven_sides(&checked),
            item: found.item,
            proven: &proven,
            keys: NamedKeys::of(keys.as_ref(), layouts),
            reason: None,
        })?;
    } else {
        print(&mut output, &checked, &explained, &proven, keys.as_ref())?;
        output.line(&format!("verdict    {}", summary(name, &checked, &explained, keys.as_ref())))?;
    }
    Ok(exit)
}

/// Returns the verdict; it is about the class only if both sides are proven.
fn judge(checked: &CheckedEvidence) -> (&'static str, Exit) {
    let found = &checked.explanation;
    let has_keys =
        [&found.left, &found.right].into_iter().any(|side| side.signers.keys == KeyStanding::Given);
    match (has_keys, checked.proven_class(), checked.proven_sides()) {
        (false, ..) => ("unpinned", Exit::Partial),
        (true, Some(_), _) => ("proven", Exit::Done),
        (true, None, [false, false]) => ("unproven", Exit::Partial),
        (true, None, _) => ("one-sided", Exit::Partial),
    }
}

fn proven_sides(checked: &CheckedEvidence) -> Vec<&'static str> {
    let sides = SIDES.into_iter().zip(checked.proven_sides());
    sides.filter(|(_, is_proven)| *is_proven).map(|(name, _)| name).collect()
}

fn refuse(mut output: Output, arguments: &CheckArgs, reason: String) -> Result<Exit, Failure> {
    if arguments.json {
        output.json(&Verdict {
            r#type: "verdict",
            verdict: "refused",
            session: None,
            class: None,
            proven_class: None,
            proven_sides: Vec::new(),
            item: None,
            proven: &[],
            keys: None,
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
    keys: Option<&PinnedKeys>,
) -> Result<(), Failure> {
    output.line(&trust_root_line(keys, explained.layouts))?;
    for (side, (source, layout)) in
        ["left ", "right"].iter().zip(checked.sources.iter().zip(&checked.layouts))
    {
        output.line(&format!(
            "{side}      called {}, era {} ({})",
            in_quotes(source),
            layout.era(),
            layout.name()
        ))?;
    }
    explained.print(output)?;
    proven.iter().try_for_each(|statement| output.line(&format!("proven     {statement}")))?;
    for (name, doubt) in SIDES.into_iter().zip(&checked.doubts) {
        if let Some(doubt) = doubt {
            output.line(&format!("unproven   the items of the {name} side: {doubt}"))?;
        }
    }
    Ok(())
}

/// Returns the verdict in a sentence: what is proven, and of which side.
fn summary(
    name: &str,
    checked: &CheckedEvidence,
    explained: &Explained<'_>,
    keys: Option<&PinnedKeys>,
) -> String {
    let found = &checked.explanation;
    let class = found.class;
    let place = format!("{} {}", explained.what(), group_digits(found.index));
    let has_signatures = [&found.left, &found.right]
        .into_iter()
        .any(|side| side.signers.federation || !side.signers.stored.is_empty());
    match (name, keys) {
        ("proven", _) => format!("PROVEN: {class}"),
        ("one-sided", _) => {
            let [is_left, _] = checked.proven_sides();
            let (proven, other) = if is_left { ("left", "right") } else { ("right", "left") };
            let is_absent = found.left.entry.is_none() || found.right.entry.is_none();
            let missing = match is_absent {
                true => format!("that the {other} side has no such record is nobody's signature"),
                false => format!("no signature of enough guardians shows the {other} side"),
            };
            format!("PROVEN OF THE {} SIDE ONLY: {place}; {missing}, so {class} is NOT proven", proven.to_uppercase())
        }
        ("unproven", _) if !has_signatures => {
            "UNPROVEN: consistent in itself, and neither side carries a signature".to_owned()
        }
        ("unproven", _) if [&found.left, &found.right].into_iter().all(|side| verifies_nothing(&side.signers)) => {
            "UNPROVEN: none of the signatures verifies under these keys: they are another federation's, or what was \
             signed was changed"
                .to_owned()
        }
        ("unproven", _) => {
            "UNPROVEN: consistent in itself, but not signed by enough guardians".to_owned()
        }
        (_, None) => "UNPINNED: consistent in itself; signatures not checked, no keys were given".to_owned(),
        (_, Some(keys)) => format!(
            "UNPINNED: consistent in itself; signatures not checked, {} has no keys of the kind that signs {}s",
            keys.path.display(),
            explained.what()
        ),
    }
}

fn verifies_nothing(signers: &fm_audit::Signers) -> bool {
    let is_unsigned = !signers.federation && signers.stored.is_empty();
    is_unsigned || signers.none_verifies()
}

/// Lists what the signatures in the file prove, one sentence each.
fn proven(checked: &CheckedEvidence, explained: &Explained<'_>) -> Vec<String> {
    let found: &Explanation = &checked.explanation;
    let mut proven = Vec::new();
    let index = group_digits(found.index);
    if found.class == DiffClass::Equivocation {
        proven.push(format!("{}: equivocation", explained.equivocation()));
    }
    let sides = SIDES.into_iter().zip([&found.left, &found.right]).zip(checked.proven_sides());
    for ((name, side), _) in sides.filter(|(_, is_proven)| *is_proven) {
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
