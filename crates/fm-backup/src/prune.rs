//! `prune`: removes old checkpoints, but never the last good one.
//!
//! A bad checkpoint does not count, and is removed only if the rule says so and a good one stays: if none is
//! known to be good, nothing is removed. A checkpoint that could not be examined may be good, so it stays. A
//! link is not a checkpoint: it is neither removed nor counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fm_audit::Control;
use fm_datadir::{CHECKPOINTS_NAME, DATABASE_NAME, is_removing, removing_name, unfinished_of};
use fm_store::{
    DatabaseLock, PARTIAL_MARKER, StoreError, check_movable, check_writable, free_bytes, is_file_of_rocksdb,
};

use crate::list::{KeysFor, Listed};
use crate::{BackupError, Standing, Unfit, list};

/// The rule for which checkpoints to remove.
#[derive(Clone, Copy, Debug)]
pub enum PruneRule {
    /// Remove all but this many good ones, and keep everything newer than the oldest of these.
    Keep(usize),
    /// Remove those that are older.
    OlderThan(Duration),
    /// Remove the oldest, until this many bytes are free.
    MinFree(u64),
}

/// The result of pruning.
#[derive(Debug)]
pub struct Pruned {
    /// The checkpoints that stay, the newest first.
    pub kept: Vec<Listed>,
    /// The checkpoints that are removed, or would be.
    pub removed: Vec<Listed>,
    /// What killed runs left half made or half removed; it is removed as well, or would be.
    pub leftovers: Vec<PathBuf>,
    /// What could not be removed, or could not be in its present state, and why; everything else is removed
    /// regardless.
    pub failed: Vec<(PathBuf, StoreError)>,
    /// A checkpoint that the rule would remove, but that stays because no other one is good.
    pub last_good: Option<PathBuf>,
    /// Whether there are checkpoints but no good one: then all of them stay.
    pub none_good: bool,
    /// Whether the requested space is free.
    pub is_satisfied: bool,
}

/// Removes checkpoints of a data directory.
///
/// # Errors
/// If the checkpoints cannot be examined, or their directory cannot be written to: then nothing was removed.
/// If a checkpoint to be removed holds anything but a database's files, no checkpoint was removed. Anything
/// else that cannot be removed is in [`Pruned::failed`].
pub fn prune<E: From<BackupError>>(
    data_dir: &Path,
    rule: PruneRule,
    dry_run: bool,
    keys: KeysFor<'_, E>,
    control: Control<'_>,
) -> Result<Pruned, E> {
    let directory = data_dir.join(CHECKPOINTS_NAME);
    let mut all = list(data_dir, keys, control)?;
    all.retain(|listed| listed.is_checkpoint);
    let free = if directory.exists() { free_bytes(&directory).map_err(BackupError::from)? } else { u64::MAX };
    let none_good = !all.is_empty() && !all.iter().any(counts);
    let (mut kept, mut removed, last_good) = choose(all, rule, free);
    let mut leftovers = if none_good { Vec::new() } else { leftovers(data_dir)? };
    if !removed.is_empty() || !leftovers.is_empty() {
        check_writable(&directory).map_err(BackupError::from)?;
    }
    let mut failed = Vec::new();
    let mut goes = |path: &Path, removal: &dyn Fn(&Path) -> Result<(), StoreError>| {
        let gone = check_movable(path).and_then(|()| if dry_run { Ok(()) } else { removal(path) });
        gone.map_err(|error| failed.push((path.to_owned(), error))).is_ok()
    };
    leftovers.retain(|path| {
        goes(path, &|path| fs::remove_dir_all(path).map_err(|source| StoreError::io(path, source)))
    });
    for listed in &removed {
        check_removable(&listed.path)?;
    }
    let (gone, stays) = removed.into_iter().partition(|listed: &Listed| goes(&listed.path, &remove));
    removed = gone;
    kept.extend(stays);
    kept.sort_by_key(|listed| listed.age);
    let freed: u64 = removed.iter().map(|listed| listed.disk_bytes - listed.shared_bytes).sum();
    let is_satisfied = match rule {
        PruneRule::MinFree(wanted) => free.saturating_add(freed) >= wanted,
        PruneRule::Keep(_) | PruneRule::OlderThan(_) => true,
    };
    Ok(Pruned { kept, removed, leftovers, failed, last_good, none_good, is_satisfied })
}

