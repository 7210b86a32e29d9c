//! Output that several commands share.

use fm_backup::{BackupError, Survey};
use fm_cli::{Failure, Output, PinnedKeys, Refused, group_digits, root_line, trust_root_line};
use serde::Serialize;

/// Prints the history of a state in a few lines, with the keys that it was checked with.
pub(crate) fn print_history(
    survey: &Survey,
    keys: Option<&PinnedKeys>,
    output: &mut Output,
) -> Result<(), Failure> {
    let audit = &survey.audit;
    if keys.is_some() {
        output.line(&trust_root_line(keys, [&survey.layout, &survey.layout]))?;
    }
    output.line(&format!("layout     era {} ({})", survey.layout.era(), survey.layout.name()))?;
    let chain = &audit.chain;
    if survey.has_keys {
        output.line(&format!(
            "signed     {} of {} epochs or sessions, {} covered by later signatures, {} unproven",
            group_digits(chain.signed),
            group_digits(chain.records),
            group_digits(chain.covered),
            group_digits(chain.unproven)
        ))?;
    } else {
        output.line("signed     NOT CHECKED: without --config or --keys this shows consistency only")?;
    }
    let Some(anchor) = &audit.proven else {
        return output.line("history    nothing that a root could cover");
    };
    output.line(&format!(
        "sessions   {} (0 to {}), {} items; {} accepted items of the open session",
        group_digits(anchor.sessions),
        group_digits(anchor.last),
        group_digits(anchor.items),
        group_digits(audit.pending)
    ))?;
    let proven = if survey.has_keys && survey.errors == 0 { "" } else { " (NOT PROVEN)" };
    output.line(&format!("{}{proven}", root_line(anchor.history_root, anchor.last)))
}

/// Prints what certifies the rows of a state.
pub(crate) fn print_classes(survey: &Survey, output: &mut Output) -> Result<(), Failure> {
    let names = ["certified", "derivable", "this guardian's word"];
    for (name, class) in names.into_iter().zip(survey.classes.all()) {
        output.line(&format!(
            "{name:<21} {} {} records, {} bytes",
            class.hash,
            group_digits(class.records),
            group_digits(class.bytes)
        ))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct RefusedLine<'a> {
    #[serde(flatten)]
    refused: Refused<'a>,
    identity: Option<&'a str>,
    history_root: Option<&'a str>,
}

/// Returns the result, or prints its failure as the last line of JSON first.
pub(crate) fn with_refusal<T>(
    result: Result<T, BackupError>,
    json: bool,
    output: &mut Output,
) -> Result<T, Failure> {
    result.map_err(|error| {
        let is_refusal = matches!(
            error,
            BackupError::NotProven { .. } | BackupError::Secret { .. } | BackupError::NoHistory { .. }
        );
        let failure = Failure::from(error);
        if json && is_refusal {
            let (identity, history_root) = (None, None);
            let refused = Refused::with(&failure);
            let line = RefusedLine { refused, identity, history_root };
            if let Err(failure) = output.json(&line) {
                return failure;
            }
        }
        failure
    })
}
