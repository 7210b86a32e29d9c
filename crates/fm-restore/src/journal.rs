//! The journal of a restore: the decision, and the last finished step.
//!
//! Each restore of a data directory has its own file, numbered from 1. Invariants: a step is in the journal,
//! synced, before the next begins. Only numbers and times of a fixed shape become part of a path.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fm_datadir::{GuardFile, JOURNAL_NAME, is_entry_name, is_unfinished, session_alone};
use fm_store::{StoreError, replace_file};
use serde::{Deserialize, Serialize};

use crate::RestoreError;
use crate::small_file::{format_of, read_small};
use crate::stamp::Stamp;

const FORMAT: &str = "fm-restore-journal";
const VERSION: u64 = 1;

/// The last finished step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Decided and confirmed; part of the new database may exist.
    Building,
    /// The new database is whole, synced and proven, beside the old one.
    Built,
    /// The equivocation guard is written; the two databases may have changed places.
    Guarded,
    /// The new database is in its place; the old one is kept.
    Swapped,
    /// The database in place has passed its proof again.
    Done,
    /// The undo is decided and confirmed.
    Undoing,
    /// The old database is back in its place; the restored one is kept.
    Undone,
}

impl Step {
    /// Returns its name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Built => "built",
            Self::Guarded => "guarded",
            Self::Swapped => "swapped",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// Returns whether steps remain.
    pub fn is_under_way(self) -> bool {
        !matches!(self, Self::Done | Self::Undone)
    }
}

/// The source of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Chosen {
    /// A checkpoint of the same data directory.
    Checkpoint {
        /// Its number: its last session.
        number: u64,
    },
    /// A checkpoint of the same data directory whose name is not its last session.
    NamedCheckpoint {
        /// Its name.
        name: String,
    },
    /// An archive.
    Archive {
        /// Its path at the time.
        path: PathBuf,
    },
}

impl Chosen {
    /// Returns the checkpoint of this name.
    ///
    /// # Errors
    /// Fails if the name leads out of the directory of checkpoints, or belongs to unfinished work.
    pub fn checkpoint(name: &str) -> Result<Self, RestoreError> {
        let refused = |what| RestoreError::NoCheckpointName { name: name.to_owned(), what };
        if !is_entry_name(name) {
            return Err(refused("it is not the name of an entry of a directory"));
        }
        if is_unfinished(name) {
            return Err(refused(
                "a checkpoint has it while it is made or removed, or half of one that a kill left",
            ));
        }
        Ok(match session_alone(name) {
            Some(number) => Self::Checkpoint { number },
            None => Self::NamedCheckpoint { name: name.to_owned() },
        })
    }
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint { number } => write!(f, "checkpoint {number}"),
            Self::NamedCheckpoint { name } => write!(f, "checkpoint {name}"),
            Self::Archive { path } => write!(f, "archive {}", path.display()),
        }
    }
}

/// The facts proven of a database or archive: two with equal proofs hold the same rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// SHA-256 of the record stream that an archive of the rows has.
    pub identity: String,
    /// The history root over all sessions.
    pub history_root: String,
    /// The last finished session.
    pub last: u64,
    /// Items in the sessions.
    pub items: u64,
    /// Accepted items of the open session.
    pub pending: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Layout of the records.
    pub layout: String,
}

/// One restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    format: String,
    version: u64,
    /// Its number among the restores of this data directory.
    #[serde(skip)]
    pub number: u32,
    /// The last finished step.
    pub step: Step,
    /// The time at which it began, such as `20261121T093000Z`; part of the old database's new name.
    pub began: String,
    /// The time at which the undo began.
    pub undo_began: Option<String>,
    /// The source of the restore.
    pub source: Chosen,
    /// The proof of the source.
    pub proof: Proof,
    /// Whether there was a database before.
    pub had_database: bool,
    /// The guard that is written, if one is needed.
    pub guard: Option<GuardFile>,
    /// The text of the previous guard.
    pub guard_before: Option<String>,
    /// The text of the guard after an undo.
    pub guard_undone: Option<String>,
    /// Version of the tool.
    pub tool_version: String,
}

/// The input for a new journal.
pub(crate) struct Beginning<'a> {
    pub(crate) number: u32,
    pub(crate) began: Stamp,
    pub(crate) source: Chosen,
    pub(crate) proof: Proof,
    pub(crate) had_database: bool,
    pub(crate) guard: Option<GuardFile>,
    pub(crate) guard_before: Option<String>,
    pub(crate) tool_version: &'a str,
}

impl Journal {
    pub(crate) fn new(beginning: Beginning<'_>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            number: beginning.number,
            step: Step::Building,
            began: beginning.began.as_str().to_owned(),
            undo_began: None,
            source: beginning.source,
            proof: beginning.proof,
            had_database: beginning.had_database,
            guard: beginning.guard,
            guard_before: beginning.guard_before,
            guard_undone: None,
            tool_version: beginning.tool_version.to_owned(),
        }
    }

    /// Returns the newest restore of a data directory that was not undone, and the number of the newest
    /// restore.
    pub(crate) fn current(data_dir: &Path) -> Result<(Option<Self>, u32), RestoreError> {
        let numbers = numbers(data_dir)?;
        for number in numbers.iter().rev() {
            let journal = Self::read(data_dir, *number)?;
            if journal.step != Step::Undone {
                return Ok((Some(journal), numbers.last().copied().unwrap_or(0)));
            }
        }
        Ok((None, numbers.last().copied().unwrap_or(0)))
    }

    fn read(data_dir: &Path, number: u32) -> Result<Self, RestoreError> {
        let path = path_of(data_dir, number);
        let not_ours = |what: &str| RestoreError::NotOurs { path: path.clone(), what: what.to_owned() };
        let text = read_small(&path)?.ok_or_else(|| not_ours("it is gone"))?;
        format_of(&text, FORMAT, VERSION, &path)?;
        let journal: Self = serde_json::from_str(&text).map_err(|error| not_ours(&error.to_string()))?;
        let moments = [Some(&journal.began), journal.undo_began.as_ref()];
        if moments.into_iter().flatten().any(|text| Stamp::parse(text).is_none()) {
            return Err(not_ours("a time in it cannot be read"));
        }
        Ok(Self { number, ..journal })
    }

    /// Writes the journal with the finished step.
    pub(crate) fn advance(&mut self, step: Step, data_dir: &Path) -> Result<(), RestoreError> {
        let before = std::mem::replace(&mut self.step, step);
        let mut text = serde_json::to_vec_pretty(self).expect("a journal has only text keys");
        text.push(b'\n');
        replace_file(&path_of(data_dir, self.number), &text).inspect_err(|_| self.step = before)?;
        Ok(())
    }

    /// Returns the path of the file.
    pub(crate) fn path(&self, data_dir: &Path) -> PathBuf {
        path_of(data_dir, self.number)
    }
}

fn path_of(data_dir: &Path, number: u32) -> PathBuf {
    data_dir.join(JOURNAL_NAME).join(format!("{number}.json"))
}

/// Returns the numbers of all restores, ascending.
fn numbers(data_dir: &Path) -> Result<Vec<u32>, RestoreError> {
    let path = data_dir.join(JOURNAL_NAME);
    let entries = match fs::read_dir(&path) {
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| StoreError::io(&path, source))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(|source| StoreError::io(&path, source))?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|name| name.parse().ok());
        numbers.extend(number.filter(|number: &u32| *number > 0 && *name == *format!("{number}.json")));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
