//! The headers of a history: what is signed of each session, without its items.
//!
//! A record has the key of the session's record; its value is the number of items (BigSize), the root of the header
//! (32 bytes), and the signatures as the session's record ends with them.
//! Only sessions of v0.2 and later have headers that stand without their items.

use fm_audit::{Anchor, AuditError, Control, HistoryAudit};
use fm_codec::{DecodeError, Dialect, Reader, Writer};
use fm_crypto::SessionKeys;
use fm_eras::Detected;
use fm_eras::session::{SIGNED_SESSION_OUTCOME, session_of_key};
use fm_history::{
    Code, Finding, Hash, HistoryRoot, Place, SessionHeader, SessionLeaf, SessionParts, Severity, Signatures,
    read_signatures, signed_record,
};

use crate::{BackupError, State};

/// Refuses histories whose headers do not stand without their items.
pub(crate) fn check_layout(state: &State) -> Result<(), BackupError> {
    match state.layout() {
        Detected::Blocks(layout) if layout.is_modern() => Ok(()),
        layout => {
            let what = format!(
                "is of era {}, whose signatures are checked with the whole content only: there is no profile \
                 `headers` of it",
                layout.era()
            );
            Err(BackupError::not_fit(state.path(), what))
        }
    }
}

/// The header record for a session's record.
pub(crate) fn header_record(record: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let parts = SessionParts::read(record)?;
    let mut writer = Writer::new(Dialect::MODERN);
    writer.u64(parts.items);
    writer.raw(&parts.merkle.root.0);
    Ok(signed_record(writer.as_bytes(), &parts.signatures))
}

/// What a header record says of the session with this index.
pub(crate) fn read_header(index: u64, record: &[u8]) -> Result<(SessionLeaf, Signatures), DecodeError> {
    let mut reader = Reader::new(record, Dialect::MODERN);
    let items = reader.u64()?;
    let root = Hash(reader.array()?);
    let signatures = read_signatures(reader.take(reader.left())?)?;
    Ok((SessionLeaf { items, header: SessionHeader { index, root } }, signatures))
}

/// Audits headers: no session is missing, and enough guardians signed each.
pub(crate) fn audit_headers(
    state: &State,
    keys: Option<&SessionKeys>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<HistoryAudit, AuditError> {
    let mut audit = HeaderAudit { keys, root: HistoryRoot::new(), items: 0, result: HistoryAudit::default() };
    control.progress.begin("headers", "sessions", None);
    let mut last_hash = Hash::default();
    for row in state.rows().scan_range(&[], None) {
        let (key, value) = row.map_err(|source| AuditError::rows(state.path(), source))?;
        control.check()?;
        control.progress.advance(1);
        let findings = match audit.on_record(&key, &value) {
            Ok((leaf, findings)) => {
                last_hash = leaf.header.root;
                findings
            }
            Err(finding) => vec![finding],
        };
        for finding in findings {
            match finding.severity {
                Severity::Error => audit.result.errors += 1,
                Severity::Warning => audit.result.warnings += 1,
                Severity::Info => {}
            }
            on_finding(finding);
        }
    }
    control.progress.end();
    Ok(audit.finish(last_hash))
}

struct HeaderAudit<'a> {
    keys: Option<&'a SessionKeys>,
    root: HistoryRoot,
    items: u64,
    result: HistoryAudit,
}

impl HeaderAudit<'_> {
    fn on_record(&mut self, key: &[u8], value: &[u8]) -> Result<(SessionLeaf, Vec<Finding>), Finding> {
        let undecodable =
            |error: DecodeError| Finding::new(Code::SessionUndecodable, Place::key(key), error.to_string());
        if key.first() != Some(&SIGNED_SESSION_OUTCOME) {
            let message = "a record of no session in an archive of headers";
            return Err(Finding::new(Code::UnknownPrefix, Place::key(key), message));
        }
        let index = session_of_key(key).map_err(undecodable)?;
        let (leaf, signatures) = read_header(index, value).map_err(undecodable)?;
        let mut findings = Vec::new();
        if index != self.root.sessions() {
            let message = format!("session {} is not there", self.root.sessions());
            findings.push(Finding::new(Code::SessionMissing, Place::session(index), message));
        }
        self.root.push(leaf);
        self.items = self.items.saturating_add(leaf.items);
        self.result.chain.epochs += 1;
        self.result.chain.last = Some(index);
        self.check_signatures(leaf.header, &signatures, &mut findings);
        Ok((leaf, findings))
    }

    fn check_signatures(
        &mut self,
        header: SessionHeader,
        signatures: &Signatures,
        findings: &mut Vec<Finding>,
    ) {
        let Some(keys) = self.keys else {
            self.result.chain.unchecked += u64::from(!signatures.is_empty());
            self.result.chain.unproven += u64::from(signatures.is_empty());
            return;
        };
        let message = keys.message(&header.to_bytes());
        let mut valid = 0;
        for (peer, signature) in signatures {
            match keys.verify(*peer, &message, signature) {
                Ok(()) => valid += 1,
                Err(error) => findings.push(Finding::new(
                    Code::SessionSignatureInvalid,
                    Place::session(header.index),
                    format!("guardian {peer}: {error}"),
                )),
            }
        }
        if valid >= keys.threshold() {
            self.result.chain.signed += 1;
            self.result.chain.last_signed = Some(header.index);
        } else {
            self.result.chain.unproven += 1;
            let message = format!("{valid} guardians signed it, it takes {}", keys.threshold());
            findings.push(Finding::new(Code::SessionUnsigned, Place::session(header.index), message));
        }
    }

    fn finish(self, last_hash: Hash) -> HistoryAudit {
        let Self { root, items, mut result, .. } = self;
        if let Some(last) = root.sessions().checked_sub(1).filter(|_| result.errors == 0) {
            result.anchor = Some(Anchor {
                last,
                last_hash,
                sessions: root.sessions(),
                items,
                history_root: root.root(),
                signed: result.chain.signed,
                ..Anchor::default()
            });
        }
        result
    }
}
