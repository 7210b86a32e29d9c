//! Judges what is written here with the types of fedimint-core 0.5.0 and 0.13.0.
//!
//! - `fedimint-core-oracle rows KEYS SESSIONS < ROWS`: reads the rows of a database, lines of `key value` in hex, with
//!   both releases: every session and pending item encodes to the same bytes again, headers, transaction ids and the
//!   index of transactions are those that upstream computes. There are that many sessions, and the signatures of each
//!   hold by the rule of either release. KEYS is a consensus.json, or a file of public keys as our programs read it.
//! - `fedimint-core-oracle vectors FILE`: reads the encodings that five releases made of one history.
//! - `fedimint-core-oracle values SEED CASES`: compares encodings of made-up values in both directions, and the
//!   verdicts on damaged ones.
//! - `fedimint-core-oracle speed KEYS FM_VERIFY DATABASE < ROWS`: times both releases and `fm-verify` over the sessions of
//!   a database, whose rows come as above.

mod made;
mod rows;
mod speed;
mod upstream;
mod values;
mod vectors;

use std::error::Error;

use serde_json::Value;

use upstream::Keys;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["rows", path, sessions] => {
            let rows = rows::read(std::io::stdin().lock())?;
            let keys = keys(&std::fs::read_to_string(path)?)?;
            println!("{}", rows::check(&rows, &keys, sessions.parse()?)?);
        }
        ["speed", path, fm_verify, database] => {
            let rows = rows::read(std::io::stdin().lock())?;
            let keys = keys(&std::fs::read_to_string(path)?)?;
            let files = (fm_verify.as_ref(), database.as_ref());
            println!("{}", speed::compare(&rows, (path.as_ref(), &keys), files.0, files.1)?);
        }
        ["vectors", path] => println!("{}", vectors::check(&std::fs::read_to_string(path)?)?),
        ["values", seed, cases] => {
            let compared = values::compare(seed.parse()?, cases.parse()?)?;
            println!(
                "{} sessions with {} items encode alike; {} damaged ones are judged alike, {} refused",
                compared.sessions, compared.items, compared.damaged, compared.refused
            );
        }
        _ => {
            return Err(
                "usage: fedimint-core-oracle rows KEYS SESSIONS | vectors FILE | values SEED CASES | speed KEYS \
                        FM_VERIFY DATABASE".into()
            );
        }
    }
    Ok(())
}

/// Reads the public keys of a consensus.json, or of a file that holds only these.
fn keys(text: &str) -> Result<Keys, Box<dyn Error>> {
    let file: Value = serde_json::from_str(text)?;
    let keys = file.get("broadcast_public_keys").unwrap_or(&file).as_object();
    keys.ok_or("no public keys in the file")?
        .iter()
        .map(|(peer, key)| Ok((peer.parse()?, hex::decode(key.as_str().ok_or("a key is no text")?)?)))
        .collect()
}
