//! A clock that is wrong, and jumps while a program runs.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::faults::library;

/// The clock of a program that is started with its environment.
pub struct Clock {
    home: TempDir,
}

impl Clock {
    /// Creates a clock that is right.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let clock = Self { home: tempfile::tempdir().expect("there is room for a file") };
        File::create(clock.path()).expect("a new file");
        clock.set(0, 0);
        clock
    }

    /// Sets by how many seconds the time of day is wrong, and by how many seconds the monotonic clock is
    /// ahead.
    pub fn set(&self, time_of_day: i64, steady: i64) {
        let file = File::options().write(true).open(self.path()).expect("the clock's file");
        let both = [time_of_day.to_ne_bytes(), steady.to_ne_bytes()].concat();
        file.write_all_at(&both, 0).expect("sixteen bytes");
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("clock")
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![("LD_PRELOAD", library().into()), ("FAULT_CLOCK", self.path().into())]
    }
}
