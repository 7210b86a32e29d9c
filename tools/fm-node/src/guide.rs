//! Examples, files and variables for the help and the manual pages.

use fm_cli::Guide;

/// What `fm-node` says in addition to its options.
pub(crate) const GUIDE: Guide = Guide {
    examples: &[
        (
            "",
            &[
                "fm-node dev --dir federation --load 10",
                "FM_PASSWORD=secret fm-node run --data-dir /var/lib/fm-node",
                "fm-node status --data-dir /var/lib/fm-node",
            ],
        ),
        ("run", &["fm-node run --data-dir /var/lib/fm-node"]),
        (
            "setup",
            &[
                "fm-node setup begin --data-dir /srv/new --name alice --p2p fedimint://a.example:8173 --api wss://a.example/",
            ],
        ),
        (
            "setup begin",
            &[
                "fm-node setup begin --data-dir /srv/new --name alice --p2p fedimint://a.example:8173 --api wss://a.example/",
            ],
        ),
        (
            "setup finish",
            &["fm-node setup finish --data-dir /srv/new --federation-name ours CODE-0 CODE-1 CODE-2 CODE-3"],
        ),
        ("setup carry-over", &["fm-node setup carry-over --data-dir /srv/converted --from /srv/guardian"]),
        ("dev", &["fm-node dev --dir federation --guardians 4 --load 10"]),
        ("status", &["fm-node status --data-dir /var/lib/fm-node"]),
        ("submit", &["fm-node submit --api ws://127.0.0.1:8174/"]),
        ("checkpoint", &["fm-node checkpoint --data-dir /var/lib/fm-node"]),
        ("shutdown", &["fm-node shutdown --data-dir /var/lib/fm-node --at-session 1200"]),
        ("announce", &["fm-node announce --api ws://127.0.0.1:8174/ --address wss://guardian.example/"]),
        (
            "recover-account",
            &[
                "fm-node recover-account --from wss://guardian.example/ --account 02… --state account.json --config guardian",
            ],
        ),
        ("load", &["fm-node load --dir federation --seconds 10"]),
    ],
    files: &[
        ("DIR/consensus.json", "The federation's public configuration."),
        ("DIR/local.json", "Where this guardian listens, and where it reaches the others."),
        (
            "DIR/private.json, or DIR/private.encrypt and DIR/private.salt",
            "The guardian's own keys: in clear, or under its password.",
        ),
        ("DIR/database", "The guardian's database."),
        ("DIR/db_checkpoints", "Checkpoints: one after every session, and those that were asked for."),
        ("DIR/equivocation-guard.json", "Until which session a restored guardian makes no units."),
    ],
    variables: &[
        ("FM_PASSWORD", "The guardian's password; without it the program asks for it."),
        (
            "FM_LOG",
            "What `run` logs to standard error, as debug, or warn,fm_peers=debug; it wins over --quiet and --verbose.",
        ),
    ],
};
