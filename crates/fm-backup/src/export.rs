//! `export`: writes a state as an archive.
//!
//! Invariants: nothing is written before the state was audited; the file appears under its name only after it
//! was read back completely; after a kill the same command continues with what was left, and replaces it
//! where it does not match.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use age::Encryptor;
use age::x25519::{Identity, Recipient};
use fm_archive::{ArchiveWriter, Metadata, Options, Summary};
use fm_audit::{ArchiveSource, AuditError, Control, HistoryKeys, check_medium, check_written};
use fm_eras::Layout;
use fm_eras::hbbft::{HISTORY_TABLE, epoch_of_key};
use fm_history::{Finding, Hash};
use fm_rows::{OnRow, RowSource, Rows, SourceError, each_row, visit_rows};
use fm_store::{Obstacle, StoreError};

use crate::increment::changes;
use crate::overlay::open_base;
use crate::profile::{INCREMENT, SINCE, STATE_IDENTITY};
use crate::secrets::Secrets;
use crate::statement::statement;
use crate::{BackupError, Draft, Location, Making, Profile, Refused, State, Survey, Unfit, headers, survey};

/// The default level of an archive. The other work of an export takes so much time that levels up to this one
/// cost almost nothing more.
pub const DEFAULT_LEVEL: i32 = 7;

/// How a state is exported.
pub struct ExportOptions<'a> {
    /// The file or object to make.
    pub target: &'a Location,
    /// Which part of the state is written.
    pub profile: Profile,
    /// Write only what is new compared with this archive.
    pub since: Option<&'a Location>,
    /// Public keys that the archive is encrypted to; if empty, it is not encrypted.
    pub recipients: &'a [Recipient],
    /// The guardian's data directory, whose secrets must not be in any row.
    pub data_dir: Option<&'a Path>,
    /// Keys for checking signatures.
    pub keys: Option<HistoryKeys<'a>>,
    /// Write the archive although the state has findings that are errors.
    pub accept_findings: bool,
    /// The Zstandard level.
    pub level: i32,
    /// What the archive states about its making.
    pub making: Making,
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The survey of the state.
    pub survey: Survey,
    /// The numbers of the archive.
    pub summary: Summary,
    /// The metadata of the archive.
    pub metadata: Metadata,
    /// Whether the archive already existed.
    pub existed: bool,
    /// The number of its bytes that an interrupted run had written or sent to the store.
    pub kept: u64,
    /// What remains of the work in the store because it may not be removed, in a sentence.
    pub left: Option<String>,
}

/// Writes a state as an archive.
///
/// # Errors
/// If the state cannot be read or is not proven, a row holds a secret, or the archive cannot be written. Then
/// nothing is left at the target.
pub fn export(
    state: &State,
    options: &ExportOptions<'_>,
    control: Control<'_>,
    on_finding: &mut dyn FnMut(Finding),
) -> Result<Exported, BackupError> {
    check(state, options)?;
    let base = options.since.map(open_base).transpose()?;
    let secrets = Secrets::of(options.data_dir)?;
    let survey = survey(state, options.keys, control, on_finding)?;
    if survey.errors > 0 && !options.accept_findings {
        let (errors, warnings) = (survey.errors, survey.warnings);
        return Err(BackupError::NotProven { path: state.path().to_owned(), errors, warnings });
    }
    if options.profile != Profile::Full && survey.audit.proven.is_none() {
        return Err(BackupError::NoHistory { path: state.path().to_owned() });
    }
    let mut metadata = statement(&survey, options.profile, &options.making);
    if let Some(base) = &base {
        metadata.insert("kind", INCREMENT);
        metadata.insert(SINCE, hex::encode(base.summary().identity));
        metadata.insert(STATE_IDENTITY, survey.classes.identity.to_string());
    }
    if options.target.is_there()? {
        return existing(options.target, metadata, survey, control);
    }
    let draft = options.target.create()?;
    let job = Job { state, survey: &survey, base: base.as_ref(), options, secrets: &secrets, control };
    let (draft, written, summary) = match options.recipients {
        [] => {
            let earlier = draft.earlier();
            let (mut draft, summary) = job.write(draft, &metadata, earlier)?;
            draft.complete()?;
            let written = draft.written();
            (draft, written, summary)
        }
        recipients => job.write_encrypted(draft, &metadata, recipients)?,
    };
    let is_whole = options.profile == Profile::Full && base.is_none();
    if is_whole && Hash(summary.identity) != survey.classes.identity {
        let what = "the source changed while it was read".to_owned();
        return Err(BackupError::ReadBack { path: options.target.path().to_owned(), what });
    }
    read_back(&written, &summary, control)?;
    let kept = draft.kept();
    let left = draft.publish()?;
    Ok(Exported { survey, summary, metadata, existed: false, kept, left })
}

