//! What keeps a program from reading or writing without damage: permissions, limits, devices, file systems.
//!
//! Invariant: an error is damage only if RocksDB read the bytes and found them wrong. A refusal by the
//! operating system says nothing about the bytes.

use std::io;

use rocksdb::ErrorKind;
use rustix::io::Errno;

/// How RocksDB begins an error of the operating system.
const SYSTEM: &str = "IO error: ";

/// Why the operating system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The user has no permission.
    Permission,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The process or the system has too many files open.
    OpenFiles,
    /// No memory is left, or the limit is reached.
    Memory,
    /// The limit of threads is reached.
    Threads,
    /// The device fails.
    Device,
    /// The server of a network file system does not answer, or has lost the file.
    Network,
    /// The file system has no locks.
    NoLocks,
}

impl Obstacle {
    /// Returns the obstacle that an error of the operating system means; `None` for other errors.
    pub fn of(error: &io::Error) -> Option<Self> {
        if let Some(errno) = error.raw_os_error() {
            return Self::of_errno(Errno::from_raw_os_error(errno));
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied => Some(Self::Permission),
            io::ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            io::ErrorKind::OutOfMemory => Some(Self::Memory),
            io::ErrorKind::StaleNetworkFileHandle => Some(Self::Network),
            _ => None,
        }
    }

    fn of_errno(errno: Errno) -> Option<Self> {
        match errno {
            Errno::ACCESS | Errno::PERM => Some(Self::Permission),
            Errno::ROFS => Some(Self::ReadOnly),
            Errno::MFILE | Errno::NFILE => Some(Self::OpenFiles),
            Errno::NOMEM => Some(Self::Memory),
            Errno::AGAIN => Some(Self::Threads),
            Errno::IO | Errno::NXIO | Errno::NODEV => Some(Self::Device),
            Errno::STALE | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::NOTCONN => {
                Some(Self::Network)
            }
            Errno::NOLCK => Some(Self::NoLocks),
            _ => None,
        }
    }
}

/// Returns the error of the operating system that RocksDB reports; `None` if RocksDB itself found something
/// wrong.
///
/// RocksDB passes such an error on as text only: the C library's text for its number.
pub(crate) fn system_error(error: &rocksdb::Error) -> Option<io::Error> {
    let message = error.as_ref();
    // RocksDB reports a table that cannot be accessed as corruption, and quotes the system after that.
    let Some((_, said)) = message.split_once(SYSTEM) else {
        let is_damage = matches!(
            error.kind(),
            ErrorKind::Corruption
                | ErrorKind::NotFound
                | ErrorKind::NotSupported
                | ErrorKind::InvalidArgument
                | ErrorKind::Unknown
        );
        return (!is_damage).then(|| io::Error::other(message.to_owned()));
    };
    let numbered = (1..=MOST_ERRNO).map(io::Error::from_raw_os_error).find(|error| {
        let text = text_of(error);
        said.starts_with(&text) || said.contains(&format!(": {text}"))
    });
    Some(numbered.unwrap_or_else(|| io::Error::other(said.to_owned())))
}

/// The greatest error number on Linux.
const MOST_ERRNO: i32 = 133;

/// Returns the C library's text without the number that Rust appends.
fn text_of(error: &io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" (os error").map_or(text.clone(), |(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes an error of RocksDB for a directory that cannot be opened.
    fn refused(path: &std::path::Path) -> rocksdb::Error {
        let options = rocksdb::Options::default();
        rocksdb::DB::open_for_read_only(&options, path, false).expect_err("there is no database")
    }

    #[test]
    fn what_the_system_says_is_found_in_the_text() {
        let home = tempfile::tempdir().unwrap();
        let missing = system_error(&refused(&home.path().join("missing"))).expect("the system refused");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound, "{missing}");
        std::fs::write(home.path().join("CURRENT"), "MANIFEST-000001\n").unwrap();
        std::fs::create_dir(home.path().join("MANIFEST-000001")).unwrap();
        let directory = system_error(&refused(home.path())).expect("the system refused");
        assert_eq!(directory.kind(), io::ErrorKind::IsADirectory, "{directory}");
    }

    #[test]
    fn wrong_bytes_are_not_the_systems() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("CURRENT"), "MANIFEST-000001\n").unwrap();
        std::fs::write(home.path().join("MANIFEST-000001"), "no list of files").unwrap();
        let error = refused(home.path());
        assert!(system_error(&error).is_none(), "{error}");
    }

    #[test]
    fn each_number_has_its_obstacle() {
        for (errno, obstacle) in [
            (Errno::ACCESS, Some(Obstacle::Permission)),
            (Errno::MFILE, Some(Obstacle::OpenFiles)),
            (Errno::NOMEM, Some(Obstacle::Memory)),
            (Errno::IO, Some(Obstacle::Device)),
            (Errno::NOLCK, Some(Obstacle::NoLocks)),
            (Errno::NOENT, None),
        ] {
            assert_eq!(Obstacle::of(&errno.into()), obstacle, "{errno}");
        }
    }
}
