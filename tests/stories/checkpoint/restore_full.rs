//! A restore on a real disk that is nearly full: it is reported, nothing is left, the old database is
//! unchanged; with room, the restore continues.

use std::ffi::OsString;
use std::fs;

use fm_tests::{ON_A_NEARLY_FULL_DISK, binary, fixture, rows, shell};

#[test]
fn a_disk_without_room_leaves_everything_as_it_was() {
    let home = tempfile::tempdir().expect("a directory");
    let (disk, guardian) = (home.path().join("disk"), fixture("session-v0.5.0/peer-0"));
    fs::create_dir(&disk).expect("a directory");
    let wanted = rows(&guardian.join("db_checkpoints/24"));
    let mut names: Vec<_> = fs::read_dir(&guardian)
        .expect("the guardian can be read")
        .map(|entry| entry.expect("the guardian can be read").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    let (mut full, mut done) = (0, 0);
    for room in [0, 8, 64, 200, 400, 8_000] {
        let copy = home.path().join(format!("copy-{room}"));
        let mut words: Vec<OsString> =
            vec![guardian.clone().into(), disk.clone().into(), room.to_string().into(), copy.clone().into()];
        words.push(binary("fm-checkpoint").into());
        words.extend(["restore", "--checkpoint", "24", "--yes", "--data-dir"].map(OsString::from));
        words.push(disk.join("guardian").into());
        let run = shell(ON_A_NEARLY_FULL_DISK, &words);
        assert!(matches!(run.exit, 0 | 13), "{room}: {}: {}{}", run.exit, run.stdout, run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        let line =
            |name: &str| run.stdout.lines().find_map(|line| line.strip_prefix(name)).expect("it is reported");
        if run.exit == 13 {
            full += 1;
            let mut left: Vec<&str> = line("LEFT ").split_whitespace().collect();
            left.sort_unstable();
            assert_eq!(left, names, "{room}");
            assert_eq!(line("SAME "), "yes", "{room}: the old database");
        } else {
            done += 1;
        }
        assert!(rows(&copy) == wanted, "{room}: the rows");
    }
    assert!(full >= 3 && done >= 1, "{full} were full, {done} had room");
}
