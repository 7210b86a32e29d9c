//! Progress with rate and time left: one line on standard error, if that is a terminal.
//!
//! Invariants: the line is shorter than the terminal is wide, so it never wraps. All other output is printed
//! inside [`above`], which hides the line meanwhile. There is one line for the whole process.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fm_audit::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::common::{Verbosity, is_dumb, verbosity};
use crate::progress_line::{Numbers, fitted};

/// Redraws per second, at most.
const REDRAWS: u8 = 20;
/// The interval at which the line is drawn, even without progress.
const TICK: Duration = Duration::from_millis(50);
/// The columns assumed for a terminal that does not report its width.
const USUAL_WIDTH: usize = 80;

/// The current stage.
struct Stage {
    name: &'static str,
    unit: &'static str,
    done: u64,
    began: Instant,
    /// The last line of the terminal; hidden if there is no terminal.
    bar: ProgressBar,
}

static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

fn stage() -> MutexGuard<'static, Option<Stage>> {
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs something that prints, with the line of progress hidden.
pub(crate) fn above<T>(print: impl FnOnce() -> T) -> T {
    match &*stage() {
        Some(stage) => stage.bar.suspend(print),
        None => print(),
    }
}

/// Creates a bar whose line is fitted to the terminal at each drawing.
fn bar(name: &'static str, unit: &'static str, total: Option<u64>) -> ProgressBar {
    let line = move |state: &ProgressState, to: &mut dyn std::fmt::Write| {
        let numbers = Numbers { done: state.pos(), total: state.len(), time: state.elapsed() };
        // Writing into a string cannot fail.
        let _ = to.write_str(&fitted(name, unit, &numbers, width().saturating_sub(1)));
    };
    let style = ProgressStyle::with_template("{line}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS);
    let bar = ProgressBar::with_draw_target(total, target).with_style(style.with_key("line", line));
    bar.enable_steady_tick(TICK);
    bar
}

fn width() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0).unwrap_or(USUAL_WIDTH)
}

/// Shows the current stage on standard error, if that is a terminal.
pub struct TerminalProgress {
    visible: bool,
    timed: bool,
}

impl TerminalProgress {
    /// Creates the progress of this process; silent if standard error is not a terminal, or if the user wants
    /// it quiet.
    pub fn new() -> Self {
        let is_wanted = verbosity() != Verbosity::Quiet;
        let visible = is_wanted && std::io::stderr().is_terminal() && !is_dumb();
        Self { visible, timed: verbosity() == Verbosity::Verbose }
    }
}

impl Default for TerminalProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for TerminalProgress {
    fn begin(&self, name: &'static str, unit: &'static str, total: Option<u64>) {
        if !self.visible && !self.timed {
            return;
        }
        self.end();
        let bar = if self.visible { bar(name, unit, total) } else { ProgressBar::hidden() };
        *stage() = Some(Stage { name, unit, done: 0, began: Instant::now(), bar });
    }

    fn advance(&self, count: u64) {
        if !self.visible && !self.timed {
            return;
        }
        if let Some(stage) = &mut *stage() {
            stage.done = stage.done.saturating_add(count);
            stage.bar.inc(count);
        }
    }

    fn end(&self) {
        let Some(stage) = stage().take() else { return };
        stage.bar.finish_and_clear();
        if self.timed {
            let numbers = Numbers { done: stage.done, total: None, time: stage.began.elapsed() };
            // A terminal that went away must not end the work.
            let _ = writeln!(std::io::stderr().lock(), "{}", numbers.in_retrospect(stage.name, stage.unit));
        }
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.end();
    }
}
