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
