//! Directories that appear under their final name whole, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use fm_store::{PartialDir, StoreError};
use tempfile::TempDir;

const MARKER: &str = ".partial-marker";

fn target() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("result");
    (dir, target)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn published_whole_and_without_its_marker() {
    let (dir, target) = target();
    let partial = PartialDir::create(&target).unwrap();
    assert_eq!(partial.path(), dir.path().join("result.partial"));
    fs::create_dir(partial.path().join("below")).unwrap();
    fs::write(partial.path().join("below/file"), b"content").unwrap();
    assert!(!target.exists());
    partial.publish().unwrap();
    assert_eq!((names(dir.path()), names(&target)), (vec!["result".into()], vec!["below".into()]));
    assert_eq!(fs::read(target.join("below/file")).unwrap(), b"content");
}

#[test]
fn dropped_means_removed() {
    let (dir, target) = target();
    let partial = PartialDir::create(&target).unwrap();
    fs::write(partial.path().join("file"), b"content").unwrap();
    drop(partial);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn the_leftover_of_a_killed_run_is_replaced() {
    let (dir, target) = target();
    let leftover = dir.path().join("result.partial");
    let partial = PartialDir::create(&target).unwrap();
    let marker = fs::read(partial.path().join(MARKER)).unwrap();
    drop(partial);
    // The marker holds any part of its text: a crash may come while it is being written.
    for cut in [0, 1, marker.len() / 2, marker.len()] {
        fs::create_dir_all(leftover.join("below")).unwrap();
        fs::write(leftover.join(MARKER), &marker[..cut]).unwrap();
        fs::write(leftover.join("below/old"), b"old").unwrap();
        fs::write(leftover.join("old"), b"old").unwrap();
        let partial = PartialDir::create(&target).unwrap();
        assert_eq!(names(partial.path()), [MARKER], "marker cut to {cut}");
        assert_eq!(fs::read(partial.path().join(MARKER)).unwrap(), marker);
    }
    // A crash between creating the directory and the marker.
    fs::create_dir(&leftover).unwrap();
    assert_eq!(names(PartialDir::create(&target).unwrap().path()), [MARKER]);
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let foreign = |make: &dyn Fn(&Path)| {
        let (dir, target) = target();
        let leftover = dir.path().join("result.partial");
        fs::create_dir(&leftover).unwrap();
        make(&leftover);
        let before = names(&leftover);
        match PartialDir::create(&target) {
            Err(StoreError::ForeignPartial { path }) => assert_eq!(path, leftover),
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(names(&leftover), before);
    };
    foreign(&|path| fs::write(path.join("photo"), b"precious").unwrap());
    foreign(&|path| fs::create_dir(path.join("photos")).unwrap());
    foreign(&|path| fs::write(path.join(MARKER), b"something else").unwrap());
    foreign(&|path| fs::write(path.join(MARKER), [b' '; 1000]).unwrap());

    let (dir, target) = target();
    fs::write(dir.path().join("result.partial"), b"a file").unwrap();
    assert!(PartialDir::create(&target).is_err());
    assert_eq!(fs::read(dir.path().join("result.partial")).unwrap(), b"a file");
}

#[test]
fn a_target_that_is_there_is_refused() {
    let (dir, target) = target();
    fs::write(&target, b"precious").unwrap();
    assert!(matches!(PartialDir::create(&target), Err(StoreError::AlreadyExists { path }) if path == target));
    assert_eq!(names(dir.path()), ["result"]);

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    assert!(matches!(PartialDir::create(&link), Err(StoreError::AlreadyExists { path }) if path == link));
}

#[test]
fn a_target_that_appears_meanwhile_is_not_replaced() {
    for is_directory in [true, false] {
        let (dir, target) = target();
        let partial = PartialDir::create(&target).unwrap();
        fs::write(partial.path().join("new"), b"new").unwrap();
        if is_directory {
            fs::create_dir(&target).unwrap();
        } else {
            fs::write(&target, b"precious").unwrap();
        }
        assert!(matches!(partial.publish(), Err(StoreError::AlreadyExists { .. })));
        assert_eq!(names(dir.path()), ["result"]);
        assert_eq!(target.is_dir(), is_directory);
    }
}

#[test]
fn two_runs_on_one_target_exclude_each_other() {
    let (_dir, target) = target();
    let first = PartialDir::create(&target).unwrap();
    fs::write(first.path().join("file"), b"content").unwrap();
    assert!(matches!(PartialDir::create(&target), Err(StoreError::Locked { .. })));
    assert_eq!(names(first.path()), [MARKER, "file"]);
    first.publish().unwrap();
    assert_eq!(names(&target), ["file"]);
}
