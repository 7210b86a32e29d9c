//! Files crafted to do harm: a small file takes no more than some hundred megabytes and some seconds, and the
//! user can interrupt the program.
//!
//! The content that is written here compresses a hundredfold and more, so the files are small; what the
//! programs make of them is not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use fm_archive::{ArchiveWriter, Metadata, Options};
use fm_codec::Writer;
use fm_eras::hbbft::{EpochLayout, HISTORY_TABLE, LAST_EPOCH_KEY, MAX_ELEMENTS, decode_epoch, epoch_key};
use fm_forge::ForgeSpec;
use fm_history::{Hash, sha256};
use fm_rows::Row;
use fm_tests::{Federation, Run, binary, codes, command, converted, rows, verify};
use rustix::process::{Pid, Signal, kill_process};

/// The most memory that any file may take, in MiB. The worst known file takes 461.
const BOUND: u64 = 600;
/// The same limit for files of which nothing large is held.
const SMALL: u64 = 250;
/// The time that a program may take to end after an interruption, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// A history, and epochs after its end that nobody signed: well linked, so that each is looked at.
struct Hostile {
    federation: Federation,
    rows: Vec<Row>,
    layout: EpochLayout,
    next: u64,
    last_hash: Hash,
}

impl Hostile {
    fn new() -> Self {
        let federation = Federation::small(20);
        let (rows, layout) = (rows(&federation.database()), federation.spec.layout);
        let key = epoch_key(19, layout.dialect);
        let (_, last) = rows.iter().find(|(stored, _)| *stored == key).expect("the last epoch");
        let last_hash = decode_epoch(last, &layout).expect("a good epoch").stored_hash;
        Self { federation, rows, layout, next: 20, last_hash }
    }

    fn epoch(&mut self, content: &[u8]) {
        let mut writer = Writer::new(self.layout.dialect);
        writer.u64(self.next);
        writer.option(Some(&self.last_hash), |writer, hash| writer.raw(&hash.0));
        writer.raw(content);
        self.last_hash = sha256(&[writer.as_bytes()]);
        writer.raw(&self.last_hash.0.clone());
        writer.option(None::<&()>, |_, ()| {});
        self.rows.push((epoch_key(self.next, self.layout.dialect), writer.into_bytes()));
        self.next += 1;
    }

    /// Audits an archive of all that, with the federation's keys.
    fn verify(mut self) -> (Run, u64) {
        let mut pointer = Writer::new(self.layout.dialect);
        pointer.u64(self.next - 1);
        self.rows.retain(|(key, _)| *key != LAST_EPOCH_KEY);
        self.rows.push((LAST_EPOCH_KEY.to_vec(), pointer.into_bytes()));
        self.rows.sort();
        let path = self.federation.beside("hostile.fmar");
        archive(&path, self.rows);
        audit(&path, &self.federation.config(), &[])
    }

    /// Returns the content of an epoch in which one guardian contributes `count` items of these bytes.
    fn items(&self, count: usize, item: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
        let mut writer = Writer::new(self.layout.dialect);
        writer.count(1);
        writer.u16(0);
        writer.count(count);
        (0..count).for_each(|number| writer.raw(&item(number)));
        writer.count(0);
        writer.into_bytes()
    }
}

fn archive(path: &Path, rows: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>) {
    let mut writer: ArchiveWriter<File> =
        ArchiveWriter::create(path, &Metadata::new(), Options::default()).expect("an archive can be made");
    for (key, value) in rows {
        writer.push(key.as_ref(), value.as_ref()).expect("the archive can be written");
    }
    writer.finish().expect("the archive can be written");
    let length = fs::metadata(path).expect("the archive is there").len();
    assert!(length < 8 << 20, "{length} bytes are no small file");
}

fn audit(path: &Path, config: &Path, more: &[&str]) -> (Run, u64) {
    let mut words: Vec<OsString> = vec![path.into(), "--config".into(), config.into(), "--json".into()];
    words.extend(more.iter().map(Into::into));
    Run::with_peak("fm-verify", &words)
}

