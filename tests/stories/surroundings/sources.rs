//! A source can be named in more than one way: by position or option, with numbers as the programs show them;
//! the keys of a data directory are found there.

use std::fs;
use std::process::Command;

use fm_tests::{Restorable, checkpoint, copy_dir, fixture, hbbft, migrate, verify};

#[test]
fn a_source_by_position_and_by_option() {
    let home = tempfile::tempdir().expect("a directory");
    let (source, converted) = (hbbft("peer-0"), home.path().join("converted"));
    let of = |position: fm_tests::Run, option: fm_tests::Run| {
        let (position, option) = (position.exits(0), option.exits(0));
        assert_eq!(position.stdout, option.stdout, "$ {}\n$ {}", position.line, option.line);
        position.stdout
    };
    of(migrate!("inspect", source), migrate!("inspect", "--from", source));
    // The keys are those of the data directory, and that is said.
    let checked = of(migrate!("check", source), migrate!("check", "--from", source));
    let keys = format!("keys       {}, found in the data directory", source.join("consensus.json").display());
    assert!(checked.contains(&keys), "{checked}");
    let named = migrate!("check", source, "--config", source).exits(0).stdout;
    assert!(!named.contains("found in the data directory"), "{named}");
    migrate!("convert", source, "--to", converted).exits(0);
    let map = of(migrate!("map", converted), migrate!("map", "--from", converted));
    assert_eq!(map, migrate!("map", "--dir", converted).exits(0).stdout);
    let (first, second) = (home.path().join("first"), home.path().join("second"));
    migrate!("revert", converted, "--to", first).exits(0);
    migrate!("revert", "--from", converted, "--to", second).exits(0);
    assert!(fm_tests::rows(&first.join("database")) == fm_tests::rows(&second.join("database")));
    let two = migrate!("inspect", source, "--from", converted).exits(2);
    assert!(two.sentence().contains("two sources"), "{}", two.stderr);
    migrate!("map").exits(2);
    migrate!("check").exits(2);
}

#[test]
fn a_variable_gives_way_to_what_is_named() {
    let (source, other) = (hbbft("peer-0"), fixture("session-v0.5.0/peer-0"));
    let run = |words: &[&std::ffi::OsStr]| {
        let mut run = fm_tests::command(fm_tests::binary("fm-migrate"));
        let output =
            run.env("FM_FROM", &other).arg("inspect").args(words).output().expect("it can be started");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(run(&[source.as_os_str()]), migrate!("inspect", source).exits(0).stdout);
    assert_eq!(run(&[]), migrate!("inspect", other).exits(0).stdout);
}

#[test]
fn numbers_as_they_are_shown() {
    let source = hbbft("peer-0");
    for (from, to) in [("0", "1,234"), ("1,234", "2,000")] {
        let run = verify!(source, "--config", source, "--from", from, "--to", to).exits(2);
        assert!(run.sentence().contains("1234") || run.sentence().contains("2000"), "{}", run.stderr);
    }
    verify!(source, "--config", source, "--to", "12,34").exits(2);
    verify!("show", source, "--epoch", "1,2").exits(2);
}

/// The command to undo is printed so that it can be pasted into a shell.
#[test]
fn a_command_that_is_printed_can_be_pasted() {
    let guardian = Restorable::new(0);
    let spaced = guardian.beside("my guardian's $HOME");
    copy_dir(&guardian.path(), &spaced);
    let said = checkpoint!("restore", "--data-dir", spaced, "--checkpoint", "24", "--yes").exits(0).stdout;
    let line = said.lines().find_map(|line| line.strip_prefix("way back   ")).expect("the way back");
    let programs = fm_tests::binary("fm-checkpoint");
    let path = format!("{}:/usr/bin:/bin", programs.parent().expect("a directory").display());
    let pasted = Command::new("sh").arg("-c").arg(format!("{line} --yes")).env("PATH", path).status();
    assert!(pasted.expect("there is a shell").success(), "{line}");
    assert!(fs::metadata(spaced.join("equivocation-guard.json")).is_err(), "it was undone");
}
