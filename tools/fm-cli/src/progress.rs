//! Progress with rate and time left: one line on standard error, if that is a terminal.
//!
//! Invariants: the line is shorter than the terminal is wide, so it never wraps; whatever is printed elsewhere is printed
//! inside [`above`], which clears the line first; there is one line for the whole process.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fm_audit::Progress;

use crate::common::{Verbosity, is_dumb, verbosity};
use crate::progress_line::{Numbers, fitted};

/// Least time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);
/// The interval at which the line is drawn although nothing moves.
const TICK: Duration = Duration::from_millis(500);
/// Columns of a terminal that does not say how wide it is.
const USUAL_WIDTH: usize = 80;
const CLEAR: &str = "\r\u{1b}[K";

/// The stage that runs.
struct Stage {
    name: &'static str,
    unit: &'static str,
    total: Option<u64>,
    done: u64,
    began: Instant,
}

/// What is on the last line of the terminal.
struct Line {
    stage: Option<Stage>,
    drawn: bool,
    last: Option<Instant>,
}

static LINE: Mutex<Line> = Mutex::new(Line { stage: None, drawn: false, last: None });
static TICKER: Once = Once::new();

fn line() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something that prints, with no progress in its way; the line comes back with the next drawing.
pub(crate) fn above<T>(print: impl FnOnce() -> T) -> T {
    let mut line = line();
    line.clear();
    print()
}

impl Line {
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            put(CLEAR);
        }
    }

    fn draw(&mut self) {
        let Some(stage) = &self.stage else { return };
        let numbers = Numbers { done: stage.done, total: stage.total, time: stage.began.elapsed() };
        let text = fitted(stage.name, stage.unit, &numbers, width().saturating_sub(1));
        put(&format!("\r{text}\u{1b}[K"));
        (self.drawn, self.last) = (true, Some(Instant::now()));
    }

    fn draw_after(&mut self, least: Duration) {
        if self.last.is_none_or(|last| last.elapsed() >= least) {
            self.draw();
        }
    }
}

/// Writes to the terminal; one that went away ends no work.
fn put(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn width() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0).unwrap_or(USUAL_WIDTH)
}

/// Draws for as long as the process lives: a stage that stands still shows that time passes.
fn tick() {
    TICKER.call_once(|| {
        // Without the thread the line is drawn when something moves.
        let _ = thread::Builder::new().name("progress".to_owned()).spawn(|| {
            loop {
                thread::sleep(TICK);
                line().draw_after(TICK);
            }
        });
    });
}

/// Shows the stage that runs on standard error, if that is a terminal.
pub struct TerminalProgress {
    visible: bool,
    timed: bool,
}

impl TerminalProgress {
    /// Progress for this process; silent if standard error is not a terminal, or the user wants none.
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
        line().stage = Some(Stage { name, unit, total, done: 0, began: Instant::now() });
        if self.visible {
            tick();
            line().draw_after(REDRAW);
        }
    }

    fn advance(&self, count: u64) {
        if !self.visible && !self.timed {
            return;
        }
        let mut line = line();
        if let Some(stage) = &mut line.stage {
            stage.done = stage.done.saturating_add(count);
        }
        if self.visible {
            line.draw_after(REDRAW);
        }
    }

    fn end(&self) {
        let mut line = line();
        line.clear();
        if let (Some(stage), true) = (line.stage.take(), self.timed) {
            let numbers = Numbers { done: stage.done, total: None, time: stage.began.elapsed() };
            put(&format!("{}\n", numbers.in_retrospect(stage.name, stage.unit)));
        }
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.end();
    }
}
