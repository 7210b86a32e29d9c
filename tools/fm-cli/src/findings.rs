//! Findings as they are found: one line each, for people or as NDJSON. For people, findings that follow from
//! another one are counted under it.

use fm_history::{Finding, Folds, Severity};
use serde::Serialize;

use crate::common::{Verbosity, verbosity};
use crate::{Failure, Output};

/// The number of findings printed for people who did not ask for all; the rest are only counted.
const MOST_PRINTED: u64 = 1000;

/// Prints findings and keeps the first failure to do so.
pub struct FindingPrinter {
    json: bool,
    output: Output,
    /// The number of findings that are printed for people.
    most: u64,
    printed: u64,
    left_out: u64,
    /// Findings that follow from those printed before.
    folds: Folds,
    failure: Option<Failure>,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl FindingPrinter {
    /// Creates a printer, for people or of NDJSON.
    pub fn new(json: bool) -> Self {
        let (output, folds) = (Output::default(), Folds::default());
        Self { json, output, most: MOST_PRINTED, printed: 0, left_out: 0, folds, failure: None }
    }

    /// Creates a printer that prints every finding, for a program that runs for months.
    pub fn without_limit(json: bool) -> Self {
        Self { most: u64::MAX, ..Self::new(json) }
    }

    /// Prints a finding.
    pub fn print(&mut self, finding: &Finding) {
        if self.failure.is_some() || (!self.json && self.folds.take(finding)) {
            return;
        }
        self.print_folds();
        let verbosity = verbosity();
        let result = if self.json {
            self.output.json(&FindingLine { r#type: "finding", finding })
        } else if verbosity == Verbosity::Quiet && finding.severity != Severity::Error {
            return;
        } else if self.printed < self.most || verbosity == Verbosity::Verbose {
            let severity = match finding.severity {
                Severity::Error => "error  ",
                Severity::Warning => "warning",
                Severity::Info => "info   ",
            };
            self.output.line(&format!("{severity} {finding}"))
        } else {
            self.left_out += 1;
            Ok(())
        };
        self.printed += 1;
        self.failure = result.err();
    }

    /// Prints the findings that follow from earlier ones, one line for each kind.
    fn print_folds(&mut self) {
        if self.folds.is_empty() || self.failure.is_some() {
            return;
        }
        let folds = std::mem::take(&mut self.folds);
        let mut lines = folds.iter().map(|fold| format!("        + {}", fold.words()));
        self.failure = lines.find_map(|line| self.output.line(&line).err());
    }

    /// Ends the list.
    ///
    /// # Errors
    /// If a finding could not be printed.
    pub fn finish(mut self) -> Result<Output, Failure> {
        self.print_folds();
        if self.left_out > 0 {
            self.output.line(&format!(
                "        … and {} more findings (--verbose or --json prints all)",
                self.left_out
            ))?;
        }
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.output),
        }
    }
}
