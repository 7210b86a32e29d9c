//! Counts the values of a JSON text before it is read.
//!
//! Invariant: a free JSON value that is read from an accepted text takes no more memory than the text and a
//! named number of values. Without this check, one byte of text can become a hundred bytes of memory
//! (`[{"":0},{"":0},…]`).

/// Returns whether a text has at most this many values, nested at most this deep. If the text is not JSON,
/// this applies up to the place where a reader stops.
pub(crate) fn is_modest(text: &str, most_values: usize, most_depth: usize) -> bool {
    let (mut values, mut depth) = (1, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => (),
            b'[' | b'{' => {
                values += 1;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => (),
        }
        if values > most_values || depth > most_depth {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_depth_are_counted_and_strings_are_not() {
        assert!(is_modest("", 1, 0) && is_modest("7", 1, 0) && is_modest("[]", 2, 1));
        assert!(is_modest("[1,2,3]", 4, 1) && !is_modest("[1,2,3]", 3, 1));
        assert!(is_modest("[[[]]]", 4, 3) && !is_modest("[[[]]]", 4, 2));
        assert!(is_modest(r#""[[[,,,{{{\",,,\\""#, 1, 0) && !is_modest(r#""\\",[[[,,,"#, 4, 9));
        assert!(is_modest(&format!(r#"["{}"]"#, "[,{".repeat(1000)), 2, 1));
        assert!(!is_modest(&r#"{"":0},"#.repeat(500), 512, 9));
        // Closed brackets may be opened again, and unopened ones cannot be closed.
        assert!(is_modest("[][][]", 4, 1) && is_modest("]]]]]]]][", 2, 1));
    }
}