/// Returns a transaction with two outputs; the number distinguishes it from others.
fn transaction(number: usize) -> Vec<u8> {
    let [.., a, b, c] = number.to_be_bytes();
    vec![3, 0, 2, 1, 3, a, b, c, 2, 0, 0]
}

#[test]
fn a_hundred_thousand_items_are_no_attack() {
    let mut hostile = Hostile::new();
    for content in [hostile.items(100_000, |_| vec![0]), hostile.items(100_000, transaction)] {
        hostile.epoch(&content);
    }
    let (run, peak) = hostile.verify();
    // Unsigned, so they are the tip; only the rows of the index are missing.
    let verdict = run.clone().exits(1).verdict();
    assert_eq!(
        (&verdict["epochs"], &verdict["tip"], &verdict["unproven"]),
        (&22.into(), &3.into(), &0.into())
    );
    let found = codes(&run.findings());
    let index = ["transaction-index-missing", "transaction-index-differs"];
    assert!(found.iter().all(|(code, _)| index.contains(&code.as_str()) || code == "epoch-tip"), "{found:?}");
    assert!(peak < BOUND, "{peak} MiB");
}

#[test]
fn the_most_items_that_are_decoded() {
    let mut hostile = Hostile::new();
    let kinds: [fn(usize) -> Vec<u8>; 3] = [|_| vec![0], |_| vec![4, 0, 0], |_| vec![3, 0, 0, 0]];
    for content in kinds.map(|kind| hostile.items(MAX_ELEMENTS - 1, kind)) {
        hostile.epoch(&content);
        hostile.epoch(&content);
    }
    let content = hostile.items((MAX_ELEMENTS - 1) / 3, transaction);
    (0..2).for_each(|_| hostile.epoch(&content));
    let (run, peak) = hostile.verify();
    let found = codes(&run.exits(1).findings());
    assert!(found.iter().all(|(code, _)| code != "epoch-undecodable"), "{found:?}");
    assert!(peak < BOUND, "{peak} MiB");
}

#[test]
fn more_items_than_that_are_a_finding() {
    let mut hostile = Hostile::new();
    let content = hostile.items(4_000_000, |_| vec![0]);
    (0..12).for_each(|_| hostile.epoch(&content));
    let content = hostile.items(MAX_ELEMENTS, |_| vec![0]);
    hostile.epoch(&content);
    let (run, peak) = hostile.verify();
    let found = run.exits(1).findings();
    let refused: Vec<_> = found.iter().filter(|finding| finding["code"] == "epoch-undecodable").collect();
    let places: Vec<_> = refused.iter().filter_map(|finding| finding["epoch"].as_u64()).collect();
    assert_eq!(places, (20..33).collect::<Vec<_>>());
    let message = refused[0]["message"].as_str().expect("a message");
    assert!(message.contains("a list of 4000000 elements"), "{message}");
    assert!(peak < SMALL, "{peak} MiB");
}

/// Large epochs that decode; detecting the layout decodes each of them under each layout.
#[test]
fn large_epochs_and_too_large_ones() {
    let mut hostile = Hostile::new();
    hostile.rows.retain(|(key, _)| key[0] != HISTORY_TABLE && key[0] != 2);
    (hostile.next, hostile.last_hash) = (0, Hash::default());
    let body = vec![0; 10_000_000];
    let mut large = Writer::new(hostile.layout.dialect);
    large.raw(&[4, 0]);
    large.bytes(&body);
    let large = hostile.items(1, |_| large.as_bytes().to_vec());
    (0..12).for_each(|_| hostile.epoch(&large));
    let mut too_large = Writer::new(hostile.layout.dialect);
    too_large.raw(&vec![0; 40_000_000]);
    hostile.epoch(too_large.as_bytes());
    let (run, peak) = hostile.verify();
    let found = run.exits(1).findings();
    let refused: Vec<_> = found.iter().filter(|finding| finding["code"] == "epoch-undecodable").collect();
    assert_eq!(refused.len(), 1, "{found:?}");
    assert!(refused[0]["message"].as_str().expect("a message").contains("is too large"), "{found:?}");
    assert!(peak < BOUND, "{peak} MiB");
}

