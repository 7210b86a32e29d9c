//! `inspect`: what a database holds, counted, with every table by its name.

use std::collections::BTreeMap;

use fm_audit::{omission_findings, settle_log};
use fm_cli::{
    Exit, Failure, ModuleLine, Output, PinnedKeys, TableLine, module_lines, prefix_of, table_lines,
};
use fm_codec::{Dialect, Reader};
use fm_eras::block::{BlockLayout, ValueForm, decode_block};
use fm_eras::hbbft::{self, EpochLayout, HISTORY_TABLE};
use fm_eras::modules::Modules;
use fm_eras::{Layout, Tables, detect};
use fm_history::{Code, Finding, PeerId, printable};
use fm_rows::SourceError;
use fm_store::ReadStore;
use serde::Serialize;

use crate::args::InspectArgs;
use crate::inspect_print;

/// The versions that the server wrote of itself.
#[derive(Serialize)]
pub(crate) struct ServerVersions {
    pub(crate) first: String,
    pub(crate) last: String,
}

/// A part of the database that is not read.
#[derive(Serialize)]
pub(crate) struct Omitted {
    pub(crate) code: Code,
    pub(crate) message: String,
}

#[derive(Serialize)]
pub(crate) struct Inspection {
    pub(crate) era: String,
    pub(crate) layout: &'static str,
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    pub(crate) last_pointer: Option<u64>,
    pub(crate) signatures: u64,
    pub(crate) last_with_signature: Option<u64>,
    pub(crate) tip: u64,
    pub(crate) undecodable: u64,
    pub(crate) server: Option<ServerVersions>,
    pub(crate) log_tail_torn: Option<String>,
    pub(crate) omissions: Vec<Omitted>,
    pub(crate) guardians: BTreeMap<PeerId, String>,
    /// The configuration with the guardians' names, if it was found and not named.
    #[serde(skip)]
    pub(crate) found: Option<PinnedKeys>,
    #[serde(skip)]
    pub(crate) is_epochs: bool,
    pub(crate) modules: Vec<ModuleLine>,
    pub(crate) tables: Vec<TableLine>,
}

pub(crate) fn run(arguments: &InspectArgs) -> Result<Exit, Failure> {
    let inspection = inspect(arguments)?;
    let mut output = Output::default();
    if arguments.json {
        output.json(&inspection)?;
    } else {
        inspect_print::print(&mut output, &inspection)?;
    }
    Ok(Exit::Done)
}

fn inspect(arguments: &InspectArgs) -> Result<Inspection, Failure> {
    let source = arguments.source.path()?;
    let keys = arguments.keys.load_or_warn(source, "fm-migrate")?;
    let inner = source.join(fm_datadir::DATABASE_NAME);
    let is_data_directory = !source.join("CURRENT").exists() && inner.is_dir();
    let path = if is_data_directory { inner.as_path() } else { source };
    let mut store = ReadStore::open(path)?;
    let detected = match arguments.layout.get()? {
        Some(layout) => layout,
        None => detect(&store).map_err(|error| {
            let failure = Failure::from_error(Exit::CannotLook, &error);
            Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
        })?,
    };
    // Nothing is proven here, but keys of another kind are a mistake that the user should know at once.
    keys.as_ref().map(|keys| keys.usable_for(&detected)).transpose()?;
    settle_log(&mut store, detected)?;
    let config = keys.as_ref().and_then(|keys| keys.config.as_ref());
    let kinds = config.map(|config| config.modules.clone()).unwrap_or_default();
    let modules = Modules::read(&store, detected, &kinds).map_err(unreadable)?;
    let (mut inspection, tables) = match detected {
        Layout::Hbbft(layout) => inspect_hbbft(&store, layout, &modules)?,
        Layout::Blocks(layout) => inspect_blocks(&store, layout, &modules)?,
    };
    inspection.modules = module_lines(&tables, &modules);
    inspection.tables = table_lines(&tables, &detected, &modules);
    let omissions = omission_findings(store.omissions()).into_iter();
    inspection.omissions = omissions.map(|Finding { code, message, .. }| Omitted { code, message }).collect();
    let torn = inspection.omissions.iter().find(|omitted| omitted.code == Code::LogTailTorn);
    inspection.log_tail_torn = torn.map(|omitted| omitted.message.clone());
    if let Some(config) = config {
        inspection.guardians =
            config.guardians.iter().map(|(peer, guardian)| (*peer, guardian.name.clone())).collect();
    }
    inspection.found = keys.filter(|keys| keys.is_found);
    Ok(inspection)
}

