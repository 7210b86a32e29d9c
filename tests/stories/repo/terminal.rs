//! What a person sees: progress with rate and time left on a terminal, and none of it in a pipe.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use fm_forge::ForgeSpec;
use fm_forge::damage::rewrite;
use fm_tests::{
    Federation, Screen, binary, command, converted, copy_dir, migrate, on_a_terminal, shell, verify,
};

fn federation() -> Federation {
    Federation::new(ForgeSpec {
        epochs: 5000,
        items_per_epoch: 12,
        with_shares: false,
        sign_every: 2,
        ..ForgeSpec::default()
    })
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let federation = federation();
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let mut words: Vec<OsString> = vec![binary("fm-migrate").into(), "convert".into()];
    words.extend(["--from".into(), guardian.clone().into(), "--config".into(), guardian.clone().into()]);
    words.push("--to".into());
    for (name, environment) in [("color", ""), ("no-color", "NO_COLOR=1"), ("dumb", "TERM=dumb")] {
        let target = federation.beside(name);
        let mut words = words.clone();
        words.push(target.clone().into());
        let run = on_a_terminal(80, environment, &words).exits(0);
        assert!(run.stdout.contains("written: "), "{name}: {}", run.stdout);
        assert!(target.join("manifest.json").exists());
        if name != "dumb" {
            let shown = |text: &str| run.stdout.contains(text);
            assert!(shown(" epochs, ") && shown("/s, ") && shown(" left"), "{name}: {:?}", run.stdout);
        }
    }
    let run = migrate!("convert", "--from", guardian, "--config", guardian, "--to", target).exits(0);
    assert_eq!(run.stderr, "");
    let plain = |text: &str| !text.contains('\u{1b}') && !text.contains('\r') && !text.contains("/s, ");
    assert!(plain(&run.stdout), "{:?}", run.stdout);
    let run = verify!(target, "--config", guardian).exits(0);
    assert!(plain(&run.stdout) && run.stderr.is_empty(), "{:?}{:?}", run.stdout, run.stderr);
}

#[test]
fn verification_shows_its_progress() {
    let federation = federation();
    let guardian = federation.guardian();
    let words: Vec<OsString> =
        vec![binary("fm-verify").into(), guardian.clone().into(), "--config".into(), guardian.into()];
    let run = on_a_terminal(80, "", &words).exits(0);
    assert!(run.stdout.contains("/5,000 epochs, ") && run.stdout.contains("SOUND"), "{:?}", run.stdout);
    // Results in a pipe, progress on the terminal: the two do not mix.
    let words: Vec<OsString> =
        words.iter().map(|word| format!("'{}'", word.to_string_lossy()).into()).collect();
    let file = federation.beside("out.json");
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let line = format!("env TERM=xterm {} --json > '{}'", words.join(" "), file.display());
    let run = shell("exec script -qec \"$1\" /dev/null", &[line.into()]).exits(0);
    assert!(run.stdout.contains(" epochs, "), "{:?}", run.stdout);
    let text = std::fs::read_to_string(file).expect("the output");
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{text:?}");
}

/// A reader that went away, as `| head -1` does, does not make a program panic.
#[test]
fn a_closed_pipe() {
    let federation = Federation::small(60);
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    converted(&guardian, &target);
    let lines: [(&str, Vec<OsString>); 5] = [
        (
            "fm-verify",
            vec![target.clone().into(), "--config".into(), guardian.clone().into(), "--json".into()],
        ),
        ("fm-verify", vec![guardian.clone().into(), "--config".into(), guardian.clone().into()]),
        ("fm-migrate", vec!["map".into(), "--dir".into(), target.into()]),
        ("fm-migrate", vec!["inspect".into(), guardian.clone().into()]),
        (
            "fm-migrate",
            vec![
                "check".into(),
                "--from".into(),
                guardian.clone().into(),
                "--config".into(),
                guardian.into(),
            ],
        ),
    ];
    for (program, arguments) in lines {
        for read_a_line in [true, false] {
            let mut child = command(binary(program))
                .args(&arguments)
                .stdout(Stdio::piped())
                .spawn()
                .expect("the program can be started");
            let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
            if read_a_line {
                let mut line = String::new();
                output.read_line(&mut line).expect("a line");
                assert!(!line.is_empty());
            }
            drop(output);
            let mut errors = String::new();
            child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
            let status = child.wait().expect("the program ends");
            assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{program} {arguments:?}");
        }
    }
    let guardian = federation.guardian();
    let words: [OsString; 2] = [binary("fm-verify").into(), guardian.into()];
    let run = shell("\"$1\" \"$2\" --config \"$2\" | head -1", &words).exits(0);
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (1, ""));
}

/// Standard output on a full disk is not a success.
#[test]
fn output_that_cannot_be_written() {
    let federation = Federation::small(12);
    let guardian = federation.guardian();
    let words: [OsString; 2] = [binary("fm-verify").into(), guardian.into()];
    let run = shell("\"$1\" \"$2\" --config \"$2\" --json > /dev/full", &words);
    let run = run.exits(13);
    assert!(run.sentence().contains("cannot write to standard output"), "{}", run.stderr);
    for (program, words) in [
        ("fm-verify", vec!["--help"]),
        ("fm-verify", vec!["--version"]),
        ("fm-node", vec!["completions", "bash"]),
        ("fm-migrate", vec!["explain", "13"]),
    ] {
        let mut arguments: Vec<OsString> = vec![binary(program).into()];
        arguments.extend(words.iter().map(OsString::from));
        shell("exec \"$@\" > /dev/full", &arguments).exits(13).sentence();
    }
}