/// Returns whether a checkpoint can be restored from later. The target of a link may be gone by then.
fn counts(listed: &Listed) -> bool {
    listed.is_good() && !listed.is_link
}

/// Returns whether a rule may remove a checkpoint.
fn may_go(listed: &Listed) -> bool {
    let is_known = !matches!(listed.standing, Standing::Unknown(_) | Standing::InUse(_));
    is_known && !listed.is_link
}

/// Decides which checkpoints stay, which go, and which one stays only because it is the last good one. `all`
/// has the newest first.
fn choose(all: Vec<Listed>, rule: PruneRule, free: u64) -> (Vec<Listed>, Vec<Listed>, Option<PathBuf>) {
    let mut goes = vec![false; all.len()];
    match rule {
        PruneRule::Keep(wanted) => {
            let mut good = 0;
            for (listed, goes) in all.iter().zip(&mut goes) {
                *goes = good >= wanted;
                good += usize::from(counts(listed));
            }
        }
        PruneRule::OlderThan(age) => {
            for (listed, goes) in all.iter().zip(&mut goes) {
                *goes = listed.age > age;
            }
        }
        PruneRule::MinFree(wanted) => {
            let mut free = free;
            for (listed, goes) in all.iter().zip(&mut goes).rev() {
                *goes = free < wanted && may_go(listed);
                if *goes {
                    free = free.saturating_add(listed.disk_bytes - listed.shared_bytes);
                }
            }
        }
    }
    for (listed, goes) in all.iter().zip(&mut goes) {
        *goes &= may_go(listed);
    }
    let mut last_good = None;
    match all.iter().position(counts) {
        None => goes.fill(false),
        Some(newest) if all.iter().zip(&goes).all(|(listed, goes)| *goes || !counts(listed)) => {
            goes[newest] = false;
            last_good = Some(all[newest].path.clone());
        }
        Some(_) => {}
    }
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for (listed, goes) in all.into_iter().zip(goes) {
        if goes { removed.push(listed) } else { kept.push(listed) }
    }
    (kept, removed, last_good)
}

/// Refuses a directory that holds anything but files of a database.
fn check_removable(path: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_known = is_file_of_rocksdb(&name) || name == PARTIAL_MARKER;
        if !entry.file_type().map_err(failed)?.is_file() || !is_known {
            return Err(BackupError::not_fit(path, Unfit::ForeignFile { name }));
        }
    }
    Ok(())
}

/// Renames the checkpoint first, so that a half-removed one does not count as a checkpoint.
fn remove(path: &Path) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let removing = path.with_file_name(removing_name(&name));
    fs::rename(path, &removing).map_err(|source| StoreError::io(path, source))?;
    fs::remove_dir_all(&removing).map_err(|source| StoreError::io(&removing, source))
}