fn unreadable(error: SourceError) -> Failure {
    Failure::from_error(Exit::CannotLook, error.as_ref())
}

fn inspect_hbbft(
    store: &ReadStore,
    layout: EpochLayout,
    modules: &Modules,
) -> Result<(Inspection, Tables), Failure> {
    let mut inspection = Inspection::new(&Layout::Hbbft(layout));
    let tables = Tables::count(
        store,
        |key| prefix_of(key, modules),
        |key, value| {
            if key == hbbft::LAST_EPOCH_KEY {
                inspection.last_pointer = hbbft::decode_last_epoch(value, layout.dialect).ok();
            } else if key.first() != Some(&HISTORY_TABLE) {
                inspection.undecodable += u64::from(hbbft::check_record(key, value, &layout).is_err());
            } else {
                inspection.see_epoch(key, value, &layout);
            }
        },
    )
    .map_err(unreadable)?;
    inspection.tip = count_tip(store, layout.dialect, inspection.last_with_signature)?;
    Ok((inspection, tables))
}

/// Counts the rows of epochs past the last one with a signature. The numbers do not show how many there are:
/// a key can hold any number.
fn count_tip(store: &ReadStore, dialect: Dialect, signed: Option<u64>) -> Result<u64, Failure> {
    let mut tip = 0;
    for row in store.scan_prefix(&[HISTORY_TABLE]) {
        let (key, _) = row?;
        tip += u64::from(hbbft::epoch_of_key(&key, dialect).is_ok_and(|epoch| Some(epoch) > signed));
    }
    Ok(tip)
}

fn inspect_blocks(
    store: &ReadStore,
    layout: &'static BlockLayout,
    modules: &Modules,
) -> Result<(Inspection, Tables), Failure> {
    let mut inspection = Inspection::new(&Layout::Blocks(layout));
    let tables = Tables::count(
        store,
        |key| prefix_of(key, modules),
        |key, value| match layout.check_row(key, value) {
            Err(_) => inspection.undecodable += 1,
            Ok(table) if table.value == ValueForm::Block => inspection.see_block(key, value, layout),
            Ok(table) if table.value == ValueForm::TwoTexts => {
                inspection.server = two_texts(value, layout.dialect);
            }
            Ok(_) => {}
        },
    )
    .map_err(unreadable)?;
    Ok((inspection, tables))
}

fn two_texts(value: &[u8], dialect: Dialect) -> Option<ServerVersions> {
    let mut reader = Reader::new(value, dialect);
    let mut text = || Some(printable(&reader.text().ok()?).into_owned());
    Some(ServerVersions { first: text()?, last: text()? })
}

impl Inspection {
    fn new(layout: &Layout) -> Self {
        Self {
            era: layout.era().to_string(),
            layout: layout.name(),
            first: None,
            last: None,
            last_pointer: None,
            signatures: 0,
            last_with_signature: None,
            tip: 0,
            undecodable: 0,
            server: None,
            log_tail_torn: None,
            omissions: Vec::new(),
            guardians: BTreeMap::new(),
            found: None,
            is_epochs: matches!(layout, Layout::Hbbft(_)),
            modules: Vec::new(),
            tables: Vec::new(),
        }
    }

    fn see(&mut self, number: u64) {
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        self.last = Some(self.last.map_or(number, |last| last.max(number)));
    }

    fn see_epoch(&mut self, key: &[u8], value: &[u8], layout: &EpochLayout) {
        let number = hbbft::epoch_of_key(key, layout.dialect);
        if let Ok(number) = number {
            self.see(number);
        }
        match (number, hbbft::decode_epoch(value, layout)) {
            (Ok(number), Ok(epoch)) if epoch.number == number => {
                if epoch.signature.is_some() {
                    self.signatures += 1;
                    self.last_with_signature = self.last_with_signature.max(Some(number));
                }
            }
            _ => self.undecodable += 1,
        }
    }

    fn see_block(&mut self, key: &[u8], value: &[u8], layout: &BlockLayout) {
        let (Ok(number), Ok(block)) = (layout.number_of_key(key), decode_block(value, layout)) else {
            return;
        };
        self.see(number);
        self.signatures += block.signatures.len() as u64;
        if !block.signatures.is_empty() {
            self.last_with_signature = self.last_with_signature.max(Some(number));
        }
    }
}
