//! Progress with rate and time left, on a terminal only.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use fm_audit::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Redraws per second.
const REFRESH_HZ: u8 = 10;

/// Shows the stage that runs on standard error, if that is a terminal.
pub struct TerminalProgress {
    visible: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl TerminalProgress {
    /// Progress for this process; silent if standard error is not a terminal.
    pub fn new() -> Self {
        Self { visible: std::io::stderr().is_terminal(), bar: Mutex::new(None) }
    }

    fn with_bar(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Default for TerminalProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for TerminalProgress {
    fn begin(&self, stage: &'static str, unit: &'static str, total: Option<u64>) {
        if !self.visible {
            return;
        }
        let template = match total {
            Some(_) => format!(
                "{{msg:22}} [{{bar:30}}] {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left"
            ),
            None => format!("{{msg:22}} {{human_pos}} {unit}, {{per_sec}}, {{elapsed}}"),
        };
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(REFRESH_HZ))
            .with_style(style)
            .with_message(stage);
        bar.enable_steady_tick(Duration::from_millis(500));
        self.with_bar(|slot| *slot = Some(bar));
    }

    fn advance(&self, count: u64) {
        if self.visible {
            self.with_bar(|slot| {
                if let Some(bar) = slot {
                    bar.inc(count);
                }
            });
        }
    }

    fn end(&self) {
        self.with_bar(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        self.end();
    }
}
