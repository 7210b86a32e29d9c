//! `inspect`.

use std::collections::BTreeMap;

use fm_audit::{omission_findings, settle_log};
use fm_cli::{Exit, Failure, Output, PinnedKeys, group_digits};
use fm_codec::{Dialect, Reader};
use fm_eras::block::{BlockLayout, decode_block};
use fm_eras::hbbft::{self, HISTORY_TABLE, Layout};
use fm_eras::{Detected, Tables, detect, session};
use fm_history::{Code, Finding};
use fm_store::ReadStore;
use serde::Serialize;

use crate::args::InspectArgs;

#[derive(Serialize)]
struct TableLine {
    prefix: String,
    name: String,
    records: u64,
    key_bytes: u64,
    value_bytes: u64,
}

/// A part of the database that is not read.
#[derive(Serialize)]
struct Omitted {
    code: Code,
    message: String,
}

#[derive(Serialize)]
struct Inspection {
    era: String,
    dialect: Option<&'static str>,
    first: Option<u64>,
    last: Option<u64>,
    last_pointer: Option<u64>,
    signatures: u64,
    last_with_signature: Option<u64>,
    tip: u64,
    undecodable: u64,
    log_tail_torn: Option<String>,
    omissions: Vec<Omitted>,
    guardians: BTreeMap<u16, String>,
    /// The configuration that the guardians' names are from, if nobody named it.
    #[serde(skip)]
    found: Option<PinnedKeys>,
    tables: Vec<TableLine>,
}

pub(crate) fn run(arguments: &InspectArgs) -> Result<Exit, Failure> {
    let inspection = inspect(arguments)?;
    let mut output = Output::default();
    if arguments.json {
        output.json(&inspection)?;
    } else {
        print(&mut output, &inspection)?;
    }
    Ok(Exit::Done)
}

fn inspect(arguments: &InspectArgs) -> Result<Inspection, Failure> {
    let source = arguments.source.path()?;
    let keys = arguments.keys.load_or_warn(source, "fm-migrate")?;
    let inner = source.join(fm_audit::DATABASE_NAME);
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
    // Nothing is proven here, but keys of another kind are a mistake that should not wait.
    keys.as_ref().map(|keys| keys.usable_for(&detected)).transpose()?;
    settle_log(&mut store, detected)?;
    let mut inspection = match detected {
        Detected::Hbbft(layout) => inspect_hbbft(&store, layout)?,
        Detected::Blocks(layout) => inspect_blocks(&store, layout)?,
    };
    let omissions = omission_findings(store.omissions()).into_iter();
    inspection.omissions = omissions.map(|Finding { code, message, .. }| Omitted { code, message }).collect();
    let torn = inspection.omissions.iter().find(|omitted| omitted.code == Code::LogTailTorn);
    inspection.log_tail_torn = torn.map(|omitted| omitted.message.clone());
    if let Some(config) = keys.as_ref().and_then(|keys| keys.config.as_ref()) {
        inspection.guardians =
            config.guardians.iter().map(|(peer, guardian)| (*peer, guardian.name.clone())).collect();
    }
    inspection.found = keys.filter(|keys| keys.is_found);
    Ok(inspection)
}

fn inspect_hbbft(store: &ReadStore, layout: Layout) -> Result<Inspection, Failure> {
    let mut inspection = Inspection::new(layout.era().to_owned(), Some(layout.name()));
    let prefix = |key: &[u8]| prefix_of(key, layout.dialect);
    let tables = Tables::count(store, prefix, |key, value| {
        if key == hbbft::LAST_EPOCH_KEY {
            inspection.last_pointer = hbbft::decode_last_epoch(value, layout.dialect).ok();
        } else if key.first() != Some(&HISTORY_TABLE) {
            inspection.undecodable += u64::from(hbbft::check_record(key, value, &layout).is_err());
        } else {
            let number = hbbft::epoch_of_key(key, layout.dialect);
            if let Ok(number) = number {
                inspection.see(number);
            }
            match (number, hbbft::decode_epoch(value, &layout)) {
                (Ok(number), Ok(epoch)) if epoch.number == number => {
                    if epoch.signature.is_some() {
                        inspection.signatures += 1;
                        inspection.last_with_signature = inspection.last_with_signature.max(Some(number));
                    }
                }
                _ => inspection.undecodable += 1,
            }
        }
    })
    .map_err(|error| Failure::from_error(Exit::CannotLook, error.as_ref()))?;
    inspection.tip = count_tip(store, layout.dialect, inspection.last_with_signature)?;
    inspection.tables =
        lines(&tables, |key| hbbft::table_of(key, &layout).map_or("unknown", hbbft::Table::name).to_owned());
    Ok(inspection)
}