fn check(state: &State, options: &ExportOptions<'_>) -> Result<(), BackupError> {
    if options.profile == Profile::Headers {
        headers::check_layout(state)?;
    }
    let has = state.profile();
    let is_enough = has == Profile::Full || (has == options.profile && has != Profile::Headers);
    if !is_enough {
        let why = Unfit::OtherProfile { has, wanted: options.profile };
        return Err(BackupError::not_fit(state.path(), why));
    }
    if options.since.is_some() && options.profile != Profile::Full {
        return Err(BackupError::not_fit(state.path(), Unfit::PartialIncrement));
    }
    Ok(())
}

/// Checks an existing target; accepts an archive of exactly this state with exactly this metadata.
fn existing(
    target: &Location,
    metadata: Metadata,
    survey: Survey,
    control: Control<'_>,
) -> Result<Exported, BackupError> {
    let other = |difference: String| BackupError::OtherTarget { path: target.path().to_owned(), difference };
    // A target that cannot be read now is not known to be something else.
    let unless_kept_off =
        |error: BackupError| if is_kept_off(&error) { error } else { other(error.to_string()) };
    target.check_keys().map_err(unless_kept_off)?;
    let there =
        ArchiveSource::over(Arc::new(target.clone())).map_err(|error| unless_kept_off(error.into()))?;
    let said = there.all_metadata();
    if let Some((name, value)) = metadata.iter().find(|(name, value)| said.get(name) != Some(value)) {
        let found = said.get(name).unwrap_or("nothing");
        return Err(other(format!("its {name} is {found:?}, not {value:?}")));
    }
    match check_medium(target, control)? {
        (Some(_), _) => target.clear()?,
        (None, damage) => {
            let first = damage.first().map(ToString::to_string).unwrap_or_default();
            return Err(other(format!("it is damaged ({first})")));
        }
    }
    Ok(Exported { survey, summary: there.summary(), metadata, existed: true, kept: 0, left: None })
}

/// Returns whether a store or the system refused access, so that nothing is known about the target.
fn is_kept_off(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let system = cause.downcast_ref::<io::Error>();
        system.is_some_and(|error| Refused::of(error).is_some() || Obstacle::of(error).is_some())
    })
}

struct Job<'a> {
    state: &'a State,
    survey: &'a Survey,
    base: Option<&'a ArchiveSource>,
    options: &'a ExportOptions<'a>,
    secrets: &'a Secrets,
    control: Control<'a>,
}

