//! The contents of a guardian's secret files, in every form in which they could occur in a row.
//!
//! A secret is bytes: a private file holds them as hex, as a list of numbers or as text. Each is searched for
//! as the file has it, as the bytes that it represents, and in the other forms in which programs write bytes.
//! Invariant: nothing here is printed, and all of it is overwritten when it is dropped.

use fm_config::GuardianFiles;
use fm_crypto::{api_secret_of, wipe_json};
use fm_datadir::INVITE_CODE;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::BackupError;

/// The number of hex digits of a key.
const KEY_DIGITS: usize = 64;
/// The fewest numbers of a list that is treated as bytes.
const KEY_NUMBERS: usize = 32;
/// The length below which a text in a JSON file is ignored, because it would be found everywhere by chance.
const SHORTEST_TEXT: usize = 8;
/// The words in the name of a field that holds a secret text.
const SECRET_FIELDS: [&str; 5] = ["auth", "password", "secret", "token", "mnemonic"];

/// A form of a secret: its bytes, and the file that it is from.
pub(crate) type Form = (Zeroizing<Vec<u8>>, String);

/// Returns the forms of all secrets in a guardian's files.
pub(crate) fn forms(files: &GuardianFiles) -> Result<Vec<Form>, BackupError> {
    let mut forms = Vec::new();
    add_files(files, &mut forms)?;
    for backup in files.backups_beside()? {
        add_files(&backup, &mut forms)?;
    }
    Ok(forms)
}

fn add_files(files: &GuardianFiles, forms: &mut Vec<Form>) -> Result<(), BackupError> {
    let mut contents = Vec::new();
    for name in files.secret_names()? {
        contents.extend(files.beginning(&name)?.map(|text| (name, text)));
    }
    let opened = files.opened_by_kept_passwords()?;
    contents.extend(opened.into_iter().map(|(name, text)| (name.to_owned(), text)));
    for (name, text) in contents {
        add_contents(&text, &mut |bytes| {
            if !bytes.is_empty() {
                forms.push((Zeroizing::new(bytes.to_vec()), name.clone()));
            }
        });
    }
    let code = files.beginning(INVITE_CODE)?;
    let secret = code.and_then(|code| api_secret_of(std::str::from_utf8(&code).ok()?.trim()));
    forms.extend(secret.map(|secret| (Zeroizing::new(secret.into_bytes()), INVITE_CODE.to_owned())));
    Ok(())
}

fn add_contents(contents: &[u8], add: &mut impl FnMut(&[u8])) {
    add(contents.trim_ascii());
    for run in contents.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= KEY_DIGITS) {
        add(run);
        add_hex(run, add);
    }
    if let Ok(mut value) = serde_json::from_slice::<Value>(contents) {
        add_value("", &value, add);
        wipe_json(&mut value);
    }
    if let Some(bytes) = base64(contents.trim_ascii()) {
        add_bytes(&bytes, add);
    }
}

/// Adds what a JSON value holds, at any depth.
fn add_value(field: &str, value: &Value, add: &mut impl FnMut(&[u8])) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| add_value(name, value, add)),
        Value::Array(values) => match bytes_of(values) {
            Some(bytes) => add_bytes(&bytes, add),
            None => values.iter().for_each(|value| add_value(field, value, add)),
        },
        Value::String(text) => add_text(field, text, add),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn add_text(field: &str, text: &str, add: &mut impl FnMut(&[u8])) {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && text.len() >= KEY_DIGITS {
        add_hex(text.as_bytes(), add);
        return;
    }
    let field = field.to_ascii_lowercase();
    if text.len() >= SHORTEST_TEXT && SECRET_FIELDS.iter().any(|part| field.contains(part)) {
        add(text.as_bytes());
    }
    if let Some(bytes) = base64(text.as_bytes()) {
        add_bytes(&bytes, add);
    }
}

/// Returns the bytes of a list of numbers, which is how iroh's keys are written.
fn bytes_of(values: &[Value]) -> Option<Zeroizing<Vec<u8>>> {
    if values.len() < KEY_NUMBERS {
        return None;
    }
    let byte = |value: &Value| u8::try_from(value.as_u64()?).ok();
    values.iter().map(byte).collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// Adds hex digits as they are in the file, in upper case and in lower case, and their bytes in every form.
fn add_hex(digits: &[u8], add: &mut impl FnMut(&[u8])) {
    let even = digits.len() & !1;
    if let Ok(bytes) = hex::decode(&digits[..even]) {
        add_bytes(&Zeroizing::new(bytes), add);
    }
}

/// Adds bytes in the forms in which programs write them: unchanged, reversed (scalars of v0.1), as hex, as a
/// list of numbers, in Base64 and in Base32.
fn add_bytes(bytes: &[u8], add: &mut impl FnMut(&[u8])) {
    let text = |text: String, add: &mut dyn FnMut(&[u8])| add(Zeroizing::new(text).as_bytes());
    add(bytes);
    if let Some(scalar) = scalar_of(bytes) {
        add_bytes(scalar, add);
    }
    let mut reversed = Zeroizing::new(bytes.to_vec());
    reversed.reverse();
    add(&reversed);
    let small = Zeroizing::new(hex::encode(bytes));
    text(small.to_ascii_uppercase(), add);
    add(small.as_bytes());
    let numbers: Vec<String> = bytes.iter().take(KEY_NUMBERS).map(u8::to_string).collect();
    for between in LISTS {
        text(numbers.join(between), add);
    }
    for digits in [STANDARD, URL] {
        text(encoded(bytes, 6, digits), add);
    }
    text(encoded(bytes, 5, BASE32), add);
}

/// Returns the secret scalar in the DER of a key for certificates; all such keys begin alike.
fn scalar_of(der: &[u8]) -> Option<&[u8]> {
    if der.len() <= 2 * KEY_NUMBERS || der[0] != 0x30 {
        return None;
    }
    let place = der.windows(2).position(|pair| pair == [4, 32])? + 2;
    der.get(place..place + KEY_NUMBERS)
}

/// The separators of a list of numbers: without spaces, with spaces, and as servers write it over several
/// lines.
const LISTS: [&str; 3] = [",", ", ", ",\n    "];
const STANDARD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Encodes bytes into as many digits as they fill completely.
fn encoded(bytes: &[u8], bits: usize, digits: &[u8]) -> String {
    let (mut text, mut held, mut count) = (String::with_capacity(bytes.len() * 2), 0usize, 0);
    for byte in bytes {
        held = (held << 8) | usize::from(*byte);
        count += 8;
        while count >= bits {
            count -= bits;
            text.push(char::from(digits[(held >> count) & ((1 << bits) - 1)]));
        }
        held &= (1 << count) - 1;
    }
    text
}

/// Decodes a Base64 text that is at least as long as a key.
fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |place| place + 1);
    let text = &text[..end];
    if text.len() < 43 || !text.iter().any(|digit| !digit.is_ascii_hexdigit()) {
        return None;
    }
    let (mut bytes, mut held, mut count) = (Zeroizing::new(Vec::with_capacity(text.len())), 0usize, 0);
    for digit in text {
        let value =
            [STANDARD, URL].iter().find_map(|digits| digits.iter().position(|other| other == digit))?;
        held = (held << 6) | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(held >> count).unwrap_or_default());
            held &= (1 << count) - 1;
        }
    }
    Some(bytes)
}
