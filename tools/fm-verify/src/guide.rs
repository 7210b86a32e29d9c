//! Examples, files and variables for the help and the manual pages.

use fm_cli::Guide;

/// What `fm-verify` says in addition to its options.
pub(crate) const GUIDE: Guide = Guide {
    examples: &[
        (
            "",
            &[
                "fm-verify /srv/guardian --config /srv/guardian",
                "fm-verify history.fmar --keys keys.json --json",
                "fm-verify diff /srv/guardian /mnt/guardian-2 --config /srv/guardian",
                "fm-verify wss://guardian.example/ --guardians all --config consensus.json",
                "fm-verify wss://guardian.example/ --config consensus.json --follow --state followed.json",
            ],
        ),
        (
            "diff",
            &[
                "fm-verify diff /srv/guardian /mnt/guardian-2 --config /srv/guardian",
                "fm-verify diff a.fmar b.fmar --keys keys.json --evidence evidence.json",
            ],
        ),
        ("check-evidence", &["fm-verify check-evidence evidence.json --config /srv/guardian"]),
        (
            "prove",
            &["fm-verify prove /srv/guardian --session 24 --item 3 --config /srv/guardian --out proof.json"],
        ),
        ("check-proof", &["fm-verify check-proof proof.json --keys keys.json"]),
        (
            "keys",
            &["fm-verify keys /srv/guardian", "fm-verify keys /srv/guardian/consensus.json --out keys.json"],
        ),
        ("keygen", &["fm-verify keygen --name auditor.example --out auditor.key"]),
        ("money", &["fm-verify money /srv/guardian --config /srv/guardian"]),
        ("report", &["fm-verify report /srv/guardian --config /srv/guardian --html report.html"]),
        (
            "show",
            &[
                "fm-verify show /srv/guardian --session 24 --config /srv/guardian",
                "fm-verify show /srv/guardian --unit 2:17 --config /srv/guardian",
            ],
        ),
    ],
    files: &[
        ("DIR/database", "The guardian's database; it is only read."),
        (
            "DIR/consensus.json",
            "The federation's public configuration, with the keys that histories are signed with.",
        ),
        ("FILE.fmar", "An archive of a history or of a whole database."),
        ("DIR/provenance.fmar, DIR/manifest.json", "What a migrated directory holds beside its database."),
        (
            "FILE named by --trust-file",
            "What an earlier audit proved; it is replaced at the end of a sound one.",
        ),
        ("FILE named by --state", "Up to where --follow has audited; it is replaced after every session."),
    ],
    variables: &[(
        "FM_API_SECRET",
        "The API secret of a running federation that lets in only those who know it; otherwise that of the invite code.",
    )],
};
