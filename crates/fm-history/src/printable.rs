//! Makes untrusted text safe for a terminal, a log or a page.
//!
//! Invariant: [`printable`] returns one line that shows every character: no character moves the cursor,
//! changes colours, ends the line, or turns the direction of the text around it.

use std::borrow::Cow;

/// Returns whether a character has no shape of its own, ends a line, or changes the direction of the text
/// after it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns the text in one line, with every hidden character written out: `\n`, `\u{1b}`, `\u{202e}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_written_out() {
        let cases = [
            ("plain text, größer, 日本", "plain text, größer, 日本"),
            ("a\nverdict SOUND", "a\\nverdict SOUND"),
            ("\u{1b}[2K\r", "\\u{1b}[2K\\r"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}abc\u{2066}", "\\u{202e}abc\\u{2066}"),
            ("a\u{200b}b\u{e0041}", "a\\u{200b}b\\u{e0041}"),
            ("a\\b", "a\\b"),
        ];
        for (text, shown) in cases {
            assert_eq!(printable(text), shown);
            assert!(!printable(text).contains(is_hidden));
        }
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }
}