/// Every finding is on the screen whole, and nothing of the progress is left between them, however wide the
/// screen is.
#[test]
fn progress_erases_no_finding_and_leaves_nothing() {
    let federation = federation();
    let guardian = federation.beside("damaged");
    copy_dir(&federation.guardian(), &guardian);
    std::fs::remove_dir_all(guardian.join("database")).expect("the database");
    let mut rows = 0;
    rewrite(&federation.database(), &guardian.join("database"), |key, value| {
        // Every fiftieth epoch is lost, so findings come all the time.
        rows += u32::from(key[0] == 0x05);
        (key[0] != 0x05 || rows % 50 != 25).then(|| (key.to_vec(), value.to_vec()))
    })
    .expect("a copy");
    let plain = verify!(guardian, "--config", guardian).exits(1);
    let expected: Vec<&str> = plain.stdout.lines().filter(|line| !line.is_empty()).collect();
    assert!(expected.len() > 50, "{}", plain.stdout);
    let words: Vec<OsString> =
        vec![binary("fm-verify").into(), guardian.clone().into(), "--config".into(), guardian.into()];
    for columns in [40, 80, 200] {
        let run = on_a_terminal(columns, "", &words).exits(1);
        assert!(run.stdout.contains("/5,000 epochs"), "no progress at {columns}: {:?}", run.stdout);
        assert_eq!(Screen::after(columns, &run.stdout).lines(), expected, "{columns}: {:?}", run.stdout);
        for before in run.stdout.split("/s, ").collect::<Vec<_>>().split_last().expect("parts").1 {
            let rate = before.rsplit(' ').next().unwrap_or_default();
            let is_whole = rate.chars().all(|c| c.is_ascii_digit() || c == ',') && rate != "0";
            assert!(is_whole && !rate.is_empty(), "a rate of {rate:?}");
        }
    }
}

/// Severity and verdict have colours on a terminal or with `--color`, and nowhere else.
#[test]
fn colours_of_severity_and_verdict() {
    let federation = Federation::small(12);
    let guardian = federation.guardian();
    let words = |more: &[&str]| -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![
            binary("fm-verify").into(),
            guardian.clone().into(),
            "--config".into(),
            guardian.clone().into(),
        ];
        words.extend(more.iter().map(OsString::from));
        words
    };
    const GREEN: &str = "\u{1b}[1;32mSOUND\u{1b}[0m";
    assert!(on_a_terminal(80, "", &words(&[])).exits(0).stdout.contains(GREEN));
    for (environment, more) in
        [("NO_COLOR=1", &[][..]), ("TERM=dumb", &[]), ("", &["--color", "never"]), ("FM_COLOR=never", &[])]
    {
        let run = on_a_terminal(80, environment, &words(more)).exits(0);
        assert!(!run.stdout.contains("\u{1b}[1;32m") && run.stdout.contains("SOUND"), "{:?}", run.stdout);
    }
    let run = verify!("--color", "always", guardian, "--config", guardian).exits(0);
    assert!(run.stdout.contains(GREEN), "{:?}", run.stdout);
    let run = verify!(guardian, "--config", guardian, "--color", "always", "--json").exits(0);
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
    verify!(guardian, "--color", "pink").exits(2);
}

/// `-q` leaves out progress and findings that are not errors, `-v` says what each stage took; the verdict is
/// the same.
#[test]
fn quiet_and_verbose() {
    let federation = Federation::small(12);
    let guardian = federation.guardian();
    let plain = verify!(guardian, "--config", guardian).exits(0);
    assert!(plain.stdout.contains("info    epoch-tip"), "{}", plain.stdout);
    let quiet = verify!("-q", guardian, "--config", guardian).exits(0);
    assert!(!quiet.stdout.contains("info ") && quiet.stderr.is_empty(), "{}", quiet.stdout);
    let verdict = |text: &str| text.lines().find(|line| line.starts_with("verdict")).map(str::to_owned);
    assert_eq!(verdict(&quiet.stdout), verdict(&plain.stdout));
    let verbose = verify!(guardian, "--config", guardian, "--verbose").exits(0);
    assert_eq!(verbose.stdout, plain.stdout);
    assert!(
        verbose.stderr.lines().any(|line| line.starts_with("epochs: 1") && line.ends_with(" s")),
        "{}",
        verbose.stderr
    );
    // The option before a subcommand works, too.
    verify!("-v", "show", guardian, "--epoch", "3").exits(0);
    verify!("-q", "-v", guardian).exits(2);
    let words: Vec<OsString> = vec![binary("fm-verify").into(), "-q".into(), guardian.into()];
    let run = on_a_terminal(80, "", &words).exits(4);
    assert!(!run.stdout.contains("\u{1b}[K"), "{:?}", run.stdout);
}
