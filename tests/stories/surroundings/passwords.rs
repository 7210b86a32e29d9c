//! A guardian's password: as servers accept it, from a file, and asked for again at a terminal.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use fm_tests::{OLD_PASSWORD, Run, attest, binary, command, converted, hbbft};

#[test]
fn blanks_and_line_ends_are_no_part_of_it() {
    let home = tempfile::tempdir().expect("a directory");
    let (migrated, guardian) = (home.path().join("migrated"), hbbft("peer-0"));
    converted(&guardian, &migrated);
    let forms = ["\n", "\r\n", " ", "\t\n"];
    for (number, end) in forms.into_iter().enumerate() {
        let out = home.path().join(format!("by-variable-{number}"));
        attest(&migrated, &guardian, &out, &format!("{OLD_PASSWORD}{end}")).exits(0);
        let (file, out) = (home.path().join("password"), home.path().join(format!("by-file-{number}")));
        fs::write(&file, format!(" {OLD_PASSWORD}{end}")).expect("a file");
        by_file(&migrated, &guardian, &out, &file).exits(0);
    }
    let out = home.path().join("wrong");
    let wrong = attest(&migrated, &guardian, &out, "another").exits(12);
    assert!(wrong.sentence().contains("wrong password"), "{}", wrong.stderr);
    let none = by_file(&migrated, &guardian, &out, &home.path().join("nowhere")).exits(3);
    assert!(none.sentence().contains("cannot read"), "{}", none.stderr);
    assert!(!out.exists());
}

fn by_file(migrated: &Path, guardian: &Path, out: &Path, file: &Path) -> Run {
    let mut attest = command(binary("fm-migrate"));
    attest.arg("attest").arg("--dir").arg(migrated).arg("--config").arg(guardian).arg("--out").arg(out);
    let output = attest.arg("--password-file").arg(file).arg("--json").output();
    Run::from_output("attest --password-file".to_owned(), output.expect("the program can be started"))
}

/// Types the lines at a terminal of `script`; returns what it showed.
fn typed(lines: &[&str], migrated: &Path, out: &Path) -> Run {
    let guardian = hbbft("peer-0");
    let program = binary("fm-migrate");
    let words = [program.as_path(), Path::new("attest"), Path::new("--dir"), migrated, Path::new("--config")];
    let words = words.into_iter().chain([guardian.as_path(), Path::new("--out"), out]);
    let quoted: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let mut script = command("script");
    script.args(["-qec", &quoted.join(" "), "/dev/null"]).stdin(Stdio::piped());
    let mut child = script.spawn().expect("script is there");
    let mut terminal = child.stdin.take().expect("its input");
    for line in lines {
        // What is typed before the prompt is discarded with the change of echo.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        // A program that ended reads no more.
        let _ = writeln!(terminal, "{line}");
    }
    let output = child.wait_with_output().expect("it ends");
    Run::from_output("attest at a terminal".to_owned(), output)
}

#[test]
fn three_tries_at_a_terminal() {
    let home = tempfile::tempdir().expect("a directory");
    let migrated = home.path().join("migrated");
    converted(&hbbft("peer-0"), &migrated);
    let out = home.path().join("third");
    let run = typed(&["wrong", "also wrong", OLD_PASSWORD], &migrated, &out).exits(0);
    assert_eq!(run.stdout.matches("Password of the guardian").count(), 3, "{}", run.stdout);
    assert!(out.exists() && !run.stdout.contains("also wrong"), "{}", run.stdout);
    let out = home.path().join("never");
    let run = typed(&["wrong", "wrong", "wrong"], &migrated, &out).exits(12);
    assert!(run.stdout.contains("wrong password") && !out.exists(), "{}", run.stdout);
}
