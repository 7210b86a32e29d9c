//! What every program says of itself: completions for shells, manual pages, help without colours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fm_tests::{Run, binary, command, digest};

const PROGRAMS: [&str; 4] = ["fm-checkpoint", "fm-migrate", "fm-node", "fm-verify"];
const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn run(program: &str, words: &[&str]) -> Run {
    let words: Vec<_> = words.iter().map(std::ffi::OsString::from).collect();
    Run::of(program, &words)
}

/// Returns the subcommands that the help of a program names.
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
            for section in ["EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "FILES", "VERSION"] {
                let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
                assert!(heading.iter().any(|heading| page.contains(heading)), "{name} has no {section}");
            }
        }
        let before = fs::read_dir(&directory).expect("a directory").count();
        run(program, &words).exits(0);
        assert_eq!(fs::read_dir(&directory).expect("a directory").count(), before);
        // A file in place of the directory is not touched.
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

/// A row of the tables of variables: variable, then option or meaning.
type Row = (String, String);
/// Rows, and the commands that each belongs to.
type Table = BTreeMap<Row, BTreeSet<String>>;

/// Returns what the manual pages say under ENVIRONMENT: for each variable and its option (or, without one,
/// its meaning) the commands whose pages say so; and all commands.
fn variables() -> (Table, Table, BTreeSet<String>) {
    let home = tempfile::tempdir().expect("a directory");
    let (mut options, mut others, mut commands) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for program in PROGRAMS {
        run(program, &["man", home.path().to_str().expect("text")]).exits(0);
    }
    for entry in fs::read_dir(home.path()).expect("pages") {
        let page = fs::read_to_string(entry.expect("an entry").path()).expect("a page");
        let page = page.replace("\\-", "-").replace("\\*(Aq", "'");
        let section = |name: &str| page.split_once(&format!(".SH {name}\n")).expect("a section").1;
        let synopsis = section("SYNOPSIS").split_once("\\fB").expect("a name").1;
        let command = synopsis.split_once("\\fR").expect("a name").0.to_owned();
        let environment = section("ENVIRONMENT").split("\n.SH ").next().expect("a section");
        for entry in environment.split(".TP\n").skip(1) {
            let (head, text) = entry.split_once('\n').expect("a name and a text");
            let (variable, option) = head.split_once("\\fR").expect("a name");
            let variable = variable.trim_start_matches("\\fB").to_owned();
            let option = option.trim().trim_start_matches('(').trim_end_matches(')');
            let (table, second) =
                if option.is_empty() { (&mut others, text.trim()) } else { (&mut options, option) };
            let row: &mut BTreeSet<String> = table.entry((variable, second.to_owned())).or_default();
            row.insert(command.clone());
        }
        commands.insert(command);
    }
    (options, others, commands)
}

/// Groups commands by their program.
fn grouped(of: &BTreeSet<String>, all: &BTreeSet<String>) -> String {
    if of == all {
        return "every program".to_owned();
    }
    let mut groups = Vec::new();
    for program in PROGRAMS {
        let is_its = |command: &&String| command.split(' ').next() == Some(program);
        let its: Vec<&str> = of.iter().filter(is_its).map(String::as_str).collect();
        if its.len() == all.iter().filter(is_its).count() {
            groups.push(format!("`{program}`"));
            continue;
        }
        let mut group = String::new();
        for command in its {
            let name = command.strip_prefix(program).unwrap_or_default().trim();
            let name = if group.is_empty() { command } else { name };
            let comma = if group.is_empty() { "" } else { ", " };
            write!(group, "{comma}`{name}`").expect("text");
        }
        if !group.is_empty() {
            groups.push(group);
        }
    }
    groups.join("; ")
}

