//! Determines which guardian a data directory belongs to.

use std::path::Path;

use fm_config::GuardianFiles;
use fm_history::PeerId;

/// Returns the guardian's number from `local.json` in its data directory or in its backup; `None` if that
/// cannot be read.
pub fn guardian_of(config: &Path) -> Option<PeerId> {
    GuardianFiles::open(config).and_then(|files| files.own_peer()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fm_datadir::LOCAL;

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
            fs::write(home.path().join(LOCAL), text).unwrap();
            assert_eq!(guardian_of(home.path()), number, "{text}");
        }
    }
}
