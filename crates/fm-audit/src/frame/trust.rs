//! What an audit remembers for the next one: which sessions were proven, under which keys.
//!
//! Two marks per session, of its content and of its signatures, keyed so that nobody who lacks the file can make
//! others that fit, and one history root over all. Invariants: a session counts as proven before only if both
//! of its marks are as they were; whatever the marks say, the root of the prefix must be the one that was proven.

use fm_history::{Code, Finding, Hash, HistoryRoot, Place, SessionLeaf, sha256};

use crate::error::AuditError;

/// Bytes of the key of marks.
pub(crate) const SALT_BYTES: usize = 16;

/// What is remembered of one epoch or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) content: [u8; 8],
    pub(crate) signatures: [u8; 8],
}

/// The epochs or sessions from 0 on that an audit proved.
#[derive(Clone, Debug)]
pub struct TrustedPrefix {
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) marks: Vec<Mark>,
    pub(crate) root: Hash,
}

/// A session compared with what is remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is remembered.
    New,
    /// It is as it was.
    Unchanged,
    /// Other signatures stand under it.
    SignedAnew,
    /// It has another content.
    Changed,
}

impl TrustedPrefix {
    /// Nothing proven yet.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn empty() -> Result<Self, AuditError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(AuditError::Randomness)?;
        Ok(Self { salt, marks: Vec::new(), root: HistoryRoot::new().root() })
    }

    /// How many epochs or sessions it has.
    pub fn sessions(&self) -> u64 {
        self.marks.len() as u64
    }

    /// The history root over them.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The marks of a session with this content and these signatures.
    pub(crate) fn mark(&self, content: &[u8], signatures: &[u8]) -> Mark {
        let short = |kind: u8, bytes: &[u8]| {
            let mut mark = [0; 8];
            mark.copy_from_slice(&sha256(&[&self.salt, &[kind], bytes]).0[..8]);
            mark
        };
        Mark { content: short(0, content), signatures: short(1, signatures) }
    }

    /// Whether the signatures of a session with these marks were checked before.
    pub(crate) fn has(&self, index: u64, mark: Mark) -> bool {
        self.standing(index, mark) == Standing::Unchanged
    }

    fn standing(&self, index: u64, mark: Mark) -> Standing {
        match usize::try_from(index).ok().and_then(|index| self.marks.get(index)) {
            None => Standing::New,
            Some(known) if *known == mark => Standing::Unchanged,
            Some(known) if known.content == mark.content => Standing::SignedAnew,
            Some(_) => Standing::Changed,
        }
    }
}

/// Follows a history, compares it with what is remembered, and takes down what is to be remembered of it.
pub(crate) struct Ledger<'a> {
    trusted: &'a TrustedPrefix,
    place: fn(u64) -> Place,
    marks: Vec<Mark>,
    root: HistoryRoot,
    /// How many were signed without a gap so far, and the root over them.
    settled: (usize, Hash),
    unchanged: u64,
    /// A session is missing, unknown or has changed: nothing behind it is remembered.
    broken: bool,
    reported: bool,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(trusted: &'a TrustedPrefix, place: fn(u64) -> Place) -> Self {
        let root = HistoryRoot::new();
        let settled = (0, root.root());
        Self {
            trusted,
            place,
            marks: Vec::new(),
            root,
            settled,
            unchanged: 0,
            broken: false,
            reported: false,
        }
    }

    /// Takes the next record: its leaf and marks if it decodes, and whether its own signatures hold.
    pub(crate) fn push(
        &mut self,
        index: u64,
        entry: Option<(SessionLeaf, Mark)>,
        is_signed: bool,
    ) -> Option<Finding> {
        let expected = self.root.sessions();
        let Some((leaf, mark)) = entry.filter(|_| index == expected && !self.broken) else {
            self.broken = true;
            return (expected < self.trusted.sessions()).then(|| self.changed_at(expected)).flatten();
        };
        let standing = self.trusted.standing(index, mark);
        self.unchanged += u64::from(standing == Standing::Unchanged);
        self.root.push(leaf);
        self.marks.push(mark);
        if is_signed {
            self.settled = (self.marks.len(), self.root.root());
        }
        if standing == Standing::Changed {
            self.broken = true;
            return self.changed_at(index);
        }
        if self.root.sessions() == self.trusted.sessions() && self.root.root() != self.trusted.root {
            self.broken = true;
            let message = "the trust file has another root for the sessions that it remembers: one of them has changed, \
                           or the file was";
            return Some(Finding::new(Code::TrustedPrefixChanged, Place::everywhere(), message));
        }
        None
    }

    fn changed_at(&mut self, index: u64) -> Option<Finding> {
        if std::mem::replace(&mut self.reported, true) {
            return None;
        }
        let message = format!(
            "an earlier audit proved {} from 0 to {} under the same keys, and from here on they are not what they were",
            if (self.place)(0).epoch.is_some() { "epochs" } else { "sessions" },
            self.trusted.sessions() - 1
        );
        Some(Finding::new(Code::TrustedPrefixChanged, (self.place)(index), message))
    }

    /// What is left to say when the history is over, how many records were as they were, and what is to be remembered.
    pub(crate) fn finish(mut self) -> (Option<Finding>, u64, TrustedPrefix) {
        let ends = self.root.sessions();
        let cut = (!self.broken && ends < self.trusted.sessions()).then(|| self.changed_at(ends)).flatten();
        let (count, root) = self.settled;
        self.marks.truncate(count);
        (cut, self.unchanged, TrustedPrefix { salt: self.trusted.salt, marks: self.marks, root })
    }
}
