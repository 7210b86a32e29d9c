//! Why an archive, database or directory does not suit a job.

use fm_archive::ArchiveError;
use fm_eras::Era;
use fm_history::Hash;
use thiserror::Error;

use crate::Profile;

/// Why a file or directory does not suit a job. The text continues a sentence that begins with its path.
#[expect(missing_docs, reason = "the message of a variant names its fields")]
#[derive(Debug, Error)]
pub enum Unfit {
    /// The signatures of its era are checked with the whole content.
    #[error(
        "is of era {era}, whose signatures are checked with the whole content only: there is no profile `headers` of it"
    )]
    NoHeaders { era: Era },
    /// An encrypted archive without its key, in any copy.
    #[error(
        "cannot be repaired: the header of its encryption is damaged, and with it the key to all of it; give another copy \
         of the same file with --from"
    )]
    KeyLost,
    /// Not an archive that a repair can read.
    #[error("is not an archive that can be repaired: {0}")]
    Irreparable(ArchiveError),
    /// No copy of an archive has header and index.
    #[error("cannot be repaired: no copy has a sound header and index ({})", reasons.join("; "))]
    NoPlan {
        /// One for each copy.
        reasons: Vec<String>,
    },
    /// A damaged archive that says nothing about itself.
    #[error(
        "cannot be repaired: its header and its index are lost, and nothing else says which archive it was; if there is a \
         whole copy, use that one"
    )]
    Nameless,
    /// An archive of other records.
    #[error("is not a copy of that archive: its identity is {found}, the other one's {wanted}; leave it out")]
    OtherIdentity { found: Hash, wanted: Hash },
    /// An archive with another identity than the index of the damaged one.
    #[error(
        "is not a copy of that archive: its identity is not the one in the index of {broken}; leave it out"
    )]
    OtherIndex { broken: String },
    /// An archive with another header than the damaged one.
    #[error(
        "is not a copy of that archive: its {name} is {found:?}, and {wanted:?} in the header of {broken}; leave it out"
    )]
    OtherHeader { name: String, found: String, wanted: String, broken: String },
    /// An archive with another record than the damaged one.
    #[error(
        "is not a copy of that archive: {broken} holds another record at the key {}; leave it out",
        hex::encode(key)
    )]
    OtherRecord {
        broken: String,
        /// The first key at which they differ.
        key: Vec<u8>,
    },
    /// A database where a data directory is expected.
    #[error("is not a data directory (it has no `database`): name the checkpoint with --to")]
    NotADataDir,
    /// A file where a directory is expected.
    #[error("is not a directory")]
    NotADirectory,
    /// A base that is not needed.
    #[error("is not an increment: leave --base (FM_BASE) out")]
    NotAnIncrement,
    /// A base that no increment continues.
    #[error("is not an archive of a whole state, and an increment continues only such an archive")]
    NotABase,
    /// An archive without rows from which a layout is detected, and without its name.
    #[error("does not name its layout")]
    NoLayout,
    /// A file that is too large for a guardian's backup.
    #[error("has more than {most} bytes, and no guardian's backup has")]
    TooLarge { most: u64 },
    /// A directory that holds something else than a database.
    #[error("holds {name:?}, which is not a file of a database: nothing was removed")]
    ForeignFile { name: String },
    /// An archive with too few records for another profile.
    #[error("is of the profile {has}: it does not hold what {wanted} asks for")]
    OtherProfile { has: Profile, wanted: Profile },
    /// An archive with too few records for a database.
    #[error("is of the profile {has}: a database needs every row")]
    NotFull { has: Profile },
    /// An increment of a part of a state.
    #[error("cannot be written as an increment of another profile than full")]
    PartialIncrement,
    /// An archive whose records are not those of a database.
    #[error("is of the kind {kind:?}: its records are not the rows of a database")]
    OtherKind {
        /// As its header says.
        kind: String,
    },
}
