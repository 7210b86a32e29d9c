//! The process that an unfinished upload belongs to, and whether it is still alive.
//!
//! A process is identified by the boot of its machine, its process namespace, its number and its own start
//! time. If machine and namespace are the reader's, the system knows whether it is alive. Otherwise the
//! reader watches whether the note changes.
//!
//! Invariant: if the system can be asked, a live process is never taken for an ended one, nor the other way
//! round.

use std::fs;

/// The identity of a process in a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The boot of the machine and the process namespace; empty if the system does not report them.
    place: String,
    process: u32,
    /// The start of the process, in ticks since the boot of the machine.
    start: u64,
}

/// Whether the owner of a note is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Runs,
    Ended,
    /// The owner is on another machine, or the system does not report it.
    Unknown,
}

impl Owner {
    /// Returns the identity of this process.
    pub(crate) fn this() -> Self {
        let process = std::process::id();
        Self { place: place(), process, start: start_of(process).unwrap_or_default() }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (place, process, start) = (words.next()?, words.next()?, words.next()?);
        Some(Self { place: place.to_owned(), process: process.parse().ok()?, start: start.parse().ok()? })
    }

    pub(crate) fn to_line(&self) -> String {
        format!("{} {} {}", self.place, self.process, self.start)
    }

    pub(crate) fn life(&self) -> Life {
        if self.place.is_empty() || self.place != place() || self.start == 0 {
            return Life::Unknown;
        }
        match start_of(self.process) {
            Some(start) if start == self.start => Life::Runs,
            // The system may hide other users' processes.
            None if is_hidden(self.process) => Life::Unknown,
            _ => Life::Ended,
        }
    }
}

fn place() -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (machine, namespace) {
        (Ok(machine), Ok(namespace)) => {
            format!("{}/{}", machine.trim(), namespace.display()).replace(char::is_whitespace, "")
        }
        _ => String::new(),
    }
}

fn is_hidden(process: u32) -> bool {
    let process = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    let asked = process.map(rustix::process::test_kill_process);
    matches!(asked, Some(Err(rustix::io::Errno::PERM)))
}

/// Returns the start of a live process; `None` if there is no such process, or it is a zombie.
fn start_of(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may contain any character, including brackets.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_others_do_not() {
        let own = Owner::this();
        assert_eq!(Owner::read(&own.to_line()), Some(own.clone()));
        assert_eq!(own.life(), Life::Runs);
        let of = |change: fn(&mut Owner)| {
            let mut other = own.clone();
            change(&mut other);
            other.life()
        };
        assert_eq!(of(|other| other.start += 1), Life::Ended, "its number was given to another process");
        assert_eq!(of(|other| other.process = u32::MAX), Life::Ended);
        assert_eq!(of(|other| other.place = "elsewhere".to_owned()), Life::Unknown);
        for text in ["", "a", "a 1", "a x 1", "a 1 x"] {
            assert_eq!(Owner::read(text), None, "{text:?}");
        }
    }
}
