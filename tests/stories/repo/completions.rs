//! bash, zsh and fish complete real words of the programs: subcommands, options, and names from lists.

use fm_tests::Completer;

/// The typed words, and what the last word becomes. They include values of options, nested subcommands, and
/// options after the subcommands of each of the four programs.
const WORDS: &[(&str, &[(&str, &str)])] = &[
    (
        "fm-verify",
        &[
            ("fm-verify check-e", "check-evidence"),
            ("fm-verify diff --evi", "--evidence"),
            ("fm-verify check-evidence --js", "--json"),
            ("fm-verify --layout bigs", "bigsize"),
            ("fm-verify show --layout bigs", "bigsize"),
            ("fm-verify --color alw", "always"),
            ("fm-verify diff --color nev", "never"),
            ("fm-verify --trust", "--trust-file"),
            ("fm-verify /tmp --trust", "--trust-file"),
            ("fm-verify /tmp --layout bigs", "bigsize"),
        ],
    ),
    (
        "fm-checkpoint",
        &[
            ("fm-checkpoint expl", "explain"),
            ("fm-checkpoint export --profile hea", "headers"),
            ("fm-checkpoint export --accept-f", "--accept-findings"),
            ("fm-checkpoint restore --dry", "--dry-run"),
            ("fm-checkpoint explain archive-mis", "archive-misstated"),
        ],
    ),
    (
        "fm-migrate",
        &[
            ("fm-migrate conv", "convert"),
            ("fm-migrate units --form aleph-0.36", "aleph-0.36"),
            ("fm-migrate convert --target", "--target-version"),
            ("fm-migrate completions zs", "zsh"),
        ],
    ),
    (
        "fm-node",
        &[
            ("fm-node setup carry", "carry-over"),
            ("fm-node setup begin --na", "--name"),
            ("fm-node run --beside-servers v0.6", "v0.6"),
            ("fm-node shutdown --at", "--at-session"),
        ],
    ),
];

#[track_caller]
fn completes_what_is_typed(shell: &'static str) {
    for (program, words) in WORDS {
        let Some(completer) = Completer::new(shell, program) else { continue };
        for (typed, word) in *words {
            let offered = completer.offers(typed);
            assert!(completer.is_completed(&offered, word), "{shell}: {typed:?} offers {offered:?}");
        }
    }
}

#[test]
fn bash_completes_what_is_typed() {
    completes_what_is_typed("bash");
}

#[test]
fn zsh_completes_what_is_typed() {
    completes_what_is_typed("zsh");
}

#[test]
fn fish_completes_what_is_typed() {
    completes_what_is_typed("fish");
}

/// The lists are offered whole.
#[test]
fn lists_of_names_are_offered() {
    for shell in ["bash", "fish"] {
        let lists = [
            ("fm-checkpoint", "fm-checkpoint export --profile ", vec!["full", "history", "headers"]),
            (
                "fm-migrate",
                "fm-migrate units --form ",
                vec!["aleph-0.20-items", "aleph-0.20-bytes", "aleph-0.30", "aleph-0.36"],
            ),
            ("fm-verify", "fm-verify --layout ", vec!["fixed-le", "bigsize"]),
        ];
        for (program, typed, names) in lists {
            let Some(completer) = Completer::new(shell, program) else { continue };
            let offered = completer.offers(typed);
            for name in names {
                assert!(offered.iter().any(|word| word == name), "{shell}: {typed:?} offers {offered:?}");
            }
        }
    }
}
