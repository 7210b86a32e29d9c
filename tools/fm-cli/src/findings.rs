//! Findings as they come: one line each, for people or as NDJSON.

use fm_history::{Finding, Severity};
use serde::Serialize;

use crate::common::{Verbosity, verbosity};
use crate::{Failure, Output};

/// Findings printed for people who did not ask for all; the rest is counted.
const MOST_PRINTED: u64 = 1000;

/// Prints findings, and remembers the first failure to do so.
pub struct FindingPrinter {
    json: bool,
    output: Output,
    printed: u64,
    left_out: u64,
    failure: Option<Failure>,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl FindingPrinter {
    /// A printer for people, or of NDJSON.
    pub fn new(json: bool) -> Self {
        Self { json, output: Output::default(), printed: 0, left_out: 0, failure: None }
    }

    /// Prints a finding.
    pub fn print(&mut self, finding: &Finding) {
        if self.failure.is_some() {
            return;
        }
        let verbosity = verbosity();
        let result = if self.json {
            self.output.json(&FindingLine { r#type: "finding", finding })
        } else if verbosity == Verbosity::Quiet && finding.severity != Severity::Error {
            return;
        } else if self.printed < MOST_PRINTED || verbosity == Verbosity::Verbose {
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

    /// Ends the list.
    pub fn finish(mut self) -> Result<Output, Failure> {
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