#[test]
fn first_rows_of_many_tables() {
    let federation = Federation::small(3);
    let (path, value) = (federation.beside("hostile.fmar"), vec![0; 6_000_000]);
    archive(&path, (0x0Au8..0x4B).map(|prefix| (vec![prefix], value.as_slice())));
    let (run, peak) = audit(&path, &federation.config(), &[]);
    assert!(run.exits(3).stderr.contains("not a guardian's database"));
    assert!(peak < SMALL, "{peak} MiB");
}

/// In this layout, all keys are read before the first epoch.
#[test]
fn rows_beside_the_epochs_of_fixed_le() {
    let layout = EpochLayout::by_name("fixed-le").expect("a layout");
    let federation = Federation::new(ForgeSpec { layout, epochs: 30, ..ForgeSpec::default() });
    let (path, value) = (federation.beside("hostile.fmar"), vec![0; 20_000_000]);
    let good = rows(&federation.database());
    let mut all: Vec<(Vec<u8>, &[u8])> =
        good.iter().map(|(key, value)| (key.clone(), value.as_slice())).collect();
    let key = |number: u16| [&[HISTORY_TABLE, 0xFF], number.to_be_bytes().as_slice(), &[0; 20]].concat();
    all.extend((0..2000).map(|number| (key(number), if number < 25 { value.as_slice() } else { &[] })));
    all.sort();
    archive(&path, all);
    let (run, peak) = audit(&path, &federation.config(), &[]);
    let found = run.exits(1).findings();
    let malformed: Vec<_> = found.iter().filter(|finding| finding["code"] == "record-undecodable").collect();
    assert_eq!(malformed.len(), 1001);
    assert_eq!(malformed[1000]["message"], "1000 more keys of the history name no epoch");
    assert!(peak < SMALL, "{peak} MiB");
}

/// Ids that an attacker chose: all begin alike.
#[test]
fn an_index_of_many_strangers() {
    let federation = Federation::small(20);
    let path = federation.beside("hostile.fmar");
    let good = rows(&federation.database());
    let (before, after) = good.split_at(good.partition_point(|(key, _)| key.as_slice() < [2, 0].as_slice()));
    let known = |(key, value): &'_ Row| (key.clone(), value.clone());
    let strange = |number: u32| {
        let key = [[2, 0, 0].as_slice(), &number.to_be_bytes(), &[0; 26]].concat();
        (key, vec![1, 1])
    };
    let strangers = (0..1_500_000).map(strange);
    archive(&path, before.iter().map(known).chain(strangers).chain(after.iter().map(known)));
    let (run, peak) = audit(&path, &federation.config(), &[]);
    let run = run.exits(1);
    assert_eq!(run.verdict()["errors"], 1000);
    let last = run.findings().pop().expect("findings");
    assert_eq!((&last["code"], &last["key"]), (&"transaction-index-differs".into(), &"02".into()));
    assert!(peak < SMALL, "{peak} MiB");
}

/// Returns the content of an epoch in which `peers` peers contribute one share each, which no key verifies.
fn shares(hostile: &Hostile, peers: u16) -> Vec<u8> {
    let key = epoch_key(1, hostile.layout.dialect);
    let (_, signed) = hostile.rows.iter().find(|(stored, _)| *stored == key).expect("an early epoch");
    let share = decode_epoch(signed, &hostile.layout).expect("a good epoch").signature.expect("it is signed");
    let mut writer = Writer::new(hostile.layout.dialect);
    writer.count(peers.into());
    for peer in 0..peers {
        writer.u16(peer);
        writer.raw(&[1, 2]);
        writer.raw(&share);
    }
    writer.count(0);
    writer.into_bytes()
}

