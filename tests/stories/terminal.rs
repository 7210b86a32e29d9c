//! What a person sees: progress with rate and time left on a terminal, and nothing of it in a pipe.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use fm_forge::ForgeSpec;
use fm_tests::{Federation, Run, binary, command, converted, migrate, shell, verify};

fn federation() -> Federation {
    Federation::new(ForgeSpec {
        epochs: 2500,
        items_per_epoch: 12,
        with_shares: false,
        sign_every: 2,
        ..ForgeSpec::default()
    })
}

/// Runs under a pseudo terminal; standard output has what both streams showed.
fn on_a_terminal(environment: &str, words: &[OsString]) -> Run {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let line = format!("env TERM=xterm {environment} {}", quoted.join(" "));
    shell("exec script -qec \"$1\" /dev/null", &[line.into()])
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
        let run = on_a_terminal(environment, &words).exits(0);
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
    let run = on_a_terminal("", &words).exits(0);
    assert!(run.stdout.contains("/2,500 epochs, ") && run.stdout.contains("SOUND"), "{:?}", run.stdout);
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

/// A reader that went away, as `| head -1` does, ends no program with a panic.
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

/// A full disk behind standard output is no success.
#[test]
fn output_that_cannot_be_written() {
    let federation = Federation::small(12);
    let guardian = federation.guardian();
    let words: [OsString; 2] = [binary("fm-verify").into(), guardian.into()];
    let run = shell("\"$1\" \"$2\" --config \"$2\" --json > /dev/full", &words);
    assert!(matches!(run.exit, 3 | 13), "{}: {}", run.exit, run.stderr);
    run.sentence();
}
