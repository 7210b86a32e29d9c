//! The names of the files and directories in a guardian's data directory.
//!
//! Invariant: each name is defined only here, with the program that writes the file.
//!
//! Source of the names that servers give: src/config/io.rs of fedimint-server 0.5.0, 0.9.0 (`new`, `bak`) and
//! 0.12.0 (`private.json`).

use crate::checkpoint_name::CHECKPOINTS_NAME;
use crate::moved::MOVED_NAME;
use crate::signed::SIGNED_NAME;

/// The database of a guardian.
pub const DATABASE_NAME: &str = "database";
/// The lock that servers hold on the database, since v0.7. Source: fedimint-db-locked 0.13.0, src/lib.rs.
pub const SERVER_LOCK: &str = "database.db.lock";
/// The configuration that all guardians share.
pub const CONSENSUS: &str = "consensus.json";
/// This guardian's own configuration without secrets; a directory that has it is a guardian's.
pub const LOCAL: &str = "local.json";
/// The facts about the federation that clients need.
pub const CLIENT: &str = "client.json";
/// The unencrypted secrets, since v0.12.
pub const PRIVATE: &str = "private.json";
/// The secrets under a password, until v0.11.
pub const ENCRYPTED: &str = "private.encrypt";
/// The salt of the password.
pub const SALT: &str = "private.salt";
/// The password, if a guardian stores it for its server.
pub const PASSWORD: &str = "password.private";
/// The invite code that servers write for their operator.
pub const INVITE_CODE: &str = "invite-code";
/// The file that a server of v0.9 to v0.11 writes before it renames it to [`ENCRYPTED`].
pub const ENCRYPTED_NEW: &str = "private.new";
/// The copy of [`ENCRYPTED`] that such a server keeps until its next start.
pub const ENCRYPTED_OLD: &str = "private.bak";
/// The new file for [`PASSWORD`], like [`ENCRYPTED_NEW`].
pub const PASSWORD_NEW: &str = "password.new";
/// The copy of [`PASSWORD`], like [`ENCRYPTED_OLD`].
pub const PASSWORD_OLD: &str = "password.bak";
/// The equivocation guard, written by restores: see `docs/formats/equivocation-guard.md`.
pub const GUARD_NAME: &str = "equivocation-guard.json";
/// The directory in which restores record what they do.
pub const JOURNAL_NAME: &str = "restore-journal";
/// The file that marks a database which a restore put in place.
pub const RESTORED_NAME: &str = ".fm-restore";
/// The file to which `fm-node dev` and services write a guardian's output.
const LOG: &str = "log";
/// The end of the name of a file that is being replaced.
const NEW: &str = ".new";

const BROKEN: &str = ".broken-";
const UNDONE: &str = ".undone-";
const RESTORE: &str = ".restore-";
const FAILURE: &str = "consensus-failure-";

const FILES: [&str; 18] = [
    SERVER_LOCK,
    CONSENSUS,
    LOCAL,
    CLIENT,
    PRIVATE,
    ENCRYPTED,
    SALT,
    PASSWORD,
    INVITE_CODE,
    ENCRYPTED_NEW,
    ENCRYPTED_OLD,
    PASSWORD_NEW,
    PASSWORD_OLD,
    GUARD_NAME,
    SIGNED_NAME,
    MOVED_NAME,
    LOG,
    DATABASE_NAME,
];

/// Returns the name of a database that a restore replaced, by the time at which the restore began.
pub fn broken_name(began: &str) -> String {
    format!("{DATABASE_NAME}{BROKEN}{began}")
}

/// Returns the name of a restored database after it was taken back, by the time at which that began.
pub fn undone_name(began: &str) -> String {
    format!("{DATABASE_NAME}{UNDONE}{began}")
}

/// Returns the name of a restore's database while it is being made, by the restore's number.
pub fn incoming_name(number: u32) -> String {
    format!("{DATABASE_NAME}{RESTORE}{number}.partial")
}

/// Returns whether a restore left a database under this name: an old one, one that was taken back, or an
/// unfinished one.
pub fn is_kept_database(name: &str) -> bool {
    let rest = name.strip_prefix(DATABASE_NAME);
    rest.is_some_and(|rest| [BROKEN, UNDONE, RESTORE].iter().any(|what| rest.starts_with(what)))
}

/// Returns the name of the bundle that a node writes if the federation agreed on something else than the node
/// in this session.
pub fn failure_name(session: u64) -> String {
    format!("{FAILURE}{session}.json")
}

/// Returns whether a server, a node or a restore makes an entry of this name in a guardian's data directory.
pub fn is_known_entry(name: &str, is_file: bool) -> bool {
    if !is_file {
        return [DATABASE_NAME, CHECKPOINTS_NAME, JOURNAL_NAME].contains(&name) || is_kept_database(name);
    }
    let failure = name.strip_prefix(FAILURE).and_then(|rest| rest.strip_suffix(".json"));
    FILES.contains(&name.strip_suffix(NEW).unwrap_or(name))
        || FILES.contains(&name)
        || failure.is_some_and(|session| session.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_honest_guardians_have_in_their_directories_is_known() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        for guardian in ["session-v0.5.0/peer-0", "session-v0.13.0/peer-0", "session-v0.13.0-single/peer-0"] {
            for entry in std::fs::read_dir(fixtures.join(guardian)).unwrap() {
                let entry = entry.unwrap();
                let (name, is_file) = (entry.file_name().into_string().unwrap(), entry.path().is_file());
                assert!(is_known_entry(&name, is_file), "{guardian} has {name}");
            }
        }
        for name in [broken_name("20261121T093000Z"), undone_name("20261121T093000Z"), incoming_name(3)] {
            assert!(is_known_entry(&name, false) && !is_known_entry(&name, true), "{name}");
        }
        for name in [failure_name(321), format!("{GUARD_NAME}{NEW}"), format!("{SIGNED_NAME}{NEW}")] {
            assert!(is_known_entry(&name, true) && !is_known_entry(&name, false), "{name}");
        }
    }

    #[test]
    fn what_nobody_makes_there_is_not_known() {
        for name in [
            "",
            ".new",
            "notes.txt",
            "databases",
            "database-old",
            "consensus-failure-x.json",
            "consensus.json.old",
        ] {
            assert!(!is_known_entry(name, true) && !is_known_entry(name, false), "{name}");
        }
        assert!(!is_known_entry(CONSENSUS, false) && !is_known_entry(CHECKPOINTS_NAME, true));
    }
}
