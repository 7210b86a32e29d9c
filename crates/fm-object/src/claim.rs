//! One run at a time works on a key: it holds the note beside the key.
//!
//! A run writes the note only if there is no other note, or in the place of the note of a run that ended. If
//! the store supports conditional requests, they enforce this; if not, the run reads the note again
//! afterwards. While the run is alive, its note changes, so that a run on another machine can see that.
//!
//! Invariant: a run that lost its note sends nothing more, and publishes nothing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::client::{Client, Condition, Stat, Written};
use crate::note::{Note, start_of};
use crate::owner::Life;
use crate::waiting::{pause, runtime, wait};

/// The interval at which the note of a run changes.
const BEAT: Duration = Duration::from_secs(10);
/// The time after which the run of an unchanged note counts as ended; until then the note is checked at every
/// interval of [`LOOK`].
const WATCH: Duration = Duration::from_secs(35);
const LOOK: Duration = Duration::from_secs(3);
/// The time after which a written note is read again: of two notes that are written at the same time, one
/// remains.
const SETTLE: Duration = Duration::from_millis(300);
/// The number of attempts to take a key that other runs change.
const TRIES: usize = 5;

/// The note of this run.
pub(crate) struct Claim {
    held: Arc<Held>,
    beat: JoinHandle<()>,
}

struct Held {
    key: Client,
    state: Mutex<State>,
}

struct State {
    note: Note,
    tag: Option<String>,
}

/// Returns the error for a key on which another run works.
pub(crate) fn busy(key: &Client) -> io::Error {
    let what = format!("another export to this key is under way ({} is its note)", key.path);
    io::Error::new(io::ErrorKind::ResourceBusy, what)
}

/// Takes the key of a note; also returns the note of a run that ended, if there was one.
///
/// # Errors
/// Fails if another run works on the key, the key holds anything else, or the store fails.
pub(crate) fn take(key: &Client, is_ours: fn(&[u8]) -> bool) -> io::Result<(Claim, Option<Note>)> {
    for _ in 0..TRIES {
        let (condition, left) = match key.stat()? {
            None => (Condition::Free, None),
            Some(stat) => match found(key, &stat, is_ours)? {
                Found::Replaced => continue,
                Found::Left(left) => (stat.tag().map_or(Condition::None, Condition::Version), left),
            },
        };
        // The new note also names what the other run has sent, until this run has checked it.
        let own = Note::new();
        let note = match &left {
            Some(left) => Note { run: own.run, owner: own.owner, ..left.clone() },
            None => own,
        };
        let Written::Done(tag) = wait(key.put_if(note.to_bytes(), &condition))?? else { continue };
        let held = Arc::new(Held { key: key.clone(), state: Mutex::new(State { note, tag }) });
        pause(SETTLE)?;
        if !wait(held.is_own())?? {
            break;
        }
        let beat = runtime()?.spawn(beat(Arc::clone(&held)));
        return Ok((Claim { held, beat }, left));
    }
    Err(busy(key))
}

enum Found {
    /// It changed during the check.
    Replaced,
    /// The note of a run that ended, or an archive that an older program left.
    Left(Option<Note>),
}

fn found(key: &Client, stat: &Stat, is_ours: fn(&[u8]) -> bool) -> io::Result<Found> {
    let start = match wait(start_of(key, stat))? {
        Ok(start) => start,
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => return Ok(Found::Replaced),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Replaced),
        Err(error) => return Err(error),
    };
    match Note::read(&start) {
        Some(note) if is_alive(key, stat, &note)? => Err(busy(key)),
        Some(note) => Ok(Found::Left(Some(note))),
        None if is_ours(&start) => Ok(Found::Left(None)),
        None => {
            let what = format!("something else is at {}, where unfinished work goes", key.path);
            Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
        }
    }
}

/// Returns whether the run of a note is alive.
fn is_alive(key: &Client, stat: &Stat, note: &Note) -> io::Result<bool> {
    match note.owner.life() {
        Life::Runs => return Ok(true),
        Life::Ended => return Ok(false),
        Life::Unknown => {}
    }
    let began = std::time::Instant::now();
    while began.elapsed() < WATCH {
        pause(LOOK)?;
        if !key.stat()?.is_some_and(|now| now.is_same(stat)) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn beat(held: Arc<Held>) {
    loop {
        tokio::time::sleep(BEAT).await;
        // On failure, the run itself notices and reports it when it next writes or reads the note.
        let _ = held.write(|note| note.beat += 1).await;
    }
}

impl Held {
    async fn is_own(&self) -> io::Result<bool> {
        let own = self.state.lock().await;
        Ok(Note::at(&self.key).await?.is_some_and(|note| note.run == own.note.run))
    }

    async fn write(&self, change: impl FnOnce(&mut Note)) -> io::Result<()> {
        let mut state = self.state.lock().await;
        change(&mut state.note);
        let condition = match &state.tag {
            Some(tag) => Condition::Version(tag.clone()),
            None => Condition::None,
        };
        // A store without conditions would overwrite another run's note.
        if self.key.has_no_conditions() || condition == Condition::None {
            let there = Note::at(&self.key).await?;
            if there.is_none_or(|note| note.run != state.note.run) {
                return Err(busy(&self.key));
            }
        }
        match self.key.put_if(state.note.to_bytes(), &condition).await? {
            Written::Done(tag) => state.tag = tag,
            Written::Refused => return Err(busy(&self.key)),
        }
        Ok(())
    }
}

impl Claim {
    /// Changes the note.
    pub(crate) fn write(&self, change: impl FnOnce(&mut Note)) -> io::Result<()> {
        wait(self.held.write(change))?
    }

    /// Fails if the key was taken by another run.
    pub(crate) fn check(&self) -> io::Result<()> {
        if wait(self.held.is_own())?? { Ok(()) } else { Err(busy(&self.held.key)) }
    }

    /// Removes the note, if it is still this run's.
    pub(crate) async fn release(&self) -> io::Result<()> {
        self.beat.abort();
        if self.held.is_own().await? { self.held.key.remove().await } else { Ok(()) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.beat.abort();
    }
}
