//! A directory that takes the place of another, which is kept under another name.
//!
//! Invariants: nothing is removed or overwritten. Wherever a swap is interrupted, [`Swap::stage`] derives
//! from the names alone how far it got, and [`Swap::run`] continues from there. Where the system exchanges
//! two names at once, there is a whole directory in the place at every moment.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::StoreError;
use crate::directory_sync::sync_name;
use crate::movable::{rename_error, rename_failed};
use crate::partial::is_there;
use crate::partial_file::rename_to_new;

/// What to swap; all names are in one directory.
#[derive(Clone, Copy)]
pub struct Swap<'a> {
    /// The place.
    pub place: &'a Path,
    /// The path where the new directory waits.
    pub incoming: &'a Path,
    /// The path of the old directory afterwards.
    pub outgoing: &'a Path,
    /// Distinguishes the new directory from the old one, whatever their names are.
    pub is_new: &'a dyn Fn(&Path) -> bool,
}

/// How far a swap got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The old directory, or nothing, is in the place, and the new one waits.
    Before,
    /// The two have exchanged their names, and the old one does not have its own name yet.
    Exchanged,
    /// The old one has its own name, and nothing is in the place yet.
    Vacant,
    /// The swap is done.
    After,
}

impl Swap<'_> {
    /// Returns how far the swap got; `None` if the names match no stage.
    pub fn stage(&self) -> Option<Stage> {
        let kind = |path: &Path| is_there(path).then(|| (self.is_new)(path));
        match (kind(self.place), kind(self.incoming), is_there(self.outgoing)) {
            (Some(false) | None, Some(true), false) => Some(Stage::Before),
            (Some(true), Some(false), false) => Some(Stage::Exchanged),
            (None, Some(true), true) => Some(Stage::Vacant),
            (Some(true), None, _) => Some(Stage::After),
            _ => None,
        }
    }

    /// Continues from the current stage to the end.
    ///
    /// # Errors
    /// If a name cannot be changed, or the names match no stage.
    pub fn run(&self) -> Result<(), StoreError> {
        // Each iteration changes one name, and there are at most two changes.
        for _ in 0..3 {
            match self.stage() {
                Some(Stage::After) => return Ok(()),
                Some(Stage::Before) if is_there(self.place) => self.exchange()?,
                Some(Stage::Before | Stage::Vacant) => rename_to_new(self.incoming, self.place)?,
                Some(Stage::Exchanged) => rename_to_new(self.incoming, self.outgoing)?,
                None => break,
            }
            sync_name(self.place)?;
        }
        let source = io::Error::other("what lies beside it is of no stage of an exchange");
        Err(StoreError::Io { path: self.place.to_owned(), source })
    }

    fn exchange(&self) -> Result<(), StoreError> {
        match renameat_with(CWD, self.incoming, CWD, self.place, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.make_way(),
            Err(error) => Err(rename_error(self.place, error)),
        }
    }

    /// Does the first of two steps, where the system cannot exchange two names at once.
    fn make_way(&self) -> Result<(), StoreError> {
        if is_there(self.outgoing) {
            return Err(StoreError::AlreadyExists { path: self.outgoing.to_owned() });
        }
        fs::rename(self.place, self.outgoing).map_err(|source| rename_failed(self.place, source))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct Story {
        _home: tempfile::TempDir,
        names: [PathBuf; 3],
    }

    fn is_new(path: &Path) -> bool {
        path.join("new").exists()
    }

    impl Story {
        /// Makes directories under the names place, incoming and outgoing: `n` a new one, `o` an old one,
        /// other letters no directory.
        fn new(state: &str) -> Self {
            let home = tempfile::tempdir().unwrap();
            let names = ["place", "incoming", "outgoing"].map(|name| home.path().join(name));
            for (name, kind) in names.iter().zip(state.chars()) {
                if kind != '-' {
                    fs::create_dir(name).unwrap();
                    fs::write(name.join(if kind == 'n' { "new" } else { "old" }), "").unwrap();
                }
            }
            Self { _home: home, names }
        }

        fn swap(&self) -> Swap<'_> {
            let [place, incoming, outgoing] = &self.names;
            Swap { place, incoming, outgoing, is_new: &is_new }
        }

        fn state(&self) -> String {
            let of = |name: &PathBuf| match (name.exists(), is_new(name)) {
                (false, _) => '-',
                (true, true) => 'n',
                (true, false) => 'o',
            };
            self.names.iter().map(of).collect()
        }
    }

    #[test]
    fn from_every_stage_to_the_end() {
        for (state, stage) in
            [("on-", Stage::Before), ("no-", Stage::Exchanged), ("-no", Stage::Vacant), ("n-o", Stage::After)]
        {
            let story = Story::new(state);
            assert_eq!(story.swap().stage(), Some(stage), "{state}");
            story.swap().run().unwrap();
            assert_eq!(story.state(), "n-o", "{state}");
            story.swap().run().unwrap();
        }
        let story = Story::new("-n-");
        story.swap().run().unwrap();
        assert_eq!(story.state(), "n--");
    }

    #[test]
    fn in_two_steps_as_well() {
        let story = Story::new("on-");
        story.swap().make_way().unwrap();
        assert_eq!((story.state().as_str(), story.swap().stage()), ("-no", Some(Stage::Vacant)));
        story.swap().run().unwrap();
        assert_eq!(story.state(), "n-o");
    }

    /// Any other state is left unchanged.
    #[test]
    fn other_states_are_refused() {
        for state in ["---", "o--", "--o", "oo-", "nn-", "ono", "noo", "-o-", "o-o", "-oo"] {
            let story = Story::new(state);
            assert_eq!(story.swap().stage(), None, "{state}");
            assert!(story.swap().run().is_err(), "{state}");
            assert_eq!(story.state(), state);
        }
    }
}
