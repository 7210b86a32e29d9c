//! Findings: what is wrong, where, how bad. Every code is listed in `docs/finding-codes.md`.

use std::fmt;

use serde::Serialize;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the history is as it should be.
    Info,
    /// Not proven wrong, but a person should look.
    Warning,
    /// The history is not what it claims to be.
    Error,
}

impl Severity {
    /// Counts a finding of this severity, among the errors, the warnings, or neither.
    pub fn count(self, errors: &mut u64, warnings: &mut u64) {
        match self {
            Self::Error => *errors += 1,
            Self::Warning => *warnings += 1,
            Self::Info => {}
        }
    }
}

/// Declares the codes once: variant, text, severity, and meaning (for the documentation).
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $severity:ident;)+) => {
        /// The kind of a finding; scripts may rely on the text of a code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Returns the code's text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Returns the severity of a finding with this code. Two codes can be worse than stated: a tip of
            /// several epochs, and a list of items that is ambiguous in a way that no honest server leaves.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// Returns what the code means.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// An epoch between two others, or before the first, is missing.
    EpochMissing = "epoch-missing", Error;
    /// An epoch record does not decode, or does not encode to its own bytes again.
    EpochUndecodable = "epoch-undecodable", Error;
    /// An epoch record carries another number than its key.
    EpochKeyMismatch = "epoch-key-mismatch", Error;
    /// The hash stored in a record is not the hash of its content.
    EpochHashMismatch = "epoch-hash-mismatch", Error;
    /// A record does not name the hash of the epoch before it.
    EpochLinkBroken = "epoch-link-broken", Error;
    /// An epoch's threshold signature does not verify.
    EpochSignatureInvalid = "epoch-signature-invalid", Error;
    /// An epoch's threshold signature is not a point of the signature group.
    EpochSignatureMalformed = "epoch-signature-malformed", Error;
    /// Epochs that nothing signs or covers: the chain breaks after them, or no epoch at all is signed.
    EpochUnproven = "epoch-unproven", Error;
    /// An input or an output of an accepted transaction is no payload of its module's kind.
    PayloadUndecodable = "payload-undecodable", Error;
    /// An accepted transaction has an input or an output of a module that the configuration does not name.
    ModuleUnknown = "module-unknown", Error;
    /// The federation's signature of a note that is spent is not valid.
    NoteUnsigned = "note-unsigned", Error;
    /// A note is spent of a denomination that the federation has no key for.
    DenominationUnknown = "denomination-unknown", Error;
    /// A note is spent that was spent before.
    NoteSpentTwice = "note-spent-twice", Error;
    /// A blind nonce is signed that was signed before: of the two notes only one can be spent.
    BlindNonceRepeated = "blind-nonce-repeated", Warning;
    /// An output of Bitcoin is claimed that was claimed before.
    DepositClaimedTwice = "deposit-claimed-twice", Error;
    /// More notes of a denomination are redeemed than were issued: notes were made off the history.
    RedeemedAboveIssued = "redeemed-above-issued", Error;
    /// More is taken out of a contract than it holds.
    ContractOverdrawn = "contract-overdrawn", Error;
    /// The inputs of an accepted transaction are not worth what its outputs and fees need.
    TransactionUnbalanced = "transaction-unbalanced", Error;
    /// An amount does not fit 64 bits.
    AmountTooLarge = "amount-too-large", Error;
    /// No signature looked at verifies: the keys are of another federation, or the database is damaged.
    WrongKeys = "wrong-keys", Error;
    /// The newest epoch has no signature yet, as is normal if a node stopped; a warning if it is more than
    /// one.
    EpochTip = "epoch-tip", Info;
    /// The shares in the next epoch combine into a signature that is not stored.
    ShareSignatureMissing = "share-signature-missing", Error;
    /// The shares in the next epoch combine into another signature than the stored one.
    ShareSignatureDiffers = "share-signature-differs", Error;
    /// An epoch holds shares of peers that no federation with these keys has; they were not tried.
    SharesLeftOut = "shares-left-out", Warning;
    /// The last-epoch pointer does not name the last stored epoch.
    LastEpochWrong = "last-epoch-wrong", Error;
    /// There is no last-epoch pointer.
    LastEpochMissing = "last-epoch-missing", Error;
    /// Contributions of an epoch are not in ascending order of peers, each once.
    ContributionsUnordered = "contributions-unordered", Warning;
    /// A transaction was accepted in two epochs or sessions.
    TransactionAcceptedTwice = "transaction-accepted-twice", Error;
    /// An accepted transaction is not in the index of accepted transactions.
    TransactionIndexMissing = "transaction-index-missing", Error;
    /// The index of accepted transactions names one that the history does not accept.
    TransactionIndexExtra = "transaction-index-extra", Error;
    /// The value in the index of accepted transactions differs from the one that the history determines.
    TransactionIndexDiffers = "transaction-index-differs", Error;
    /// The index of accepted transactions was not compared: this layout hides the transactions, or only a
    /// part of the history was read.
    TransactionIndexUnchecked = "transaction-index-unchecked", Info;
    /// A record outside the history does not decode.
    RecordUndecodable = "record-undecodable", Error;
    /// A record under a prefix that this era does not have.
    UnknownPrefix = "unknown-prefix", Warning;
    /// The newest write-ahead log is torn at its end, as after a crash; what was there is not read.
    LogTailTorn = "log-tail-torn", Warning;
    /// A write-ahead log is missing, or torn before a newer one; what was in it is not read.
    LogMissing = "log-missing", Error;
    /// There is no write-ahead log, as in a checkpoint whose log was empty; but not every sign is that of a
    /// checkpoint.
    LogUnknown = "log-unknown", Warning;
    /// A checkpoint without the write-ahead log, which was empty: RocksDB leaves it out. Nothing is lost.
    LogEmpty = "log-empty", Info;
    /// The database's list of files is torn; the tables named after the tear are not read.
    FileListTorn = "file-list-torn", Error;
    /// Tables that the database's list of files does not name, and not all logs are there; they are not read.
    TablesUnnamed = "tables-unnamed", Error;
    /// Tables that a crash left while they were written; their rows are elsewhere.
    TablesUnfinished = "tables-unfinished", Info;
    /// Epochs or sessions that an earlier audit proved, as its trust file says, have changed.
    TrustedPrefixChanged = "trusted-prefix-changed", Error;
    /// The list of a session's items shares its header with another list (CVE-2012-2459).
    ItemListAmbiguous = "item-list-ambiguous", Info;
    /// A session is larger than any server can decode.
    SessionTooLarge = "session-too-large", Error;
    /// A guardian of a running federation returned a record that its signatures do not prove.
    GuardianRecordRefused = "guardian-record-refused", Warning;
    /// A guardian of a running federation serves another session than the others.
    GuardianDiffers = "guardian-differs", Error;
    /// A guardian of a running federation has finished fewer sessions than the others.
    GuardianBehind = "guardian-behind", Info;
    /// A guardian of a running federation does not answer, or stopped to answer.
    GuardianSilent = "guardian-silent", Info;
    /// Another auditor signed another history root for this many sessions.
    CheckpointDiffers = "checkpoint-differs", Error;
    /// A note of another auditor cannot be read, or nobody signed it whose key is known.
    CheckpointUnread = "checkpoint-unread", Warning;
    /// A running federation has not finished a session for long.
    FederationStalled = "federation-stalled", Warning;
    /// A guardian of a running federation states another configuration than the others, or none.
    GuardianConfigDiffers = "guardian-config-differs", Warning;
    /// A session between two others, or before the first, is missing.
    SessionMissing = "session-missing", Error;
    /// A block or session record does not decode, or does not encode to its own bytes again.
    SessionUndecodable = "session-undecodable", Error;
    /// A block carries another number than its key.
    SessionKeyMismatch = "session-key-mismatch", Error;
    /// A guardian's signature does not verify over the session's header.
    SessionSignatureInvalid = "session-signature-invalid", Error;
    /// A signer of a session is not a guardian of this federation.
    SessionSignerUnknown = "session-signer-unknown", Error;
    /// Fewer guardians signed a session than the threshold.
    SessionUnsigned = "session-unsigned", Error;
    /// More guardians signed a session than servers store: the record is valid, but servers do not accept it
    /// from peers.
    SessionSignaturesSurplus = "session-signatures-surplus", Info;
    /// No finished epoch or session is stored: there is nothing that guardians could have signed.
    HistoryEmpty = "history-empty", Warning;
    /// The stored units are of a later session than the one after the last: the newest sessions are missing.
    UnitsBeyondEnd = "units-beyond-end", Error;
    /// The items of a block are not in the order in which they were numbered.
    ItemsUnordered = "items-unordered", Error;
    /// The open session's units are in a form that the newest servers do not read.
    UnitsUnreadable = "units-unreadable", Warning;
    /// The units of the session in progress were not checked, because they are in no known form.
    UnitsUnchecked = "units-unchecked", Info;
    /// The accepted items of the open session are not numbered from 0 without a gap.
    PendingItemMissing = "pending-item-missing", Error;
    /// The record of the open session's number does not follow the last finished block.
    SessionPointerWrong = "session-pointer-wrong", Error;
    /// A session beyond the last one that the manifest names.
    SessionExtra = "session-extra", Error;
    /// A session differs from the one that the conversion rule makes from its original.
    SessionDiffersFromRule = "session-differs-from-rule", Error;
    /// The index of accepted transactions in the new database is not that of its sessions.
    SessionIndexDiffers = "session-index-differs", Error;
    /// No guardian has signed the migrated sessions yet; the old signatures are the proof of their originals.
    SessionsUnsealed = "sessions-unsealed", Info;
    /// The sessions are signed, but the guardians' session keys that check this are not known.
    SealUnchecked = "seal-unchecked", Info;
    /// The history root is not the one in the manifest.
    HistoryRootMismatch = "history-root-mismatch", Error;
    /// A field of the manifest disagrees with what was found.
    ManifestMismatch = "manifest-mismatch", Error;
    /// The converted database was not whole: the manifest lists what it lacked.
    SourceIncomplete = "source-incomplete", Warning;
    /// A statement of the provenance archive about itself disagrees with what was found.
    ProvenanceMismatch = "provenance-mismatch", Error;
    /// Files of the new database are torn, missing or not named by its list.
    DatabaseIncomplete = "database-incomplete", Error;
    /// A file in the migrated directory that no conversion writes.
    UnexpectedFile = "unexpected-file", Warning;
    /// The provenance archive is damaged or incomplete.
    ProvenanceDamaged = "provenance-damaged", Error;
    /// A record of the new database is not in the old one, or differs from it.
    CarriedRecordDiffers = "carried-record-differs", Error;
    /// A record of the old database with a modern place is not in the new one.
    CarriedRecordMissing = "carried-record-missing", Error;
    /// A record that no modern server knows.
    ForeignRecord = "foreign-record", Error;
    /// Rows of a unit backup are missing before others.
    UnitRowsMissing = "unit-rows-missing", Error;
    /// A row of a unit backup, or a part of it, is not a unit.
    UnitRowUndecodable = "unit-row-undecodable", Error;
    /// A unit of another session, of no guardian, or of a federation with another number of guardians.
    UnitForeign = "unit-foreign", Error;
    /// One guardian's own units are not one for each round in order.
    UnitMisplaced = "unit-misplaced", Error;
    /// A unit has a number of parents, or parents, that no unit has.
    UnitParentsInvalid = "unit-parents-invalid", Error;
    /// A unit's parent is not stored before it.
    UnitParentMissing = "unit-parent-missing", Error;
    /// A unit commits to other parents than the stored ones.
    UnitParentsDiffer = "unit-parents-differ", Error;
    /// A unit's signature is not its creator's.
    UnitSignatureInvalid = "unit-signature-invalid", Error;
    /// The signature of a unit's batch is not its creator's.
    UnitBatchSignatureInvalid = "unit-batch-signature-invalid", Error;
    /// A guardian made different units for one round.
    UnitFork = "unit-fork", Error;
    /// A unit is stored twice.
    UnitRepeated = "unit-repeated", Warning;
    /// The backup holds a record of a fork alert.
    UnitAlert = "unit-alert", Warning;
    /// The batch of a unit does not decode; servers skip it.
    UnitBatchUndecodable = "unit-batch-undecodable", Warning;
    /// Signatures of units were not checked, because there are no keys.
    UnitSignaturesUnchecked = "unit-signatures-unchecked", Warning;
    /// An accepted item of the open session is not in the order that its units determine.
    AcceptedItemNotOrdered = "accepted-item-not-ordered", Error;
    /// Part of an archive is damaged or missing.
    ArchiveDamaged = "archive-damaged", Error;
    /// A statement of an archive about itself is not confirmed by its records.
    ArchiveMisstated = "archive-misstated", Error;
    /// An archive is of another federation than the config.
    ArchiveForeign = "archive-foreign", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The place of a finding. All parts that apply are present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// The item's position in the session, or in its guardian's contribution to the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<u64>,
    /// The record's key, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Place {
    /// Returns the place of an epoch.
    pub fn epoch(epoch: u64) -> Self {
        Self { epoch: Some(epoch), ..Self::default() }
    }

    /// Returns the place of a session.
    pub fn session(session: u64) -> Self {
        Self { session: Some(session), ..Self::default() }
    }

    /// Returns the place of a record, by its key.
    pub fn key(key: &[u8]) -> Self {
        Self { key: Some(hex::encode(key)), ..Self::default() }
    }

    /// Returns the place that is the whole source.
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// Returns the number of the epoch or session, if it has one.
    pub fn index(&self) -> Option<u64> {
        self.epoch.or(self.session)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.epoch.map(|epoch| format!("epoch {epoch}")),
            self.session.map(|session| format!("session {session}")),
            self.item.map(|item| format!("item {item}")),
            self.key.as_ref().map(|key| format!("key {key}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Kind.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// The place.
    #[serde(flatten)]
    pub place: Place,
    /// One sentence.
    pub message: String,
    /// The finding from which it follows, if it says nothing new beyond that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows_from: Option<Box<Cause>>,
}

/// A finding from which others follow: its code and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Kind.
    pub code: Code,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
}

impl Finding {
    /// Returns a finding with the severity of its code.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self { code, severity: code.severity(), place, message: message.into(), follows_from: None }
    }

    /// Returns the same finding with another severity than that of its code.
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Returns the cause of what follows from this finding: itself, or its own cause.
    pub fn cause(&self) -> Cause {
        let own = || Cause { code: self.code, place: self.place.clone() };
        self.follows_from.as_deref().cloned().unwrap_or_else(own)
    }

    /// Returns the same finding as a consequence: it is not known to be wrong by itself, so it counts as
    /// information.
    pub fn following(self, cause: Cause) -> Self {
        Self { severity: Severity::Info, follows_from: Some(Box::new(cause)), ..self }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        let at = if place.is_empty() { String::new() } else { format!(" at {place}") };
        write!(f, "{}{at}", self.code)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Cause { code: self.code, place: self.place.clone() };
        write!(f, "{at}: {}", self.message)
    }
}
