//! `get` and `cat`: parts of an archive, without reading the rest.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use fm_backup::State;
use fm_cli::{Exit, Failure, Output, TerminalProgress, interrupt_flag};
use fm_eras::Layout;
use fm_eras::block::decode_block;
use fm_eras::hbbft::epoch_key;
use fm_eras::modules::{ModuleKey, Modules};
use fm_history::PeerId;
use serde::Serialize;

use crate::args::{CatArgs, GetArgs, KindArgs};

#[derive(Serialize)]
struct RecordLine {
    r#type: &'static str,
    key: String,
    value: String,
    /// The table of the record; a module's table is named by the module's kind if that is known.
    table: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signers: Option<Vec<PeerId>>,
}

impl RecordLine {
    fn new(key: &[u8], value: &[u8], names: &Names<'_>) -> Result<Self, Failure> {
        let mut line = Self {
            r#type: "record",
            key: hex::encode(key),
            value: hex::encode(value),
            table: "unknown",
            module: None,
            kind: None,
            session: None,
            items: None,
            header_root: None,
            signers: None,
        };
        let layout = names.state.layout();
        match ModuleKey::of(key, layout.dialect()) {
            None => line.table = layout.table_name(key).unwrap_or("unknown"),
            Some(own) => {
                let modules = names.modules()?;
                line.table = modules.name_of(&own);
                line.module = Some(own.module);
                line.kind = modules.modules.get(&own.module).and_then(|module| module.kind.clone());
            }
        }
        Ok(line)
    }
}

/// The names of tables. A module's tables depend on the version of its database, which is elsewhere in an
/// archive and is looked up for the first row of a module.
struct Names<'a> {
    state: &'a State,
    kinds: BTreeMap<u16, String>,
    modules: OnceCell<Modules>,
}

impl<'a> Names<'a> {
    fn new(state: &'a State, kinds: &KindArgs) -> Result<Self, Failure> {
        Ok(Self { state, kinds: kinds.kinds()?, modules: OnceCell::new() })
    }

    fn modules(&self) -> Result<&Modules, Failure> {
        if let Some(modules) = self.modules.get() {
            return Ok(modules);
        }
        let (state, kinds) = (self.state, &self.kinds);
        let modules = Modules::read(state.rows(), state.layout(), kinds);
        let modules = modules.map_err(|source| unreadable(state, source))?;
        Ok(self.modules.get_or_init(|| modules))
    }
}

fn unreadable(state: &State, source: fm_rows::SourceError) -> Failure {
    fm_audit::AuditError::rows(state.path(), source).into()
}

pub(crate) fn get(arguments: &GetArgs) -> Result<Exit, Failure> {
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let state =
        State::open_at(&arguments.archive.archive()?, arguments.archive.base()?.as_ref(), None, control)?;
    let key = match (&arguments.key, arguments.session) {
        (Some(key), _) => key.0.clone(),
        (None, Some(session)) => session_key(state.layout(), session),
        (None, None) => return Err(Failure::new(Exit::Usage, "give --session or --key")),
    };
    let names = Names::new(&state, &arguments.kinds)?;
    let value = state.rows().get(&key).map_err(|source| unreadable(&state, source))?;
    drop(progress);
    let Some(value) = value else {
        let message = format!("{} has no record {}", state.path().display(), hex::encode(key));
        return Err(Failure::new(Exit::Findings, message));
    };
    let mut line = RecordLine::new(&key, &value, &names)?;
    line.session = arguments.session;
    if let (Some(_), Layout::Blocks(layout)) = (arguments.session, state.layout())
        && let Ok(block) = decode_block(&value, layout)
    {
        line.items = Some(block.items.len());
        line.header_root = Some(block.merkle.root.to_string());
        line.signers = Some(block.signatures.keys().copied().collect());
    }
    Output::default().json(&line)?;
    Ok(Exit::Done)
}

fn session_key(layout: Layout, session: u64) -> Vec<u8> {
    match layout {
        Layout::Hbbft(layout) => epoch_key(session, layout.dialect),
        Layout::Blocks(layout) => {
            let mut writer = fm_codec::Writer::new(layout.dialect);
            writer.u8(layout.history);
            writer.u64(session);
            writer.into_bytes()
        }
    }
}

pub(crate) fn cat(arguments: &CatArgs) -> Result<Exit, Failure> {
    let flag = interrupt_flag()?;
    let progress = TerminalProgress::new();
    let control = fm_audit::Control { progress: &progress, interrupted: &flag };
    let state =
        State::open_at(&arguments.archive.archive()?, arguments.archive.base()?.as_ref(), None, control)?;
    let names = Names::new(&state, &arguments.kinds)?;
    let from = arguments.from.as_ref().map_or(&[][..], |key| &key.0);
    let before = arguments.before.as_ref().map(|key| key.0.as_slice());
    let mut output = Output::default();
    for row in state.rows().scan_range(from, before) {
        let (key, value) = row.map_err(|source| unreadable(&state, source))?;
        control.check()?;
        output.json(&RecordLine::new(&key, &value, &names)?)?;
    }
    Ok(Exit::Done)
}