/// Returns what an interrupted run was about to remove; and, if the guardian is stopped, what it left half
/// made or half removed, because that keeps the tables of old checkpoints on the disk.
fn leftovers(data_dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let directory = data_dir.join(CHECKPOINTS_NAME);
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let is_stopped = DatabaseLock::check(&data_dir.join(DATABASE_NAME)).is_ok();
    let failed = |source| BackupError::File { path: directory.clone(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let is_left = is_removing(&name)
            || is_stopped && unfinished_of(&name).is_some() && check_removable(&path).is_ok();
        if entry.file_type().map_err(failed)?.is_dir() && is_left {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Found;

    /// Makes checkpoints that are good or not as `good` says, the newest first, each of ten bytes and a day
    /// older than the one before.
    fn checkpoints(good: &[bool]) -> Vec<Listed> {
        let days = (0u64..).map(|day| Duration::from_secs(day * 86_400));
        let found = |last| Found {
            layout: fm_eras::Layout::by_name("v0.4").unwrap(),
            last: Some(last),
            root_last: None,
            history_root: None,
            sessions: 1,
            signed: 0,
            pending: 0,
            units: 0,
            errors: 0,
            warnings: 0,
        };
        let numbered = (0u64..).zip(good).zip(days);
        let listed = numbered.map(|((number, good), age)| Listed {
            path: PathBuf::from(number.to_string()),
            is_checkpoint: true,
            is_link: false,
            age,
            disk_bytes: 10,
            shared_bytes: 0,
            standing: if *good { Standing::Good } else { Standing::Bad("damaged".to_owned()) },
            found: Some(found(100 - number)),
        });
        listed.collect()
    }

    fn kept(good: &[bool], rule: PruneRule) -> (Vec<String>, bool) {
        let (kept, removed, last_good) = choose(checkpoints(good), rule, 0);
        assert_eq!(kept.len() + removed.len(), good.len());
        (kept.iter().map(|listed| listed.path.display().to_string()).collect(), last_good.is_some())
    }

    #[test]
    fn a_link_neither_goes_nor_counts() {
        let mut all = checkpoints(&[true, true, true]);
        all[0].is_link = true;
        // A checkpoint that cannot be examined also stays, wherever it is in the list.
        let mut doubtful = checkpoints(&[true, false, true]);
        doubtful[1].standing = Standing::unknown("too many open files");
        let kept = choose(doubtful, PruneRule::Keep(1), 0).0;
        assert_eq!(
            kept.iter().map(|listed| listed.path.clone()).collect::<Vec<_>>(),
            [Path::new("0"), Path::new("1")]
        );
        for rule in [PruneRule::Keep(1), PruneRule::Keep(0), PruneRule::MinFree(u64::MAX)] {
            let kept = choose(all.clone(), rule, 0).0;
            let kept: Vec<_> = kept.iter().map(|listed| listed.path.display().to_string()).collect();
            assert_eq!(kept, ["0", "1"]);
        }
        all.truncate(1);
        assert_eq!(choose(all, PruneRule::Keep(0), 0).0.len(), 1);
    }

    #[test]
    fn the_last_good_one_stays_whatever_the_rule() {
        let day = |days: u64| PruneRule::OlderThan(Duration::from_secs(days * 86_400 + 1));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = [true, true, true];
        assert_eq!(kept(&all, PruneRule::Keep(2)), (names(&["0", "1"]), false));
        assert_eq!(kept(&all, PruneRule::Keep(0)), (names(&["0"]), true));
        assert_eq!(kept(&all, PruneRule::Keep(9)), (names(&["0", "1", "2"]), false));
        let newest_bad = [false, true, false, true];
        assert_eq!(kept(&newest_bad, PruneRule::Keep(1)), (names(&["0", "1"]), false));
        assert_eq!(kept(&newest_bad, PruneRule::Keep(0)), (names(&["1"]), true));
        assert_eq!(kept(&newest_bad, day(0)), (names(&["0", "1"]), true));
        assert_eq!(kept(&newest_bad, day(1)), (names(&["0", "1"]), false));
        assert_eq!(kept(&newest_bad, PruneRule::MinFree(u64::MAX)), (names(&["1"]), true));
        assert_eq!(kept(&newest_bad, PruneRule::MinFree(20)), (names(&["0", "1"]), false));
        assert_eq!(kept(&newest_bad, PruneRule::MinFree(0)).0.len(), 4);
        // If none is good, none is known to be worth less than another.
        for rule in [PruneRule::Keep(0), day(0), PruneRule::MinFree(u64::MAX)] {
            assert_eq!(kept(&[false, false], rule), (names(&["0", "1"]), false));
        }
    }
}
