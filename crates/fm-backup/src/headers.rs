//! The headers of a history: what is signed in each session, without its items.
//!
//! A record has the key of the session's record. Its value is the number of items (BigSize), the root of the
//! header (32 bytes), and the signatures as they are at the end of the session's record. Only sessions of
//! v0.2 and later have headers that are meaningful without their items.

use fm_audit::{
    AuditError, CheckedSignatures, ChunkSize, Control, Feed, HistoryAudit, ProvenPrefix, Request,
    check_signatures, run_pipeline, signature_findings,
};
use fm_codec::{DecodeError, Dialect, Reader, Writer};
use fm_crypto::SessionKeys;
use fm_eras::Layout;
use fm_eras::session::{SIGNED_SESSION_OUTCOME, session_of_key};
use fm_history::{
    Code, Finding, Hash, HistoryRoot, Place, SessionHeader, SessionLeaf, SessionParts, Signatures,
    read_signatures, signed_record,
};
use fm_rows::Row;

use crate::{BackupError, State, Unfit};

/// Refuses histories whose headers are not meaningful without their items.
pub(crate) fn check_layout(state: &State) -> Result<(), BackupError> {
    match state.layout() {
        Layout::Blocks(layout) if layout.is_modern() => Ok(()),
        layout => Err(BackupError::not_fit(state.path(), Unfit::NoHeaders { era: layout.era() })),
    }
}

/// Returns the header record for a session's record.
pub(crate) fn header_record(record: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let parts = SessionParts::read(record)?;
    let mut writer = Writer::new(Dialect::MODERN);
    writer.u64(parts.items);
    writer.raw(&parts.merkle.root.0);
    Ok(signed_record(writer.as_bytes(), &parts.signatures))
}

/// Reads a header record as the header of the session with this index.
pub(crate) fn read_header(index: u64, record: &[u8]) -> Result<(SessionLeaf, Signatures), DecodeError> {
    let mut reader = Reader::new(record, Dialect::MODERN);
    let items = reader.u64()?;
    let root = Hash(reader.array()?);
    let signatures = read_signatures(reader.take(reader.left())?)?;
    Ok((SessionLeaf { items, header: SessionHeader { index, root } }, signatures))
}

/// The largest number of headers whose signatures are checked together.
const BATCH: usize = 4_096;

/// Audits headers: no session may be missing, and enough guardians must have signed each.
pub(crate) fn audit_headers(
    state: &State,
    request: Request<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<HistoryAudit, AuditError> {
    let keys = request.session_keys();
    let mut audit = HeaderAudit::new(keys, state.layout(), on_finding);
    request.lacks.iter().cloned().for_each(|finding| audit.report(finding));
    let read = |feed: &mut Feed<'_, Row, AuditError>| {
        for row in state.rows().scan_range(&[], None) {
            let row = row.map_err(|source| AuditError::rows(state.path(), source))?;
            let bytes = row.0.len() + row.1.len();
            feed.push(row, bytes)?;
        }
        Ok(())
    };
    control.progress.begin("headers", "sessions", None);
    run_pipeline(
        ChunkSize::large(BATCH),
        control,
        read,
        |rows| check_rows(&rows, keys),
        |header| {
            audit.on_row(header);
            Ok(())
        },
    )?;
    control.progress.end();
    Ok(audit.finish())
}

/// A header with the signatures under it.
struct CheckedHeader {
    leaf: SessionLeaf,
    signatures: usize,
    /// The result of checking the signatures, if there are keys.
    checked: Option<CheckedSignatures>,
}