impl Job<'_> {
    /// Writes the archive so that the recipients can read it, and so that it can be read back here: one more
    /// recipient is a temporary key.
    fn write_encrypted(
        &self,
        draft: Box<dyn Draft>,
        metadata: &Metadata,
        recipients: &[Recipient],
    ) -> Result<(Box<dyn Draft>, Location, Summary), BackupError> {
        let target = self.options.target.path();
        let failed = |source| BackupError::from(StoreError::io(target, source));
        let own = Identity::generate();
        let own_recipient = own.to_public();
        let all = recipients.iter().chain([&own_recipient]).map(|recipient| recipient as _);
        let encryptor =
            Encryptor::with_recipients(all).map_err(|error| failed(io::Error::other(error.to_string())))?;
        let (sink, summary) = self.write(encryptor.wrap_output(draft).map_err(failed)?, metadata, None)?;
        let mut draft = sink.finish().map_err(failed)?;
        draft.complete()?;
        let written = draft.written().with_age_identity(own);
        Ok((draft, written, summary))
    }

    fn write<W: Write>(
        &self,
        sink: W,
        metadata: &Metadata,
        earlier: Option<Box<dyn Read + Send>>,
    ) -> Result<(W, Summary), BackupError> {
        let (target, control) = (self.options.target.path(), self.control);
        let options = Options { level: self.options.level, ..Options::default() };
        let mut writer = ArchiveWriter::new(sink, metadata, options).map_err(BackupError::writing(target))?;
        if let Some(earlier) = earlier {
            writer = writer.resuming(earlier);
        }
        let total = self.base.is_none().then_some(self.survey.classes.records).filter(|records| *records > 0);
        control.progress.begin("archive", "records", total);
        let unreadable = |source| AuditError::rows(self.state.path(), source).into();
        each_row(
            |on| self.visit(on),
            unreadable,
            |key, value| {
                control.check()?;
                if let Some(what) = self.secrets.find(key, value) {
                    let (path, key) = (self.state.path().to_owned(), hex::encode(key));
                    return Err(BackupError::Secret { path, key, what: what.to_owned() });
                }
                writer.push(key, value).map_err(BackupError::writing(target))?;
                control.progress.advance(1);
                Ok(())
            },
        )?;
        control.progress.end();
        writer.finish().map_err(BackupError::writing(target))
    }

    /// Passes on what goes into the archive, in order.
    fn visit(&self, on: OnRow<'_>) -> Result<(), SourceError> {
        let all = self.state.rows();
        match (self.options.profile, self.base) {
            (Profile::Full, Some(base)) => {
                let changes = changes(base.scan_range(&[], None), all.scan_range(&[], None));
                visit_rows(Box::new(changes), on)
            }
            (Profile::Full, None) => all.visit(&[], None, on),
            (Profile::History, _) => visit_rows(self.history(), on),
            (Profile::Headers, _) => {
                let headers = self.history().map(|row| {
                    let (key, value) = row?;
                    let header = headers::header_record(&value).map_err(SourceError::from)?;
                    Ok((key, header))
                });
                visit_rows(Box::new(headers), on)
            }
        }
    }

    /// Returns the records of the history up to its last proven epoch or session.
    fn history(&self) -> Rows<'_> {
        let layout = self.survey.layout;
        let Some(last) = self.survey.audit.proven.as_ref().map(|anchor| anchor.last) else {
            return Box::new(std::iter::empty());
        };
        let prefix = match layout {
            Layout::Hbbft(_) => HISTORY_TABLE,
            Layout::Blocks(layout) => layout.history,
        };
        let number = move |key: &[u8]| match layout {
            Layout::Hbbft(layout) => epoch_of_key(key, layout.dialect).ok(),
            Layout::Blocks(layout) => layout.number_of_key(key).ok(),
        };
        let rows = self.state.rows().scan_prefix(prefix);
        Box::new(rows.filter(move |row| match row {
            Ok((key, _)) => number(key).is_some_and(|number| number <= last),
            Err(_) => true,
        }))
    }
}

/// Reads the written archive back, every frame and record of it.
pub(crate) fn read_back(
    written: &Location,
    summary: &Summary,
    control: Control<'_>,
) -> Result<(), BackupError> {
    let failed = |what: String| BackupError::ReadBack { path: written.path().to_owned(), what };
    match check_written(written, summary.root, control)? {
        (Some(identity), _) if identity.0 == summary.identity => Ok(()),
        (Some(identity), _) => Err(failed(format!("its identity is {identity}"))),
        (None, damage) => Err(failed(damage.first().map(ToString::to_string).unwrap_or_default())),
    }
}
