//! Examples, files and variables for the help and the manual pages.

use fm_cli::Guide;

/// What `fm-checkpoint` says in addition to its options.
pub(crate) const GUIDE: Guide = Guide {
    examples: &[
        (
            "",
            &[
                "fm-checkpoint list --data-dir /srv/guardian",
                "fm-checkpoint export /srv/guardian --to /mnt/backup/guardian.fmar --config /srv/guardian",
                "fm-checkpoint restore --data-dir /srv/guardian --checkpoint 24 --dry-run",
            ],
        ),
        ("list", &["fm-checkpoint list --data-dir /srv/guardian --config /srv/guardian"]),
        ("create", &["fm-checkpoint create --data-dir /srv/guardian"]),
        (
            "prune",
            &[
                "fm-checkpoint prune --data-dir /srv/guardian --keep 5 --dry-run",
                "fm-checkpoint prune --data-dir /srv/guardian --older-than 7d",
            ],
        ),
        (
            "export",
            &[
                "fm-checkpoint export /srv/guardian --to guardian.fmar --config /srv/guardian",
                "fm-checkpoint export /srv/guardian --to s3://backups/guardian.fmar --config /srv/guardian",
                "fm-checkpoint export /srv/guardian --to a.fmar --with-config a.tar.age --recipient age1…",
                "fm-checkpoint export /srv/guardian --to new.fmar --since old.fmar --config /srv/guardian",
            ],
        ),
        ("inspect", &["fm-checkpoint inspect guardian.fmar"]),
        ("verify", &["fm-checkpoint verify guardian.fmar --config /srv/guardian"]),
        ("import", &["fm-checkpoint import guardian.fmar --to /srv/imported --config /srv/guardian"]),
        ("get", &["fm-checkpoint get guardian.fmar --session 24"]),
        ("cat", &["fm-checkpoint cat guardian.fmar --from 02 --before 03"]),
        ("repair", &["fm-checkpoint repair broken.fmar --from copy.fmar --to whole.fmar"]),
        ("compare", &["fm-checkpoint compare guardian-0.fmar guardian-1.fmar guardian-2.fmar"]),
        (
            "restore",
            &[
                "fm-checkpoint restore --data-dir /srv/guardian --checkpoint 24 --dry-run",
                "fm-checkpoint restore --data-dir /srv/guardian --archive guardian.fmar --compare other.fmar",
                "fm-checkpoint restore --data-dir /srv/new --backup guardian.tar --archive guardian.fmar",
            ],
        ),
        ("status", &["fm-checkpoint status --data-dir /srv/guardian"]),
        (
            "move",
            &[
                "fm-checkpoint move --data-dir /srv/guardian --to /mnt/backup/guardian.fmar --dry-run",
                "fm-checkpoint move --data-dir /srv/guardian --undo --guard-until none",
            ],
        ),
        ("undo", &["fm-checkpoint undo --data-dir /srv/guardian --dry-run"]),
    ],
    files: &[
        ("DIR/database", "The guardian's database."),
        ("DIR/db_checkpoints", "Checkpoints, each a directory of its own."),
        (
            "DIR/consensus.json",
            "The federation's public configuration, with the keys that histories are signed with.",
        ),
        ("DIR/equivocation-guard.json", "Until which session a restored guardian makes no units."),
        ("DIR/moved.json", "Says that the guardian was moved away; nothing starts in DIR while it is there."),
        ("DIR/moved-…", "The database and the private keys of a guardian that was moved away."),
        ("DIR/database.broken-…", "The database that a restore replaced."),
        ("FILE.fmar", "An archive; FILE.fmar.partial while it is written."),
    ],
    variables: &[
        (
            "FM_PASSWORD",
            "The guardian's password. `create` of a running fm-node needs it, and asks for it; `restore --backup` checks \
             encrypted private keys with it.",
        ),
        (
            "FM_S3_COPY_MAX",
            "The largest object that the store copies by one request, in bytes (5 GiB), for s3://.",
        ),
        ("AWS_…", "Keys, region and endpoint of an object store, for s3://; docs/checkpoints.md lists them."),
    ],
};
