//! What to do if the operating system refuses: one hint for each obstacle, whatever the program was doing.

use std::error::Error;
use std::io;

use fm_backup::Refused;
use fm_store::Obstacle;

/// Returns the hint for the obstacle among the causes of an error, if there is one.
pub(crate) fn obstacle_hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let system = error.downcast_ref::<io::Error>();
        // A refusal of an object store has a kind like one of the system's, but needs another hint.
        if let Some(refused) = system.and_then(Refused::of) {
            return refused.hint();
        }
        if let Some(obstacle) = system.and_then(Obstacle::of) {
            return Some(hint(obstacle));
        }
        cause = error.source();
    }
    None
}

/// Returns what to do about an error of the operating system, if that is known.
pub(crate) fn hint_of(error: &io::Error) -> Option<&'static str> {
    obstacle_hint(error)
}

fn hint(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Permission => {
            "this user has no right to it: run the program as the user that owns it, or as root"
        }
        Obstacle::ReadOnly => {
            "the file system is mounted read-only: mount it for writing, or choose another place"
        }
        Obstacle::OpenFiles => {
            "allow more open files: `ulimit -n 1024` in a shell, LimitNOFILE=1024 in a systemd unit"
        }
        Obstacle::Memory => {
            "allow more memory: `ulimit -v unlimited; ulimit -d unlimited` in a shell, no LimitAS= or LimitDATA= in a \
             systemd unit"
        }
        Obstacle::Threads => {
            "allow more processes: `ulimit -u 1024` in a shell, TasksMax=1024 in a systemd unit, --pids-limit of a container"
        }
        Obstacle::Device => {
            "the disk or its connection fails: see the kernel's log (dmesg), copy what can be read to another disk, and \
             work there"
        }
        Obstacle::Network => {
            "the server of this file system does not answer: mount it again, or work on a local copy"
        }
        Obstacle::NoLocks => {
            "this file system has no locks: mount it with them (NFS version 4, or with rpc.statd), or work on a local disk"
        }
    }
}