/// Reads headers and checks all their signatures together; returns a finding for a row that is not a header.
fn check_rows(rows: &[Row], keys: Option<&SessionKeys>) -> Vec<Result<CheckedHeader, Finding>> {
    let headers: Vec<_> = rows.iter().map(|(key, value)| header_of_row(key, value)).collect();
    let sound = headers.iter().flatten().map(|(leaf, signatures)| (leaf.header, signatures));
    let checked = keys.map(|keys| check_signatures(&sound.collect::<Vec<_>>(), keys));
    let mut checked = checked.unwrap_or_default().into_iter();
    let mut with_checked = |(leaf, signatures): &(SessionLeaf, Signatures)| CheckedHeader {
        leaf: *leaf,
        signatures: signatures.len(),
        checked: checked.next(),
    };
    headers.iter().map(|header| header.as_ref().map(&mut with_checked).map_err(Clone::clone)).collect()
}

fn header_of_row(key: &[u8], value: &[u8]) -> Result<(SessionLeaf, Signatures), Finding> {
    if key.first() != Some(&SIGNED_SESSION_OUTCOME) {
        let message = "a record of no session in an archive of headers";
        return Err(Finding::new(Code::UnknownPrefix, Place::key(key), message));
    }
    let undecodable =
        |error: DecodeError| Finding::new(Code::SessionUndecodable, Place::key(key), error.to_string());
    let index = session_of_key(key).map_err(undecodable)?;
    read_header(index, value).map_err(undecodable)
}

struct HeaderAudit<'a, 'f> {
    keys: Option<&'a SessionKeys>,
    on_finding: &'f mut dyn FnMut(Finding),
    root: HistoryRoot,
    last_hash: Hash,
    items: u64,
    result: HistoryAudit,
}

impl<'a, 'f> HeaderAudit<'a, 'f> {
    fn new(keys: Option<&'a SessionKeys>, layout: Layout, on_finding: &'f mut dyn FnMut(Finding)) -> Self {
        let result = HistoryAudit { layout: Some(layout), ..HistoryAudit::default() };
        let root = HistoryRoot::new();
        Self { keys, on_finding, root, last_hash: Hash::default(), items: 0, result }
    }

    fn report(&mut self, finding: Finding) {
        finding.severity.count(&mut self.result.errors, &mut self.result.warnings);
        (self.on_finding)(finding);
    }

    fn on_row(&mut self, header: Result<CheckedHeader, Finding>) {
        let CheckedHeader { leaf, signatures, checked } = match header {
            Ok(header) => header,
            Err(finding) => return self.report(finding),
        };
        let (index, expected) = (leaf.header.index, self.root.sessions());
        if index != expected {
            let message = format!("session {expected} is not there");
            self.report(Finding::new(Code::SessionMissing, Place::session(index), message));
        }
        self.root.push(leaf);
        self.last_hash = leaf.header.root;
        self.items = self.items.saturating_add(leaf.items);
        let chain = &mut self.result.chain;
        chain.records += 1;
        chain.last = Some(index);
        let (Some(keys), Some(checked)) = (self.keys, checked) else {
            chain.unchecked += u64::from(signatures > 0);
            chain.unproven += u64::from(signatures == 0);
            return;
        };
        if checked.valid >= keys.threshold() {
            chain.signed += 1;
            chain.last_signed = Some(index);
        } else {
            chain.unproven += 1;
        }
        let found = signature_findings(checked, index, signatures, keys.threshold());
        found.into_iter().for_each(|finding| self.report(finding));
    }

    fn finish(self) -> HistoryAudit {
        let Self { root, last_hash, items, mut result, on_finding, .. } = self;
        if result.chain.records == 0 {
            let message = "no header of a finished session is stored: there is nothing that guardians could have signed";
            let finding = Finding::new(Code::HistoryEmpty, Place::everywhere(), message);
            finding.severity.count(&mut result.errors, &mut result.warnings);
            on_finding(finding);
        }
        if let Some(last) = root.sessions().checked_sub(1).filter(|_| result.errors == 0) {
            result.proven = Some(ProvenPrefix {
                last,
                last_hash,
                sessions: root.sessions(),
                items,
                history_root: root.root(),
                signed: result.chain.signed,
                ..ProvenPrefix::default()
            });
        }
        result
    }
}
