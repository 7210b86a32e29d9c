//! Golden vectors: each file states its verdict. Blank lines end the header; each further line is hex.

use std::fs;
use std::path::Path;

use fm_codec::{DecodeError, Dialect, decode_exact};
use fm_history::{AcceptedItem, ConsensusItem, SessionHeader, SignedSession, merkle_root, sha256};

/// Session of the headers in `records`.
const SESSION: u64 = 258;

struct Vector {
    name: String,
    header: Vec<(String, String)>,
    lines: Vec<Vec<u8>>,
}

impl Vector {
    fn get(&self, name: &str) -> &str {
        let field = self.header.iter().find(|(field, _)| field == name);
        &field.unwrap_or_else(|| panic!("{}: no field {name}", self.name)).1
    }

    /// Returns all lines as one value.
    fn bytes(&self) -> Vec<u8> {
        self.lines.concat()
    }

    fn check(&self, found: &str) {
        assert_eq!(found, self.get("expect"), "{}", self.name);
        assert!(!self.get("made-by").is_empty());
    }
}

/// Returns the vectors of a folder; at least `bad` of them expect an error.
fn folder(name: &str, bad: usize) -> Vec<Vector> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let vectors: Vec<Vector> = fs::read_dir(root)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let (header, body) = text.split_once("\n\n").unwrap();
            Vector {
                name: path.display().to_string(),
                header: header
                    .lines()
                    .map(|line| line.split_once(": ").unwrap())
                    .map(|(field, value)| (field.to_owned(), value.to_owned()))
                    .collect(),
                lines: body.lines().map(|line| hex::decode(line).unwrap()).collect(),
            }
        })
        .collect();
    assert!(!vectors.is_empty(), "no vector in {name}");
    let errors = vectors.iter().filter(|vector| vector.get("expect").starts_with("error: ")).count();
    assert!(errors >= bad && errors <= vectors.len(), "{name}: {errors} bad ones");
    vectors
}

fn error(error: &DecodeError) -> String {
    format!("error: {error}")
}

#[test]
fn records() {
    for vector in folder("records", 11) {
        let bytes = vector.bytes();
        let found = match SignedSession::decode_with_leaves(&bytes, Dialect::MODERN) {
            Err(refused) => error(&refused),
            Ok((session, leaves)) => {
                assert_eq!(session.signatures.len(), 3);
                let header = SessionHeader { index: SESSION, root: merkle_root(leaves).root };
                format!("ok {} items, header {}", session.outcome.items.len(), hex::encode(header.to_bytes()))
            }
        };
        vector.check(&found);
    }
}

#[test]
fn a_record_of_unsorted_signatures_is_one_of_v0_2() {
    let vectors = folder("records", 11);
    let unsorted = vectors.iter().find(|vector| vector.name.ends_with("signatures-unsorted.txt")).unwrap();
    // It decodes, but encodes to other bytes: hashes are computed from the stored bytes, never from an
    // encoding.
    let found = decode_exact::<SignedSession>(&unsorted.bytes(), Dialect::V0_2).unwrap_err();
    assert_eq!(
        error(&found),
        "error: at byte 67: encoding the value again results in other bytes from here on"
    );
}

#[test]
fn items() {
    for vector in folder("items", 7) {
        let found = match decode_exact::<AcceptedItem>(&vector.bytes(), Dialect::MODERN) {
            Err(refused) => error(&refused),
            Ok(AcceptedItem { item, peer }) => match item {
                ConsensusItem::Transaction(transaction) => {
                    format!("ok txid {} of peer {peer}", transaction.txid())
                }
                ConsensusItem::Module(value) => {
                    format!("ok {} bytes of module {} of peer {peer}", value.body.len(), value.instance)
                }
                ConsensusItem::Default { variant, bytes } => {
                    format!("ok {} bytes of variant {variant} of peer {peer}", bytes.len())
                }
            },
        };
        vector.check(&found);
    }
}

#[test]
fn headers() {
    for vector in folder("headers", 0) {
        let root = merkle_root(vector.lines.iter().map(|item| sha256(&[item])).collect());
        let header = SessionHeader { index: vector.get("session").parse().unwrap(), root: root.root };
        let ambiguous = if root.ambiguous { " ambiguous" } else { "" };
        vector.check(&format!("{}{ambiguous}", hex::encode(header.to_bytes())));
    }
}
