//! The address of an object: `s3://bucket/key`.

use crate::ObjectError;

/// The scheme of an object's address.
const SCHEME: &str = "s3";
/// Longest key, in bytes: it leaves room for the names of unfinished work within S3's 1,024.
const MAX_KEY_BYTES: usize = 1_000;

/// Bucket and key of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Address {
    /// Reads `s3://bucket/key`; returns `None` if the text does not begin with the scheme. The key is taken
    /// literally.
    ///
    /// # Errors
    /// Fails if bucket or key is missing, or if no store would accept it.
    pub fn parse(text: &str) -> Option<Result<Self, ObjectError>> {
        let (scheme, rest) = text.split_once("://")?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| Self::of_path(text, rest))
    }

    fn of_path(text: &str, rest: &str) -> Result<Self, ObjectError> {
        let refuse = |what| Err(ObjectError::Address { text: text.to_owned(), what });
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_bucket_char) {
            return refuse("a bucket has 3 to 63 small letters, digits, dots and hyphens");
        }
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return refuse("after the bucket there must be a key of at most 1,000 bytes");
        }
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        if !key.split('/').all(is_segment) || key.chars().any(char::is_control) {
            return refuse("a key has no empty part, no `.` or `..`, and no control character");
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parsed = |text: &str| Address::parse(text).map(Result::ok);
        let of = |bucket: &str, key: &str| Address { bucket: bucket.to_owned(), key: key.to_owned() };
        assert_eq!(parsed("s3://bucket/a"), Some(Some(of("bucket", "a"))));
        assert_eq!(parsed("S3://b.1-c/a/b c%20.fmar"), Some(Some(of("b.1-c", "a/b c%20.fmar"))));
        for other in ["a.fmar", "/s3/bucket", "file:///a", "https://host/a", "s3:/bucket/a"] {
            assert_eq!(parsed(other), None, "{other}");
        }
        let long = format!("s3://bucket/{}", "k".repeat(1_001));
        for bad in [
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3:///a",
            "s3://ab/a",
            "s3://Bucket/a",
            "s3://user:secret@bucket/a",
            "s3://bucket/../a",
            "s3://bucket/a//b",
            "s3://bucket/a/",
            "s3://bucket/./a",
            "s3://bucket/a\nb",
            &long,
        ] {
            assert_eq!(parsed(bad), Some(None), "{bad}");
        }
    }
}
