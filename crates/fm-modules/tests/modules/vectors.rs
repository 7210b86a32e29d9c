//! Payloads as real federations accepted them, and what they say of money.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fm_codec::DecodeError;
use fm_modules::bitcoin::Network;
use fm_modules::{Input, Item, Kind, Msat, Output, Stated};

fn amount(stated: Stated) -> String {
    match stated {
        Stated::Amount(amount) => amount.to_string(),
        Stated::TooLarge => "too large".to_owned(),
        Stated::Nothing => "nothing".to_owned(),
    }
}

fn note(amount: Option<Msat>) -> String {
    format!(", a note of {}", amount.unwrap())
}

fn said_by_input(input: &Input) -> String {
    let mut said = amount(input.amount());
    input.spent_notes().iter().for_each(|spent| said += &note(spent.amount));
    said += &format!(", {} keys", input.signers().len());
    if let Some(deposit) = input.deposit() {
        said += &format!(", deposit {deposit}");
    }
    if let Some(contract) = input.contract() {
        said += &format!(", contract {contract:?}");
    }
    said
}

fn said_by_output(output: &Output) -> String {
    let mut said = amount(output.amount());
    output.issued_notes().iter().for_each(|issued| said += &note(issued.amount));
    if let Some(contract) = output.contract() {
        said += &format!(", contract {contract}");
    }
    if let Some(withdrawal) = output.withdrawal() {
        let (address, fee) = (withdrawal.address(Network::Regtest).unwrap(), withdrawal.fee.unwrap());
        said += &format!(", {} and {fee} to {address}", withdrawal.value);
    }
    said
}

/// Decodes a payload; returns what it says, and its encoding.
fn read(kind: &Kind, part: &str, bytes: &[u8]) -> Result<(String, Vec<u8>), DecodeError> {
    Ok(match part {
        "input" => {
            let input = Input::decode(kind, bytes)?;
            (said_by_input(&input), input.to_bytes())
        }
        "output" => {
            let output = Output::decode(kind, bytes)?;
            (said_by_output(&output), output.to_bytes())
        }
        "item" => {
            let item = Item::decode(kind, bytes)?;
            (format!("{item:?}"), item.to_bytes())
        }
        part => panic!("unknown part {part}"),
    })
}

#[test]
fn payloads_say_what_they_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join("payloads");
    let mut seen = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let head: BTreeMap<&str, &str> = head.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let bytes = hex::decode(body.trim()).unwrap();
        let (said, again) = read(&Kind::of(head["kind"]), head["part"], &bytes).unwrap();
        assert_eq!(again, bytes, "{}", path.display());
        assert_eq!(said, head["expect"], "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 25, "only {seen} payloads");
}
