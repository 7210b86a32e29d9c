//! What every program can say of itself: completions for shells, manual pages, help without colours.

use std::collections::BTreeSet;
use std::fs;

use fm_tests::{Run, binary, command, digest};

const PROGRAMS: [&str; 3] = ["fm-migrate", "fm-node", "fm-verify"];
const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn run(program: &str, words: &[&str]) -> Run {
    let words: Vec<_> = words.iter().map(std::ffi::OsString::from).collect();
    Run::of(program, &words)
}

/// The subcommands that the help of a program names.
fn subcommands(program: &str) -> BTreeSet<String> {
    let help = run(program, &["--help"]).exits(0).stdout;
    let list = help.split_once("Commands:\n").expect("a list of commands").1;
    let list = list.split_once("\n\n").map_or(list, |(list, _)| list);
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn completions_know_every_subcommand_in_every_shell() {
    for program in PROGRAMS {
        let names = subcommands(program);
        assert!(names.len() > 3 && names.contains("completions") && names.contains("man"), "{names:?}");
        for shell in SHELLS {
            let script = run(program, &["completions", shell]).exits(0);
            assert_eq!(script.stderr, "");
            for name in &names {
                assert!(script.stdout.contains(name.as_str()), "{program} {shell} {name}");
            }
        }
        run(program, &["completions", "dos"]).exits(2);
        run(program, &["completions"]).exits(2);
    }
}

#[test]
fn bash_reads_its_completions() {
    for program in PROGRAMS {
        let script = run(program, &["completions", "bash"]).exits(0).stdout;
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("completion");
        fs::write(&file, script).expect("a file");
        let output = command("/bin/bash").arg("-n").arg(&file).output().expect("there is a bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_manual_page_for_each_subcommand() {
    for program in PROGRAMS {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("share/man1");
        let words = ["man", directory.to_str().expect("text")];
        run(program, &words).exits(0);
        let own = fs::read_to_string(directory.join(format!("{program}.1"))).expect("a page");
        assert!(own.contains(".TH ") && own.contains("Exit status"), "{own:.500}");
        for name in subcommands(program) {
            let page = fs::read_to_string(directory.join(format!("{program}-{name}.1"))).expect("a page");
            assert!(page.contains(&format!(".TH {program}-{name} ")), "{name}: {page:.300}");
        }
        let before = fs::read_dir(&directory).expect("a directory").count();
        run(program, &words).exits(0);
        assert_eq!(fs::read_dir(&directory).expect("a directory").count(), before);
        // A file in the place of the directory is not touched.
        let file = home.path().join("file");
        fs::write(&file, "mine").expect("a file");
        let before = digest(home.path());
        run(program, &["man", file.to_str().expect("text")]).exits(3).sentence();
        assert_eq!(digest(home.path()), before);
    }
}

#[test]
fn no_colours_where_none_are_wanted() {
    for program in PROGRAMS {
        for words in [&["--help"][..], &["--no-such-option"]] {
            // A terminal, made by script(1), would get colours.
            let mut line = command("script");
            let inner = format!("{} {}", binary(program).display(), words[0]);
            line.args(["-qec", &inner, "/dev/null"]).env("NO_COLOR", "1").env("TERM", "xterm-256color");
            let Ok(output) = line.output() else { return };
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains(program) && !text.contains("\u{1b}[3"), "{text:?}");
        }
    }
}
