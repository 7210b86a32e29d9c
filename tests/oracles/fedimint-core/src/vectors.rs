//! The encodings that upstream's releases 0.2 to 0.13 made of one history.

use fm_codec::{Dialect, Encode, decode_exact};
use fm_history::{AcceptedItem, SignedSession};
use serde_json::{Map, Value};

use crate::upstream::{Upstream, V0_5, V0_13};
use crate::values::{header, integer, same};

/// Reads every encoding, and returns how many there are.
pub fn check(text: &str) -> Result<String, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let object = |name: &str| file[name].as_object().ok_or_else(|| format!("no {name} in the file"));
    let (vectors, versions) = (object("vectors_of_0.5.0")?, object("versions")?);
    for (version, made) in versions {
        let differing = made["encodings_that_differ_from_0.5.0"].as_object().map(Map::len);
        if differing != Some(0) {
            return Err(format!("{version} encodes the history in another way: {differing:?}"));
        }
    }
    for (name, made) in vectors {
        let made =
            hex::decode(made.as_str().unwrap_or_default()).map_err(|error| format!("{name}: {error}"))?;
        one(name, &made, vectors).map_err(|error| format!("{name}: {error}"))?;
    }
    let versions: Vec<_> = versions.keys().map(String::as_str).collect();
    Ok(format!("{} encodings of releases {} are read and made alike", vectors.len(), versions.join(", ")))
}

fn one(name: &str, made: &[u8], vectors: &Map<String, Value>) -> Result<(), String> {
    let again = match name.split_once(": ").ok_or("a name without a kind")? {
        ("u64", number) => integer(number.parse().map_err(|_| "not a number")?),
        ("accepted_item", _) => {
            if (V0_5::item_again(made)?, V0_13::item_again(made)?) != (made.to_vec(), made.to_vec()) {
                return Err("upstream encodes it in another way".to_owned());
            }
            decoded::<AcceptedItem>(made)?.to_bytes(Dialect::MODERN)
        }
        ("signed_session_outcome", _) => decoded::<SignedSession>(made)?.to_bytes(Dialect::MODERN),
        ("header", which) => {
            let (items, session) = which.split_once(", session ").ok_or("a header of no session")?;
            let outcome = vectors[&format!("signed_session_outcome: {items}")].as_str().unwrap_or_default();
            let outcome =
                decoded::<SignedSession>(&hex::decode(outcome).map_err(|error| error.to_string())?)?;
            let session = session.parse().map_err(|_| "not a number")?;
            same::<V0_5>(&outcome, session)?;
            same::<V0_13>(&outcome, session)?;
            header(&outcome, session).to_vec()
        }
        _ => return Err("a kind that is not known".to_owned()),
    };
    if again == made { Ok(()) } else { Err(format!("we make {}", hex::encode(again))) }
}

fn decoded<T: fm_codec::Decode + Encode>(bytes: &[u8]) -> Result<T, String> {
    decode_exact(bytes, Dialect::MODERN).map_err(|error| error.to_string())
}
