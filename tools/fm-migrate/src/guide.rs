//! Examples, files and variables for the help and the manual pages.

use fm_cli::Guide;

/// What `fm-migrate` says in addition to its options.
pub(crate) const GUIDE: Guide = Guide {
    examples: &[
        (
            "",
            &[
                "fm-migrate inspect /srv/guardian --config /srv/guardian",
                "fm-migrate check --from /srv/guardian --config /srv/guardian",
                "fm-migrate convert --from /srv/guardian --config /srv/guardian --to /srv/converted",
            ],
        ),
        ("inspect", &["fm-migrate inspect /srv/guardian --config /srv/guardian"]),
        ("check", &["fm-migrate check --from /srv/guardian --config /srv/guardian"]),
        (
            "convert",
            &[
                "fm-migrate convert --from /srv/guardian --config /srv/guardian --to /srv/converted",
                "fm-migrate convert --from /srv/guardian --keys keys.json --to /srv/converted --until 318",
            ],
        ),
        ("map", &["fm-migrate map --dir /srv/converted > epoch-map.ndjson"]),
        ("attest", &["fm-migrate attest --dir /srv/converted --config /srv/guardian --out /srv/of-0"]),
        ("seal", &["fm-migrate seal --dir /srv/converted --config /srv/guardian of-0 of-1 of-2"]),
        ("revert", &["fm-migrate revert --from /srv/converted --to /srv/reverted"]),
        (
            "units",
            &[
                "fm-migrate units /srv/guardian --config /srv/guardian",
                "fm-migrate units guardian-0 guardian-1 --config guardian-0 --replay",
            ],
        ),
    ],
    files: &[
        ("DIR/database", "The guardian's database; a source is only read."),
        (
            "DIR/consensus.json",
            "The federation's public configuration, with the keys that histories are signed with.",
        ),
        (
            "DIR/private.json, or DIR/private.encrypt and DIR/private.salt",
            "The guardian's own keys, which `attest` signs with.",
        ),
        ("TARGET.partial", "A result that is being written; the same command replaces it after a kill."),
        ("TARGET/manifest.json", "What was converted, and the history root of the result."),
        ("TARGET/provenance.fmar", "Every row of the old database: the way back."),
    ],
    variables: &[(
        "FM_PASSWORD",
        "The password of private.encrypt, for `attest`; without it the program asks for it.",
    )],
};
