//! Prints an archive's metadata, and the keys of its records under a prefix.
//!
//! `cargo run --release --example read_archive -- FILE.fmar 04`

#![allow(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;

use fm_archive::ArchiveReader;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, prefix] = words.as_slice() else { return Err("usage: read_archive FILE HEX_PREFIX".into()) };
    let prefix = hex::decode(prefix)?;
    let mut archive = ArchiveReader::open_path(path)?;
    for (name, value) in archive.metadata().iter() {
        println!("{name} = {value}");
    }
    println!("{} records, identity {}", archive.summary().records, hex::encode(archive.summary().identity));
    // Reads only the frames that hold these records, and checks each against its hash.
    for record in archive.prefix(&prefix) {
        let (key, value) = record?;
        println!("{} {} bytes", hex::encode(key), value.len());
    }
    Ok(())
}
