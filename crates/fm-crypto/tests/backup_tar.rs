//! Guardians' backups: read as servers write them; everything else is refused with its reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::path::Path;
use std::process::Command;

use fm_crypto::{BackupTar, BackupTarError};
use zeroize::Zeroizing;

const CLEAR: [&str; 3] = ["consensus.json", "local.json", "private.json"];

fn backup(fixture: &str) -> BackupTar {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(fixture);
    let files = std::fs::read_dir(directory).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_str()?.to_owned();
        path.is_file().then(|| (name, Zeroizing::new(std::fs::read(&path).unwrap())))
    });
    BackupTar::from_files(files).unwrap()
}

fn parse(bytes: &[u8]) -> Result<Vec<&'static str>, BackupTarError> {
    BackupTar::parse(bytes).map(|tar| tar.files().map(|(name, _)| name).collect())
}

/// Returns what the system's tar makes of files, with options.
fn system_tar(files: &[(&str, &str)], options: &[&str]) -> Vec<u8> {
    let home = tempfile_dir();
    for (name, text) in files {
        std::fs::write(home.join(name), text).unwrap();
    }
    let mut tar = Command::new("tar");
    tar.current_dir(&home).args(options).args(["-cf", "-"]);
    let output = tar.args(files.iter().map(|(name, _)| name)).output().unwrap();
    std::fs::remove_dir_all(&home).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn tempfile_dir() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let home = std::env::temp_dir().join(format!("fm-backup-tar-{}-{number}", std::process::id()));
    std::fs::create_dir(&home).unwrap();
    home
}

#[test]
fn files_of_real_guardians_go_in_and_come_out() {
    for (fixture, clear) in [("session-v0.5.0/peer-0", false), ("session-v0.13.0-iroh/peer-3", true)] {
        let tar = backup(fixture);
        assert_eq!(tar.is_in_clear(), clear);
        let bytes = tar.to_bytes();
        let read = BackupTar::parse(&bytes).unwrap();
        assert!(read.files().eq(tar.files()));
        let names: Vec<&str> = read.files().map(|(name, _)| name).collect();
        let encrypted = ["consensus.json", "local.json", "private.encrypt", "private.salt"];
        assert_eq!(names, if clear { &CLEAR[..] } else { &encrypted[..] });
    }
}

#[test]
fn the_tar_of_the_system_is_read_whatever_its_modes_and_dates() {
    let files = [("local.json", "{}"), ("consensus.json", "{\"a\": 1}"), ("private.json", "")];
    for options in
        [&["--mode=000", "--mtime=@0"][..], &["--format=ustar"], &["--format=v7"], &["--format=gnu"]]
    {
        let bytes = system_tar(&files, options);
        let tar = BackupTar::parse(&bytes).unwrap();
        assert_eq!(tar.get("consensus.json"), Some(&b"{\"a\": 1}"[..]), "{options:?}");
        assert_eq!(tar.get("private.json"), Some(&b""[..]));
    }
    // The system's tar lists what is written here.
    let home = tempfile_dir();
    std::fs::write(home.join("a.tar"), &*backup("session-v0.13.0/peer-0").to_bytes()).unwrap();
    let listed = Command::new("tar").arg("-tf").arg(home.join("a.tar")).output().unwrap();
    std::fs::remove_dir_all(&home).unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().collect::<Vec<_>>(), CLEAR);
}

/// Cut at every byte: no beginning of a tar is a valid tar.
#[test]
fn a_tar_cut_short_is_refused() {
    let bytes = backup("session-v0.5.0/peer-1").to_bytes();
    assert_eq!(parse(&[]), Err(BackupTarError::NotATar));
    for length in 1..bytes.len() {
        let error = parse(&bytes[..length]).unwrap_err();
        assert_eq!(error, BackupTarError::CutShort { bytes: length });
    }
    assert!(parse(&[&bytes[..], &[0; 9000]].concat()).is_ok(), "more empty blocks are fine");
    let more = parse(&[&bytes[..], b"more"].concat());
    assert!(matches!(more, Err(BackupTarError::Damaged { what: "something comes after the end", .. })));
}