/// Rows of epochs behind the last one with a signature. Numbers tell nothing: any may be in a key.
fn count_tip(store: &ReadStore, dialect: Dialect, signed: Option<u64>) -> Result<u64, Failure> {
    let mut tip = 0;
    for row in store.scan_prefix(&[HISTORY_TABLE]) {
        let (key, _) = row?;
        tip += u64::from(hbbft::epoch_of_key(&key, dialect).is_ok_and(|epoch| Some(epoch) > signed));
    }
    Ok(tip)
}

fn inspect_blocks(store: &ReadStore, layout: &BlockLayout) -> Result<Inspection, Failure> {
    let mut inspection = Inspection::new(layout.era.to_owned(), Some(layout.name));
    let tables = Tables::count(
        store,
        |key| prefix_of(key, layout.dialect),
        |key, value| {
            if layout.check_row(key, value).is_err() {
                inspection.undecodable += 1;
            } else if key.first() == Some(&layout.history)
                && let (Ok(number), Ok(block)) = (layout.number_of_key(key), decode_block(value, layout))
            {
                inspection.see(number);
                inspection.signatures += block.signatures.len() as u64;
                if !block.signatures.is_empty() {
                    inspection.last_with_signature = inspection.last_with_signature.max(Some(number));
                }
            }
        },
    )
    .map_err(|error| Failure::from_error(Exit::CannotLook, error.as_ref()))?;
    inspection.tables =
        lines(&tables, |key| layout.table_of(key).map_or("unknown", |table| table.name).to_owned());
    Ok(inspection)
}

/// The first byte, and in module space the module's id.
fn prefix_of(key: &[u8], dialect: Dialect) -> Vec<u8> {
    let mut reader = Reader::new(key, dialect);
    let Ok(first) = reader.u8() else { return Vec::new() };
    if first == session::MODULE_DATA && reader.u16().is_ok() {
        return key[..reader.position()].to_vec();
    }
    vec![first]
}

fn lines(tables: &Tables, name: impl Fn(&[u8]) -> String) -> Vec<TableLine> {
    let line = |(prefix, count): (&Vec<u8>, &fm_eras::TableCount)| TableLine {
        prefix: hex::encode(prefix),
        name: name(prefix),
        records: count.records,
        key_bytes: count.key_bytes,
        value_bytes: count.value_bytes,
    };
    tables.counts.iter().map(line).collect()
}

impl Inspection {
    fn new(era: String, dialect: Option<&'static str>) -> Self {
        Self {
            era,
            dialect,
            first: None,
            last: None,
            last_pointer: None,
            signatures: 0,
            last_with_signature: None,
            tip: 0,
            undecodable: 0,
            log_tail_torn: None,
            omissions: Vec::new(),
            guardians: BTreeMap::new(),
            found: None,
            tables: Vec::new(),
        }
    }

    fn see(&mut self, number: u64) {
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        self.last = Some(self.last.map_or(number, |last| last.max(number)));
    }
}

fn print(output: &mut Output, inspection: &Inspection) -> Result<(), Failure> {
    match inspection.dialect {
        Some(dialect) => output.line(&format!("era        {} ({dialect})", inspection.era))?,
        None => output.line(&format!(
            "era        {} (recognised; this version reads HoneyBadger histories only)",
            inspection.era
        ))?,
    }
    if let (Some(first), Some(last)) = (inspection.first, inspection.last) {
        output.line(&format!("range      {} to {}", group_digits(first), group_digits(last)))?;
    }
    if inspection.dialect.is_some() {
        let pointer = inspection.last_pointer.map_or("none".to_owned(), group_digits);
        output.line(&format!("last epoch {pointer} (as the database says)"))?;
        output.line(&format!("signatures {} (not checked here)", group_digits(inspection.signatures)))?;
        let tip = group_digits(inspection.tip);
        output.line(&format!("tip        {tip} newest epoch(s) without a signature"))?;
        output.line(&format!("damaged    {} records do not decode", group_digits(inspection.undecodable)))?;
    }
    for Omitted { code, message } in &inspection.omissions {
        output.line(&format!("not read   {code}: {message}"))?;
    }
    inspection.found.iter().try_for_each(|keys| keys.say_found(output))?;
    for (peer, name) in &inspection.guardians {
        output.line(&format!("guardian   {peer} {name}"))?;
    }
    output.line("")?;
    output.line("prefix    records    key bytes    value bytes  table")?;
    for table in &inspection.tables {
        output.line(&format!(
            "{:<8} {:>8} {:>12} {:>14}  {}",
            table.prefix,
            group_digits(table.records),
            group_digits(table.key_bytes),
            group_digits(table.value_bytes),
            table.name
        ))?;
    }
    Ok(())
}