#[test]
fn shares_of_thirty_thousand_peers() {
    let mut hostile = Hostile::new();
    let content = shares(&hostile, 30_000);
    hostile.epoch(&content);
    let started = Instant::now();
    let (run, peak) = hostile.verify();
    let found = codes(&run.clone().exits(0).findings());
    assert_eq!(found, [("epoch-tip".to_owned(), Some(19)), ("shares-left-out".to_owned(), Some(20))]);
    assert!(run.stdout.contains("29900 shares are of peers from 100 on"), "{}", run.stdout);
    assert!(started.elapsed() < PATIENCE && peak < SMALL, "{:?}, {peak} MiB", started.elapsed());
}

/// Starts an audit that takes far longer than the pause, and interrupts it after that.
#[track_caller]
fn interrupted(path: &Path, config: &Path, pause: Duration) {
    let child: Child = command(binary("fm-verify"))
        .args([path.as_os_str(), "--config".as_ref(), config.as_os_str()])
        .spawn()
        .expect("the program can be started");
    thread::sleep(pause);
    let (pid, reported) = (i32::try_from(child.id()).expect("a process id"), Instant::now());
    kill_process(Pid::from_raw(pid).expect("a process id"), Signal::INT).expect("it is running");
    let run = Run::from_output("fm-verify".to_owned(), child.wait_with_output().expect("it ends")).exits(130);
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    assert!(reported.elapsed() < PATIENCE, "{:?}", reported.elapsed());
}

#[test]
fn a_flood_of_shares_can_be_interrupted() {
    let mut hostile = Hostile::new();
    let content = shares(&hostile, 100);
    (0..700).for_each(|_| hostile.epoch(&content));
    let path = hostile.federation.beside("flood.fmar");
    hostile.rows.sort();
    archive(&path, hostile.rows.iter().map(|(key, value)| (key, value)));
    interrupted(&path, &hostile.federation.config(), Duration::from_secs(2));
}

/// Detecting the layout of these takes seconds, and a thousand times the bytes of the file.
#[test]
fn a_detection_can_be_interrupted() {
    let federation = Federation::small(3);
    let (path, value) = (federation.beside("hostile.fmar"), vec![0; 40_000_000]);
    let key = |epoch| epoch_key(epoch, federation.spec.layout.dialect);
    let pointer: (Vec<u8>, &[u8]) = (LAST_EPOCH_KEY.to_vec(), &[15]);
    archive(&path, (0..16).map(|epoch| (key(epoch), value.as_slice())).chain([pointer]));
    interrupted(&path, &federation.config(), Duration::from_millis(500));
}

/// Three gigabytes of zeros where a small file is expected.
#[test]
fn files_that_are_no_files_of_keys_or_manifests() {
    let endless = |path: PathBuf| {
        File::create(&path).and_then(|file| file.set_len(3 << 30)).expect("a sparse file can be made");
        path
    };
    let federation = Federation::small(12);
    let (guardian, target) = (federation.guardian(), federation.beside("new"));
    let (run, peak) = audit(&guardian, &endless(federation.beside("consensus.json")), &[]);
    assert!(run.exits(2).sentence().contains("it is not a file of keys"));
    assert!(peak < SMALL, "{peak} MiB");
    converted(&guardian, &target);
    endless(target.join("manifest.json"));
    let (run, peak) = audit(&target, &federation.config(), &[]);
    assert!(run.exits(3).sentence().contains("which no manifest has"));
    assert!(peak < SMALL, "{peak} MiB");
}

#[test]
fn an_empty_key_is_called_empty() {
    let mut hostile = Hostile::new();
    hostile.rows.push((Vec::new(), Vec::new()));
    let (path, config) = (hostile.federation.beside("empty.fmar"), hostile.federation.config());
    hostile.rows.sort();
    archive(&path, hostile.rows.iter().map(|(key, value)| (key, value)));
    let run = verify!(path, "--config", config, "--json").exits(0);
    verify!(path, "--config", config, "--strict").exits(1);
    let found = run.findings().into_iter().find(|finding| finding["code"] == "unknown-prefix");
    assert_eq!(found.expect("a finding")["message"], "the key is empty");
}
