//! What the stories share: the programs as processes, the fixtures, and views of directories from outside.
//!
//! Nothing in here knows how the programs work: they are started, and judged by what they say and leave.

mod archives;
mod attacker;
mod binaries;
mod browser;
mod byzantine;
mod changes;
mod clock;
mod dev;
mod disk;
mod faults;
mod files;
mod fixtures;
mod manners;
mod migrated;
mod movable;
mod mutated;
mod network;
mod nodes;
mod power;
mod random;
mod restores;
mod restoring;
mod rogue;
mod run;
mod sealing;
mod served;
mod served_epochs;
mod sessions;
mod shells;
mod store;
mod swollen;
mod terminal;
mod unsteady;
mod upgrade;

pub use archives::{flipped, metadata_of, records_of, rewritten};
pub use attacker::Attacker;
pub use binaries::binary;
pub use browser::{browser, look};
pub use byzantine::{Byzantine, Crimes};
pub use changes::{Change, contributions, dropping, module_item, module_item_of_block, unchanged};
pub use clock::Clock;
pub use dev::{Dev, runs, send};
pub use disk::{ON_A_NEARLY_FULL_DISK, ON_A_SMALL_DISK};
pub use faults::{Fault, command_with_fault, run_with_fault};
pub use files::{copy_dir, digest, file_list, partial_of, rows, rows_under};
pub use fixtures::{DAMAGED, Federation, fixture, hbbft, keys_of, snapshots, truth};
pub use manners::Manners;
pub use migrated::{
    MIGRATED_CODES, converted, edit_manifest, manifest, restate_archive, rewrite_archive, rewrite_database,
    root,
};
pub use movable::Movable;
pub use network::{Network, Weather};
pub use nodes::{Nodes, least_of, readdressed};
pub use power::{Held, PowerDisk, with_own_mounts};
pub use random::Random;
pub use restores::Restorable;
pub use restoring::{NEW_DATABASE, Restoring, keep_times};
pub use rogue::{Attack, Rogue};
pub use run::{Run, codes, command, finished, shell, signalled, started};
pub use rustix::process::Signal;
pub use sealing::{attest, forge_attestation, seal};
pub use served::{Lie, Served};
pub use served_epochs::ServedEpochs;
pub use sessions::{Guardian, SESSION_CODES, Sessions, fixture_json, guardians, layout};
pub use shells::Completer;
pub use store::Store;
pub use swollen::Swollen;
pub use terminal::{Screen, on_a_terminal};
pub use unsteady::{Mishaps, Unsteady};
pub use upgrade::{OLD_PASSWORD, carry_over, carry_over_words, hash_to_confirm, sealed_guardians};

/// Runs `fm-migrate` with the arguments, to its end.
#[macro_export]
macro_rules! migrate {
    ($($argument:expr),* $(,)?) => {
        $crate::Run::of("fm-migrate", &[$(::std::ffi::OsStr::new(&$argument).to_owned()),*])
    };
}

/// Runs `fm-verify` with the arguments, to its end.
#[macro_export]
macro_rules! verify {
    ($($argument:expr),* $(,)?) => {
        $crate::Run::of("fm-verify", &[$(::std::ffi::OsStr::new(&$argument).to_owned()),*])
    };
}

/// Runs `fm-checkpoint` with the arguments, to its end.
#[macro_export]
macro_rules! checkpoint {
    ($($argument:expr),* $(,)?) => {
        $crate::Run::of("fm-checkpoint", &[$(::std::ffi::OsStr::new(&$argument).to_owned()),*])
    };
}