#[test]
fn a_changed_header_is_refused() {
    let bytes = backup("session-v0.13.0/peer-0").to_bytes();
    for at in (0..157).chain(257..265).chain(345..400) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        assert!(parse(&changed).is_err(), "byte {at}");
    }
    // The header of the second file.
    let size = usize::from_str_radix(std::str::from_utf8(&bytes[124..135]).unwrap(), 8).unwrap();
    let second = 512 + size.div_ceil(512) * 512;
    let mut changed = bytes.to_vec();
    changed[second] ^= 1;
    let error = parse(&changed).unwrap_err();
    assert_eq!(error, BackupTarError::Damaged { at: second, what: "the checksum of a header is wrong" });
}

#[test]
fn what_no_server_puts_in_is_refused() {
    let all = [("local.json", "{}"), ("consensus.json", "{}"), ("private.json", "{}")];
    let with = |more: (&'static str, &'static str)| system_tar(&[&all[..], &[more]].concat(), &[]);
    for name in ["password.private", "private.json.bak", "LOCAL.JSON", "database", "private.jsonx"] {
        let error = parse(&with((name, "x"))).unwrap_err();
        assert_eq!(error, BackupTarError::Foreign { name: name.to_owned() });
    }
    let renamed = system_tar(&all, &["--transform=s,local.json,../local.json,", "-P"]);
    assert_eq!(parse(&renamed), Err(BackupTarError::Foreign { name: "../local.json".to_owned() }));
    let prefixed = system_tar(&all, &["--transform=s,^,./,"]);
    assert!(matches!(parse(&prefixed), Err(BackupTarError::Foreign { .. })));
    // Headers of entries that are not files.
    let mut link = system_tar(&all, &["--format=v7"]);
    link[156] = b'2';
    let sum: u64 = (0..512).map(|at| u64::from(if (148..156).contains(&at) { b' ' } else { link[at] })).sum();
    link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(parse(&link), Err(BackupTarError::Foreign { name: "local.json".to_owned() }));
    let twice =
        [("local.json", "{}"), ("consensus.json", "{}"), ("private.json", "{}"), ("local.json", "{}")];
    assert_eq!(
        parse(&system_tar(&twice, &["--hard-dereference"])),
        Err(BackupTarError::Twice { name: "local.json" })
    );
}

#[test]
fn what_is_missing_is_named() {
    let text = |names: &[&'static str]| {
        let files: Vec<(&str, &str)> = names.iter().map(|name| (*name, "{}")).collect();
        parse(&system_tar(&files, &[]))
    };
    let missing = |name| Err(BackupTarError::Missing { name });
    assert_eq!(text(&["local.json", "private.json"]), missing("consensus.json"));
    assert_eq!(text(&["consensus.json", "private.json"]), missing("local.json"));
    assert_eq!(text(&["consensus.json", "local.json", "private.salt"]), missing("private.encrypt"));
    assert_eq!(text(&["consensus.json", "local.json", "private.encrypt"]), missing("private.salt"));
    let none = text(&["consensus.json", "local.json"]).unwrap_err();
    assert_eq!(none.to_string(), "it holds no private.json and no private.encrypt");
    assert!(text(&CLEAR).is_ok());
}

#[test]
fn what_is_not_a_tar_is_called_so() {
    for bytes in [&b"age-encryption.org/v1\n"[..], b"{}", &[0xff; 2000], b"PK\x03\x04"] {
        let bytes = [bytes, &[7; 1000]].concat();
        assert_eq!(parse(&bytes), Err(BackupTarError::NotATar));
    }
    assert_eq!(parse(&[0; 1024]), Err(BackupTarError::Missing { name: "consensus.json" }));
}
