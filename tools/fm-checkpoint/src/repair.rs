//! `repair`.

use std::path::Path;

use fm_backup::{FrameLoss, Location, Repaired};
use fm_cli::{Exit, Failure, Output, TerminalProgress, group_digits, interrupt_flag};
use serde::Serialize;

use crate::args::RepairArgs;
use crate::place::check_target;

/// The number of damaged frames printed for people; the rest are only counted.
const MOST_PRINTED: usize = 100;

#[derive(Serialize)]
struct FrameLine<'a> {
    r#type: &'static str,
    frame: u64,
    first_key: String,
    last_key: String,
    records: u64,
    found_in: Option<&'a Path>,
}

#[derive(Serialize)]
struct RepairVerdict<'a> {
    r#type: &'static str,
    verdict: &'static str,
    identity: String,
    history_root: Option<String>,
    frames: u64,
    index_damaged: bool,
    key_from: Option<&'a Path>,
    damaged_frames: usize,
    lost_frames: usize,
    lost_records: u64,
    written: bool,
    left: Option<String>,
}

pub(crate) fn run(arguments: &RepairArgs) -> Result<Exit, Failure> {
    let broken = arguments.identity.at(&arguments.broken)?;
    let others = arguments
        .from
        .iter()
        .map(|from| arguments.identity.at(from))
        .collect::<Result<Vec<Location>, _>>()?;
    let target = arguments.to.as_ref();
    if let Some(target) = target {
        for source in others.iter().chain([&broken]) {
            check_target(target, source)?;
        }
    }
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let repaired = fm_backup::repair(&broken, &others, target, control)?;
    drop(progress);
    let (verdict, exit) = verdict(&repaired);
    let mut output = Output::default();
    if arguments.json.json {
        for loss in &repaired.losses {
            output.json(&line(loss))?;
        }
        output.json(&RepairVerdict {
            r#type: "verdict",
            verdict,
            identity: repaired.identity.to_string(),
            history_root: repaired.history_root.clone(),
            frames: repaired.frames,
            index_damaged: repaired.index_damaged,
            key_from: repaired.key_from.as_deref(),
            damaged_frames: repaired.losses.len(),
            lost_frames: repaired.lost().count(),
            lost_records: repaired.lost().map(|loss| loss.records).sum(),
            written: repaired.written.is_some(),
            left: repaired.left.clone(),
        })?;
        return Ok(exit);
    }
    print(arguments, &repaired, verdict, &mut output)?;
    Ok(exit)
}

fn verdict(repaired: &Repaired) -> (&'static str, Exit) {
    match (repaired.was_whole(), repaired.lost().next().is_some(), repaired.written.is_some()) {
        (true, _, _) => ("whole", Exit::Done),
        (_, true, _) => ("lost", Exit::Findings),
        (_, false, true) => ("repaired", Exit::Done),
        (_, false, false) => ("repairable", Exit::Findings),
    }
}

fn line(loss: &FrameLoss) -> FrameLine<'_> {
    FrameLine {
        r#type: "frame",
        frame: loss.frame,
        first_key: hex::encode(&loss.first_key),
        last_key: hex::encode(&loss.last_key),
        records: loss.records,
        found_in: loss.found_in.as_deref(),
    }
}

fn print(
    arguments: &RepairArgs,
    repaired: &Repaired,
    verdict: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(copy) = &repaired.key_from {
        output.line(&format!("damaged  header of its encryption; the key is that of {}", copy.display()))?;
    }
    if repaired.index_damaged {
        output
            .line(&format!("damaged  header or index; those of {} were followed", repaired.plan.display()))?;
    }
    for loss in repaired.losses.iter().take(MOST_PRINTED) {
        let line = line(loss);
        let found = match line.found_in {
            Some(path) => format!("found in {}", path.display()),
            None => "LOST: no copy has it".to_owned(),
        };
        output.line(&format!(
            "damaged  frame {}: {} records, keys {} to {}; {found}",
            line.frame,
            group_digits(line.records),
            line.first_key,
            line.last_key
        ))?;
    }
    let rest = repaired.losses.len().saturating_sub(MOST_PRINTED);
    if rest > 0 {
        output.line(&format!("         … and {rest} more damaged frames (--json prints all)"))?;
    }
    output.line(&format!("identity {}", repaired.identity))?;
    if let Some(left) = &repaired.left {
        output.line(&format!("left     {left}"))?;
    }
    let lost: u64 = repaired.lost().map(|loss| loss.records).sum();
    output.line(&match verdict {
        "whole" => "verdict  WHOLE: there is nothing to repair".to_owned(),
        "lost" => {
            format!("verdict  LOST: {} records are in no copy; nothing was written", group_digits(lost))
        }
        "repairable" => "verdict  REPAIRABLE: --to FILE writes it whole".to_owned(),
        _ => {
            let target = arguments.to.as_ref().map(|target| target.path().display().to_string());
            format!("verdict  REPAIRED: {}", target.unwrap_or_default())
        }
    })
}
