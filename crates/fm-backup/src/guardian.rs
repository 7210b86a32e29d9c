//! Which guardian a data directory is of.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

/// Name of the file that says which guardian this is.
const LOCAL_NAME: &str = "local.json";
/// Largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// The guardian's number, as `local.json` in its data directory has it; none if that is not to be read.
pub fn guardian_of(data_dir: &Path) -> Option<u16> {
    let mut text = String::new();
    File::open(data_dir.join(LOCAL_NAME)).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    let local: Value = serde_json::from_str(&text).ok()?;
    u16::try_from(local.get("identity")?.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn numbers_and_what_is_none() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(guardian_of(home.path()), None);
        for (text, number) in [
            ("{\"identity\": 3, \"more\": []}", Some(3)),
            ("{\"identity\": 65536}", None),
            ("{\"identity\": -1}", None),
            ("{\"identity\": \"3\"}", None),
            ("{", None),
        ] {
            fs::write(home.path().join(LOCAL_NAME), text).unwrap();
            assert_eq!(guardian_of(home.path()), number, "{text}");
        }
    }
}
