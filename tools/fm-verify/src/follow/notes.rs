//! Publishes history roots as signed notes, and compares them with those of other auditors.
//!
//! Invariant: a signature of another auditor is added only if its root is the one that was audited here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fm_cli::{Exit, Failure, Output};
use fm_datadir::read_small;
use fm_evidence::{Checkpoint, NoteError, NoteKey, NoteKind, NoteSigner, SignedNote};
use fm_history::{Code, Finding, Hash, Place};
use fm_store::{StoreError, open_regular, replace_named_file};
use zeroize::Zeroizing;

use super::FollowArgs;
use super::state::State;
use crate::args::KeygenArgs;

/// The first bytes of every note.
const START: &[u8] = b"fedimint-history/";
/// The largest file of a key, in bytes.
const MAX_BYTES: u64 = 64 << 10;
/// The number of roots that are remembered, for auditors that have audited less.
const REMEMBERED: usize = 4096;

pub(super) struct Notes {
    key_set: String,
    signer: NoteSigner,
    target: PathBuf,
    witnesses: Vec<PathBuf>,
    keys: Vec<NoteKey>,
    /// Roots by the number of sessions, the newest last.
    roots: VecDeque<(u64, Hash)>,
    written: Option<SignedNote>,
    /// What was already reported of a file.
    reported: BTreeSet<(PathBuf, String)>,
}

impl Notes {
    /// Returns what publishes the notes that the user asked for.
    pub(super) fn of(arguments: &FollowArgs, key_set: &str) -> Result<Option<Self>, Failure> {
        let (Some(target), Some(key)) = (&arguments.checkpoint_out, &arguments.checkpoint_key) else {
            return Ok(None);
        };
        let text = read_secret(key).map_err(|error| Failure::file("read", key, &error))?;
        let signer = NoteSigner::parse(text.trim_ascii_end()).map_err(|error| {
            let failure = Failure::new(Exit::Usage, format!("{}: {error}", key.display()));
            failure.hint("`fm-verify keygen --name NAME --out FILE` makes such a key")
        })?;
        let keys: Result<Vec<NoteKey>, NoteError> =
            arguments.witness_key.iter().map(|text| NoteKey::parse(text)).collect();
        let keys = keys.map_err(|error| Failure::new(Exit::Usage, format!("--witness-key: {error}")))?;
        // Nothing else is replaced.
        read_note(target).map_err(|reason| {
            let message = format!("{} is there, and is not a note: {reason}", target.display());
            Failure::new(Exit::Usage, message).hint("choose another file for --checkpoint-out")
        })?;
        Ok(Some(Self {
            key_set: key_set.to_owned(),
            signer,
            target: target.clone(),
            witnesses: arguments.witness.clone(),
            keys,
            roots: VecDeque::new(),
            written: None,
            reported: BTreeSet::new(),
        }))
    }

    /// Takes in the root after a session.
    pub(super) fn push(&mut self, state: &State) {
        if self.roots.len() == REMEMBERED {
            self.roots.pop_front();
        }
        self.roots.push_back((state.sessions, state.root.root()));
    }

    /// Compares the notes of the others, and writes ours if it has changed.
    pub(super) fn look(&mut self) -> Result<Vec<Finding>, Failure> {
        let Some((sessions, root)) = self.roots.back().copied() else { return Ok(Vec::new()) };
        let checkpoint = Checkpoint { key_set: self.key_set.clone(), sessions, root };
        let mut note = match &self.written {
            Some(written) if written.checkpoint == checkpoint => written.clone(),
            _ => self.signer.sign(checkpoint, now()),
        };
        let mut found = Vec::new();
        for path in self.witnesses.clone() {
            let finding = match self.others(&path) {
                Ok(None) => continue,
                Ok(Some(other)) => {
                    note.merge(&other, &self.keys);
                    self.compare(&path, &other)
                }
                Err(reason) => {
                    let message = format!("{}: {reason}", path.display());
                    Some(Finding::new(Code::CheckpointUnread, Place::everywhere(), message))
                }
            };
            found.extend(finding.filter(|finding| self.reported.insert((path, finding.message.clone()))));
        }
        if self.written.as_ref() != Some(&note) {
            self.write(&note)?;
            self.written = Some(note);
        }
        Ok(found)
    }

    /// Reads the note of another auditor; `None` if the file does not exist yet.
    fn others(&self, path: &Path) -> Result<Option<SignedNote>, String> {
        let Some(note) = read_note(path)? else { return Ok(None) };
        if note.checkpoint.key_set != self.key_set {
            return Err("it is about a federation with other keys".to_owned());
        }
        if note.signers(&self.keys).is_empty() {
            return Err("no signature of a --witness-key holds".to_owned());
        }
        Ok(Some(note))
    }

    fn compare(&self, path: &Path, other: &SignedNote) -> Option<Finding> {
        let Checkpoint { sessions, root, .. } = &other.checkpoint;
        let (_, own) = self.roots.iter().find(|(known, _)| known == sessions)?;
        if own == root {
            return None;
        }
        let names: BTreeMap<&str, _> = other.signers(&self.keys).into_iter().collect();
        let names: Vec<&str> = names.into_keys().collect();
        let message = format!(
            "{}: {} signed the root {root} over {sessions} sessions, and it is {own} here",
            path.display(),
            names.join(", ")
        );
        Some(Finding::new(Code::CheckpointDiffers, Place::session(sessions.saturating_sub(1)), message))
    }

    fn write(&self, note: &SignedNote) -> Result<(), StoreError> {
        replace_named_file(&self.target, START, note.to_string().as_bytes())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Reads a note; `None` if the file does not exist.
fn read_note(path: &Path) -> Result<Option<SignedNote>, String> {
    let text = read_small(path).map_err(|error| error.to_string())?;
    text.map(|text| SignedNote::parse(&text).map_err(|error| error.to_string())).transpose()
}

fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    open_regular(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Makes a key, and prints its public parts.
pub(crate) fn keygen(arguments: &KeygenArgs) -> Result<Exit, Failure> {
    let of_key = |error: NoteError| Failure::from_error(Exit::Usage, &error);
    let secret = NoteSigner::generate(&arguments.name).map_err(of_key)?;
    let signer = NoteSigner::parse(&secret).map_err(of_key)?;
    let out = &arguments.out;
    let failed = |error: io::Error| {
        let exit = if error.kind() == io::ErrorKind::AlreadyExists { Exit::Usage } else { Exit::CannotLook };
        Failure::new(exit, format!("{} cannot be made: {error}", out.display()))
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(failed)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let mut output = Output::default();
    output.line(&format!("secret     {}", out.display()))?;
    output.line(&format!("signs      {}", signer.public(NoteKind::Plain)))?;
    output.line(&format!("cosigns    {}", signer.public(NoteKind::Timed)))?;
    Ok(Exit::Done)
}
