//! The distribution's `zstd` command reads an archive without knowing what it is.

use std::path::Path;
use std::process::Command;

use crate::forge::{sha256, stream};
use crate::{archive, options, records};

fn zstd(arguments: &[&str], file: &Path) -> Vec<u8> {
    let output = Command::new("zstd")
        .args(arguments)
        .arg(file)
        .output()
        .expect("this test needs the `zstd` command: install the package `zstd`");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "zstd {arguments:?}: {message}");
    output.stdout
}

#[test]
fn yields_the_record_stream() {
    let folder = tempfile::tempdir().unwrap();
    let mut large = records(20_000);
    large.push((b"z".to_vec(), vec![9; 3 << 20]));
    for (number, all) in [records(0), records(1), records(5000), large].iter().enumerate() {
        for (level, target) in [(3, 1 << 20), (19, 5000)] {
            let file = folder.path().join(format!("{number}-{level}.fmar"));
            let (bytes, summary) = archive(all, options(level, 0, target));
            std::fs::write(&file, bytes).unwrap();
            let plain = zstd(&["-d", "-c", "-q"], &file);
            assert!(plain == stream(all), "archive {number} at level {level}");
            assert_eq!(sha256(&plain), summary.identity);
            zstd(&["-t", "-q"], &file);
        }
    }
}
