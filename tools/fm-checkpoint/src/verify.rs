//! `verify`.

use std::collections::BTreeMap;

use fm_backup::{Verified, VerifyOptions};
use fm_cli::{
    Exit, Failure, FindingPrinter, NamedKeys, Output, PinnedKeys, TerminalProgress, group_digits,
    interrupt_flag,
};
use serde::Serialize;

use crate::args::VerifyArgs;
use crate::show::{print_classes, print_history};

#[derive(Serialize)]
struct VerifyVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    identity: Option<String>,
    history_root: Option<String>,
    state_identity: Option<String>,
    quick: bool,
    sessions: u64,
    last: Option<u64>,
    pending: u64,
    signed: u64,
    errors: u64,
    warnings: u64,
    keys: Option<NamedKeys>,
    metadata: BTreeMap<&'a str, &'a str>,
    claims: &'a [String],
}

pub(crate) fn run(arguments: &VerifyArgs) -> Result<Exit, Failure> {
    let layout = arguments.layout.get()?;
    let keys = arguments.keys.load()?;
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let mut printer = FindingPrinter::new(arguments.json.json);
    let federation = keys.as_ref().and_then(PinnedKeys::federation);
    let (archive, base) = (arguments.archive.archive()?, arguments.archive.base()?);
    let options = VerifyOptions {
        base: base.as_ref(),
        quick: arguments.quick,
        federation: federation.as_deref(),
        layout,
    };
    let keys_for = |layout: &fm_eras::Layout| keys.as_ref().map(|keys| keys.of_history(layout)).transpose();
    let verified = fm_backup::verify(&archive, &options, keys_for, control, &mut |finding| {
        printer.print(&finding);
    });
    drop(progress);
    let mut output = printer.finish()?;
    conclude(arguments, &verified?, keys.as_ref(), &mut output)
}

fn conclude(
    arguments: &VerifyArgs,
    verified: &Verified,
    keys: Option<&PinnedKeys>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let survey = verified.survey.as_ref();
    let failing = arguments.strict.failing(verified.errors, verified.warnings);
    let (verdict, exit) = match (failing, arguments.quick, keys.is_some()) {
        (1.., _, _) => ("findings", Exit::Findings),
        (0, true, _) => ("whole", Exit::Done),
        // An empty history is never sound: a federation in its first session has signed nothing yet.
        (0, false, true) if survey.is_none_or(|survey| survey.audit.chain.last_signed.is_none()) => {
            ("empty", Exit::Partial)
        }
        (0, false, true) => ("sound", Exit::Done),
        (0, false, false) => ("unpinned", Exit::Partial),
    };
    let anchor = survey.and_then(|survey| survey.audit.proven.as_ref());
    // A quick check proves the file only, so the header's word on the history is merely repeated.
    let stated = verified.metadata.get("history_root").map(str::to_owned);
    if arguments.json.json {
        output.json(&VerifyVerdict {
            r#type: "verdict",
            verdict,
            identity: verified.identity.map(|hash| hash.to_string()),
            history_root: anchor.map(|anchor| anchor.history_root.to_string()).or(stated),
            state_identity: verified.state_identity.map(|hash| hash.to_string()),
            quick: arguments.quick,
            sessions: anchor.map_or(0, |anchor| anchor.sessions),
            last: anchor.map(|anchor| anchor.last),
            pending: survey.map_or(0, |survey| survey.audit.pending),
            signed: survey.map_or(0, |survey| survey.audit.chain.signed),
            errors: verified.errors,
            warnings: verified.warnings,
            keys: survey.and_then(|survey| NamedKeys::of(keys, [&survey.layout, &survey.layout])),
            metadata: verified.metadata.iter().collect(),
            claims: &verified.claims,
        })?;
        return Ok(exit);
    }
    if let Some(survey) = survey {
        print_history(survey, keys, output)?;
        if survey.classes.records > 0 {
            print_classes(survey, output)?;
        }
    }
    if let Some(identity) = verified.identity {
        output.line(&format!("identity   {identity}"))?;
    }
    if !verified.claims.is_empty() {
        output.line(&format!("claims     not proven: {}", claims(verified)))?;
    }
    let summary = match verdict {
        "whole" => {
            "WHOLE: every frame is as it was written; records and signatures were not looked at".to_owned()
        }
        "sound" => match anchor {
            Some(anchor) => format!("SOUND up to {}; the rest is this guardian's own word", anchor.last),
            None => "SOUND".to_owned(),
        },
        "empty" => "EMPTY: nothing is signed yet, so nothing is proven".to_owned(),
        "unpinned" => "UNPINNED: consistent in itself; signatures not checked, no keys were given".to_owned(),
        _ => format!(
            "FINDINGS: {} error(s), {} warning(s)",
            group_digits(verified.errors),
            group_digits(verified.warnings)
        ),
    };
    let warned = match (verdict, verified.warnings) {
        ("findings", _) | (_, 0) => String::new(),
        (_, count) => format!("; {} warning(s)", group_digits(count)),
    };
    output.line(&format!("verdict    {summary}{warned}"))?;
    Ok(exit)
}

/// Lists what the header says and nothing proves; for a quick check, that is all of it.
fn claims(verified: &Verified) -> String {
    if verified.claims.len() == verified.metadata.iter().count() {
        return "everything that the header says".to_owned();
    }
    let said = verified.claims.iter().map(|name| match verified.metadata.get(name) {
        None | Some("") => format!("no {name}"),
        Some(value) => format!("{name} {value:?}"),
    });
    said.collect::<Vec<_>>().join(", ")
}
