//! How paths are shown inside commands, so that these can be pasted.

use std::path::Path;

/// A path as a shell reads it back: in quotes if it has a character that a shell takes for something else.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back_from_a_shell_as_they_were() {
        for (path, shown) in [
            ("/srv/guardian-0", "/srv/guardian-0"),
            ("s3://bucket/key", "s3://bucket/key"),
            ("/srv/my guardian", "'/srv/my guardian'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("-rf", "'-rf'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
            let printed =
                std::process::Command::new("sh").arg("-c").arg(format!("printf %s {shown}")).output();
            assert_eq!(printed.unwrap().stdout, path.as_bytes(), "{shown}");
        }
    }
}
