//! Completion scripts for shells: clap's own, with corrections for the places where a shell failed to
//! complete.
//!
//! Invariant: each correction replaces a text that clap_complete 4.6 writes and does nothing if that text is
//! absent. The story of completions shows that real shells complete real words.

use clap::Command;
use clap_complete::Shell;

/// Returns the script for a shell.
pub(crate) fn completions(shell: Shell, command: Command) -> String {
    let name = command.get_name().to_owned();
    let commands: Vec<String> = command
        .get_subcommands()
        .map(|inner| inner.get_name().to_owned())
        .chain(["help".to_owned()])
        .collect();
    let takes_a_source = command.get_positionals().next().is_some() && command.has_subcommands();
    match shell {
        Shell::Bash => bash(&generated(shell, command, &name), &name),
        Shell::Fish => {
            let lists = positional_lists(&command, &name);
            fish(&generated(shell, command, &name), takes_a_source.then_some(&commands)) + &lists
        }
        Shell::Zsh if takes_a_source => zsh(&generated(shell, without_positionals(&command), &name), &name),
        _ => generated(shell, command, &name),
    }
}

fn generated(shell: Shell, mut command: Command, name: &str) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Corrects the script for Bash. clap writes a hyphen in the program's name in one way where the script finds
/// the current subcommand and in another where it looks that subcommand up, so no subcommand's words were
/// completed.
fn bash(script: &str, name: &str) -> String {
    let (found, looked_up) = (name.replace('-', "__"), name.replace('-', "__subcmd__"));
    script.replace(&format!("{looked_up}__subcmd__"), &format!("{found}__subcmd__"))
}

/// Corrects the script for fish. It gave up at an option that still lacks its value, and a first word that is
/// not a subcommand (such as the source that `fm-verify` takes) ended all completion.
fn fish(script: &str, commands: Option<&Vec<String>>) -> String {
    let mut mended = String::new();
    let mut parse = "";
    for line in script.lines() {
        if line.trim_start().starts_with("argparse -s ") {
            parse = line.trim();
        }
        match (line.trim(), commands) {
            ("or return", _) if !parse.is_empty() => {
                mended.push_str(&format!("\tor begin\n\t\tset -e cmd[-1]\n\t\t{parse}\n\tend\n\tor return"));
                parse = "";
            }
            ("if set -q argv[1]", Some(commands)) => {
                mended.push_str(&format!("\tif contains -- \"$argv[1]\" {}", commands.join(" ")));
            }
            _ => mended.push_str(line),
        }
        mended.push('\n');
    }
    mended
}

/// Returns completions for the values of a subcommand's arguments, which the script for fish leaves out.
fn positional_lists(command: &Command, name: &str) -> String {
    let mut lists = String::new();
    for inner in command.get_subcommands() {
        for argument in inner.get_positionals() {
            let values = argument.get_possible_values();
            let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            if !values.is_empty() {
                let condition =
                    format!("__fish_{}_using_subcommand {}", name.replace('-', "_"), inner.get_name());
                lists.push_str(&format!(
                    "complete -c {name} -n \"{condition}\" -f -a \"{}\"\n",
                    values.join(" ")
                ));
            }
        }
    }
    lists
}

/// Returns the command without its positional arguments, for a script that cannot choose between a subcommand
/// and a source.
fn without_positionals(command: &Command) -> Command {
    let options = command.get_arguments().filter(|argument| !argument.is_positional());
    Command::new("program")
        .version(crate::version())
        .args(options.cloned())
        .subcommands(command.get_subcommands().cloned())
}

/// Corrects the script for zsh: the first word is a subcommand or a source, and the program's own options are
/// completed after a source.
fn zsh(script: &str, name: &str) -> String {
    const BEGIN: &str = "_arguments \"${_arguments_options[@]}\" : \\\n";
    let choice = format!("\":: :_{name}_commands\" \\\n");
    let mended = || {
        let options = script.split_once(BEGIN)?.1.split_once(&choice)?.0;
        // The first function is the program's own; its last cases are its subcommands.
        let end = script[..script.find("\n}\n")?].rfind("\n        esac\n")?;
        let of_a_source = format!("\n(*)\n{BEGIN}{options}\"*:source:_files\" \\\n&& ret=0\n;;");
        let either = format!("\"::command or source:{{_{name}_commands; _files}}\" \\\n");
        let (before, after) = script.split_at(end);
        Some(format!("{}{of_a_source}{after}", before.replacen(&choice, &either, 1)))
    };
    mended().unwrap_or_else(|| script.to_owned())
}
