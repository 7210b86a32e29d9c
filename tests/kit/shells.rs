//! Real shells that complete words with the scripts that our programs print.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::{Run, binary, command};

/// Asks bash for its completions of the words in the arguments, through the function that the script
/// registers.
const BASH: &str = r#"
source "$COMPLETION_SCRIPT"
words=("$@")
function=$(complete -p "$1" | sed -n 's/.* -F \([^ ]*\).*/\1/p')
COMP_WORDS=("${words[@]}")
COMP_CWORD=$((${#words[@]} - 1))
"$function" "$1" "${words[COMP_CWORD]}" "${words[COMP_CWORD - 1]}" 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// What an interactive zsh reads at its start: Tab completes, Control-X writes the line to a file.
const ZSHRC: &str = r#"
fpath=("$ZDOTDIR" $fpath)
autoload -Uz compinit
compinit -u -D
PS1='READY> '
unsetopt beep
bindkey '^I' complete-word
completed() { print -r -- "$BUFFER" > "$COMPLETED"; exit }
zle -N completed
bindkey '^X' completed
"#;

/// Types words, Tab and Control-X into a zsh on a terminal of its own.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -d -i
zpty -r shell text '*READY>*'
zpty -w -n shell "$1"$'\t\x18'
for i in {1..200}; do [[ -s $COMPLETED ]] && break; sleep 0.1; done
cat "$COMPLETED"
"#;

/// A shell that completes the words of one program.
pub struct Completer {
    shell: &'static str,
    home: TempDir,
    script: PathBuf,
}

impl Completer {
    /// Creates a shell with the completions of a program; returns none, with a message on standard error, if
    /// the shell is not installed.
    ///
    /// # Panics
    ///
    /// If the shell is not installed where everything has to be tried (`CI` is set).
    pub fn new(shell: &'static str, program: &str) -> Option<Self> {
        if Command::new(shell).arg("-c").arg("true").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "{shell} is not installed");
            let line = format!("{shell} is not installed: its completion of {program} was NOT tried\n");
            // Not captured, unlike what a test prints.
            let _ = fs::write("/dev/stderr", line);
            return None;
        }
        let home = tempfile::tempdir().expect("a directory");
        // The name under which zsh finds the script.
        let script = home.path().join(format!("_{program}"));
        let text = Run::of(program, &["completions".into(), shell.into()]).exits(0).stdout;
        fs::write(&script, text).expect("a file");
        fs::write(home.path().join(".zshrc"), ZSHRC).expect("a file");
        Some(Self { shell, home, script })
    }

    /// Checks whether the shell offered this word.
    pub fn is_completed(&self, offered: &[String], to: &str) -> bool {
        match self.shell {
            // An option that takes a value gets its `=` as well.
            "zsh" => offered.iter().any(|line| line.trim_end().trim_end_matches('=').ends_with(to)),
            _ => offered.iter().any(|word| word == to),
        }
    }

    /// Returns the offered words; of zsh, the line that it completed.
    pub fn offers(&self, words: &str) -> Vec<String> {
        let mut line = command(self.shell);
        let completed = self.home.path().join("completed");
        let _ = fs::remove_file(&completed);
        line.env("HOME", self.home.path())
            .env("COMPLETION_SCRIPT", &self.script)
            .env("COMPLETED", &completed);
        line.env("ZDOTDIR", self.home.path()).env("TERM", "xterm").env("XDG_CONFIG_HOME", self.home.path());
        line.env("PATH", path_with_programs()).current_dir(self.home.path());
        match self.shell {
            "bash" => line.args(["--norc", "-c", BASH, "bash"]).args(words.split(' ')),
            "zsh" => line.args(["-f", "-c", ZSH, "zsh", words]),
            _ => line.args(["-c", "source $COMPLETION_SCRIPT; complete -C \"$argv[1]\"", words]),
        };
        let output = line.output().expect("the shell starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // fish prints a description after a word.
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().trim_end().to_owned()).collect()
    }
}

/// Returns a search path that begins with the tested programs.
fn path_with_programs() -> std::ffi::OsString {
    let own = binary("fm-verify").parent().map(OsStr::new).map(OsStr::to_owned).unwrap_or_default();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    [own, inherited].join(OsStr::new(":"))
}