#[test]
fn the_documented_variables_are_those_of_the_programs() {
    let (options, others, commands) = variables();
    let mut tables = "| Variable | Option | Of |\n| --- | --- | --- |\n".to_owned();
    for ((variable, option), of) in &options {
        writeln!(tables, "| `{variable}` | `{option}` | {} |", grouped(of, &commands)).expect("text");
    }
    tables.push_str("\n| Variable | Without an option: its meaning | Of |\n| --- | --- | --- |\n");
    for ((variable, meaning), of) in &others {
        writeln!(tables, "| `{variable}` | {meaning} | {} |", grouped(of, &commands)).expect("text");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    let mut document = fs::read_to_string(&path).expect("the document");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        let (before, rest) = document.split_once("| Variable | Option | Of |").expect("the table");
        let after = rest.split_once("\n## ").expect("the next chapter").1;
        document = format!("{before}{tables}\n## {after}");
        fs::write(&path, &document).expect("the document can be written");
    }
    let how = "UPDATE_DOCUMENTS=1 cargo test --test repo manual writes it";
    assert!(document.contains(&tables), "docs/json.md, Environment, is to say ({how}):\n\n{tables}");
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| `FM_")).count();
    assert_eq!(rows(&document), rows(&tables), "docs/json.md has rows that no program has");
}

#[test]
fn the_version_names_the_commit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for program in PROGRAMS {
        let version = run(program, &["--version"]).exits(0).stdout;
        let rest = version.strip_prefix(&format!("{program} ")).expect("the program's name");
        assert!(rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(" (commit "), "{version}");
        let commit = rest.split_once("(commit ").expect("a commit").1;
        let commit = commit.split([' ', ')']).next().expect("a commit");
        if !root.join(".git").exists() {
            continue;
        }
        let date = rest.split_once(" of ").expect("a date").1.trim().trim_end_matches(')');
        assert!(date.len() == 10 && date.split('-').count() == 3, "{version}");
        let words = ["merge-base", "--is-ancestor", commit, "HEAD"];
        let known = Command::new("git").current_dir(&root).args(words).status().expect("git runs");
        assert!(known.success(), "{commit} is not in this history");
    }
}

/// The version without a repository, with stated values, and inside another repository.
#[test]
fn the_version_is_reproducible() {
    let home = tempfile::tempdir().expect("a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/fm-cli/build.rs");
    let built = home.path().join("build");
    let mut compiler = command("rustc");
    compiler.args(["--edition", "2024", "-o"]).arg(&built).arg(script);
    let output = compiler.output().expect("there is a compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let package = home.path().join("source/tools/fm-cli");
    fs::create_dir_all(&package).expect("a directory");
    let version = |variables: &[(&str, &str)]| {
        let mut line = command(&built);
        line.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        line.env("CARGO_MANIFEST_DIR", &package).env("CARGO_PKG_VERSION", "1.2.3").env("HOME", home.path());
        line.envs(variables.iter().copied());
        let text = String::from_utf8(line.output().expect("it runs").stdout).expect("text");
        // A missing file would trigger a rebuild every time.
        for path in text.lines().filter_map(|line| line.strip_prefix("cargo:rerun-if-changed=")) {
            assert!(path == "build.rs" || PathBuf::from(path).is_file(), "{path}");
        }
        text.lines()
            .find_map(|line| line.strip_prefix("cargo:rustc-env=FM_VERSION="))
            .expect("a version")
            .to_owned()
    };
    let stated = [("FM_BUILD_COMMIT", "0123456789abcdef0123"), ("SOURCE_DATE_EPOCH", "1709164800")];
    assert_eq!(version(&[]), "1.2.3 (commit unknown)");
    assert_eq!(version(&stated), "1.2.3 (commit 0123456789ab of 2024-02-29)");
    assert_eq!(version(&stated[..1]), "1.2.3 (commit 0123456789ab)");
    assert_eq!(
        version(&[("FM_BUILD_COMMIT", ""), ("SOURCE_DATE_EPOCH", "0")]),
        "1.2.3 (commit unknown of 1970-01-01)"
    );
    let git = |directory: &Path| {
        for words in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m"],
        ] {
            let mut line = command("git");
            line.env("HOME", home.path())
                .env("GIT_COMMITTER_DATE", "1709164800 +0000")
                .current_dir(directory);
            assert!(line.args(words).output().expect("git runs").status.success(), "{words:?}");
        }
    };
    fs::write(package.join("file"), "text").expect("a file");
    // A foreign repository around the source is not the source's repository.
    git(home.path());
    assert_eq!(version(&[]), "1.2.3 (commit unknown)");
    git(&home.path().join("source"));
    let own = version(&[]);
    assert!(own.ends_with(" of 2024-02-29)") && !own.contains("unknown"), "{own}");
    assert_eq!(version(&[]), own);
    assert_eq!(version(&[("SOURCE_DATE_EPOCH", "0")]), own.replace("2024-02-29", "1970-01-01"));
}

#[test]
fn codes_are_explained() {
    for program in PROGRAMS {
        let text = run(program, &["explain", "epoch-missing"]).exits(0).stdout;
        assert!(text.starts_with("epoch-missing: error\n") && text.contains("what to do: "), "{text}");
        assert!(run(program, &["explain", "11"]).exits(0).stdout.contains("locked"));
    }
    let failure = run("fm-verify", &["explain", "epoch-mising"]).exits(2);
    assert!(
        failure.sentence().contains("no code") && failure.stderr.contains("epoch-"),
        "{}",
        failure.stderr
    );
}

/// An example in every help text of every program, all of one style.
#[test]
fn every_help_text_has_an_example() {
    let (_, _, commands) = variables();
    assert!(commands.len() > 40, "{commands:?}");
    for command in &commands {
        let mut words: Vec<&str> = command.split(' ').collect();
        let program = words.remove(0);
        words.push("--help");
        let help = run(program, &words).exits(0).stdout;
        let examples =
            help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command} has none\n{help}")).1;
        assert!(examples.contains(command.as_str()), "{command}: {examples}");
        let first = help.split(' ').next().unwrap_or_default();
        assert!(
            first.starts_with(char::is_uppercase) && !first.ends_with('s'),
            "{command} begins with {first:?}"
        );
    }
}
