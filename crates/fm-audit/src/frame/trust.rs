//! What an audit remembers for the next one: which sessions were proven, with which keys.
//!
//! Each session has two marks, one of its content and one of its signatures. They are keyed, so that nobody
//! without the file can find another content with the same mark. One history root covers all sessions.
//! Invariants: a session counts as proven before only if both of its marks are unchanged; whatever the marks
//! say, the root of the prefix must be the one that was proven.

use fm_history::{Code, Finding, Hash, HistoryRoot, Place, SessionLeaf, sha256};

use crate::error::AuditError;

/// The length of the key of the marks in bytes.
pub(crate) const SALT_BYTES: usize = 16;

/// What is remembered about one epoch or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) content: [u8; 8],
    pub(crate) signatures: [u8; 8],
}

/// The epochs or sessions, starting at 0, that an audit proved.
#[derive(Clone, Debug)]
pub struct TrustedPrefix {
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) marks: Vec<Mark>,
    pub(crate) root: Hash,
}

/// The result of comparing a session with what is remembered about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing is remembered.
    New,
    /// The session is unchanged.
    Unchanged,
    /// The session has other signatures.
    SignedAnew,
    /// The session has another content.
    Changed,
}

impl TrustedPrefix {
    /// Returns an empty prefix: nothing is proven yet.
    ///
    /// # Errors
    /// If the operating system returns no randomness.
    pub fn empty() -> Result<Self, AuditError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(AuditError::Randomness)?;
        Ok(Self { salt, marks: Vec::new(), root: HistoryRoot::new().root() })
    }

    /// Returns the number of epochs or sessions.
    pub fn sessions(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Returns the history root over them.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Returns the marks of a session with this content and these signatures.
    pub(crate) fn mark(&self, content: &[u8], signatures: &[u8]) -> Mark {
        let short = |kind: u8, bytes: &[u8]| {
            let mut mark = [0; 8];
            mark.copy_from_slice(&sha256(&[&self.salt, &[kind], bytes]).0[..8]);
            mark
        };
        Mark { content: short(0, content), signatures: short(1, signatures) }
    }

    /// Returns whether the signatures of a session with these marks were checked before.
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

/// Follows a history, compares it with what is remembered, and records what the next audit needs.
pub(crate) struct Ledger<'a> {
    trusted: &'a TrustedPrefix,
    place: fn(u64) -> Place,
    marks: Vec<Mark>,
    root: HistoryRoot,
    /// The number of sessions up to the last signed one without a gap, and the root over them.
    settled: (usize, Hash),
    unchanged: u64,
    /// A session is missing, unknown or changed: nothing after it is remembered.
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

    /// Returns the last finding, if any, the number of unchanged records, and what is to be remembered.
    pub(crate) fn finish(mut self) -> (Option<Finding>, u64, TrustedPrefix) {
        let ends = self.root.sessions();
        let cut = (!self.broken && ends < self.trusted.sessions()).then(|| self.changed_at(ends)).flatten();
        let (count, root) = self.settled;
        self.marks.truncate(count);
        (cut, self.unchanged, TrustedPrefix { salt: self.trusted.salt, marks: self.marks, root })
    }
}
