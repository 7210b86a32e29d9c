//! Explains a store's refusals in our own words: a server's answer may repeat what was sent to it.

use std::io;

use fm_backup::Refused;
use object_store::Error;

/// The longest text from the library that is passed on.
const MAX_REASON: usize = 200;

/// A server's error code that does not depend on the sender of the request; its meaning, and what to do.
type Known = (&'static str, &'static str, &'static str);

const CLOCK: &str = "the clock of this machine and that of the store differ by too much: set the clock";
const ELSEWHERE: &str = "the bucket is in another region than AWS_REGION says";

const SET_CLOCK: &str =
    "`timedatectl` says whether a time server keeps the clock; then run the same command again";
const SET_REGION: &str = "set AWS_REGION to the region of the bucket, and run the same command again";
const CHECK_KEY: &str =
    "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names";
const NEW_TOKEN: &str = "get new credentials, with the AWS_SESSION_TOKEN that belongs to them";
const CHECK_BUCKET: &str = "check the name of the bucket, and AWS_ENDPOINT_URL: a bucket is not made here, but with the store's own programs";
const CHECK_RIGHTS: &str = "docs/checkpoints.md lists the rights that each command asks of a store";
const CHECK_OBJECT: &str = "check the bucket and the key in the address";
const CHECK_ADDRESS: &str =
    "check AWS_ENDPOINT_URL: it is to be the address at which the store speaks S3, not its web page";
const NOT_WHILE_WRITTEN: &str = "run the same command again when nobody writes that object";

const KNOWN: [Known; 11] = [
    ("RequestTimeTooSkewed", CLOCK, SET_CLOCK),
    ("RequestExpired", CLOCK, SET_CLOCK),
    ("AuthorizationHeaderMalformed", ELSEWHERE, SET_REGION),
    ("PermanentRedirect", ELSEWHERE, SET_REGION),
    ("TemporaryRedirect", ELSEWHERE, SET_REGION),
    ("IllegalLocationConstraintException", ELSEWHERE, SET_REGION),
    ("InvalidAccessKeyId", "the store refuses these credentials: it does not know the key", CHECK_KEY),
    (
        "SignatureDoesNotMatch",
        "the store refuses these credentials: the secret is not that of the key",
        CHECK_KEY,
    ),
    ("ExpiredToken", "the store refuses these credentials: their token has expired", NEW_TOKEN),
    ("InvalidToken", "the store refuses these credentials: the token is not one of the key", NEW_TOKEN),
    ("NoSuchBucket", "there is no such bucket", CHECK_BUCKET),
];

/// The library's errors if a server ignored the requested range or named no version: the server is then not
/// an object store.
const NO_STORE: [&str; 6] = [
    "non-partial response",
    "Content-Range header not present",
    "CONTENT_RANGE header",
    "Last-Modified Header missing",
    "Content-Length Header missing",
    "Got invalid multipart response",
];

/// Returns the error for an object that was replaced since the first request.
pub(crate) fn replaced() -> io::Error {
    let what = "the object was replaced while it was read";
    Refused::error(io::ErrorKind::StaleNetworkFileHandle, what, Some(NOT_WHILE_WRITTEN))
}

/// Returns the error for a missing object.
pub(crate) fn missing() -> io::Error {
    Refused::error(io::ErrorKind::NotFound, "there is no such object", Some(CHECK_OBJECT))
}

/// Returns whether a repetition of the request may help.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::ConnectionAborted
    )
}

/// Returns whether the store does not support the request: it does not know a condition, or has it switched
/// off.
pub(crate) fn is_unknown_to_store(error: &Error) -> bool {
    let code = code_of(&error.to_string());
    matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || matches!(code.as_deref(), Some("NotImplemented" | "InvalidArgument" | "InvalidRequest"))
        || status_of(error) == Some(501)
}

/// Returns whether the store answered with a refusal, and is not merely unreachable or out of order.
pub(crate) fn is_refusal(error: &Error) -> bool {
    status_of(error).is_some_and(|status| (300..500).contains(&status))
        || is_bare_redirect(&error.to_string())
}

fn is_bare_redirect(text: &str) -> bool {
    text.contains("redirect without LOCATION")
}

/// Describes what went wrong.
pub(crate) fn failed(error: &Error) -> io::Error {
    let of = |kind, what: &str, hint| Refused::error(kind, &format!("{what} ({})", reason(error)), hint);
    let refused = |what: &str, hint| of(io::ErrorKind::PermissionDenied, what, Some(hint));
    let text = error.to_string();
    let code = code_of(&text);
    if let Some((code, what, hint)) = KNOWN.iter().find(|(known, ..)| code.as_deref() == Some(known)) {
        if *code == "NoSuchBucket" {
            return of(io::ErrorKind::NotFound, what, Some(hint));
        }
        let region = region_of(&text).filter(|_| *what == ELSEWHERE);
        let region = region.map(|region| format!(": it is in {region}")).unwrap_or_default();
        return refused(&format!("{what}{region}"), hint);
    }
    match error {
        Error::NotFound { .. } => {
            of(io::ErrorKind::NotFound, "there is no such object or bucket", Some(CHECK_OBJECT))
        }
        Error::PermissionDenied { .. } if code.as_deref() == Some("AccessDenied") => {
            let right = right_for(&text);
            refused(
                &format!("the store does not allow these credentials what takes the right {right}"),
                CHECK_RIGHTS,
            )
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            refused("the store refuses these credentials", CHECK_KEY)
        }
        Error::Precondition { .. } => replaced(),
        _ if matches!(status_of(error), Some(301 | 302 | 307)) || is_bare_redirect(&text) => {
            refused(ELSEWHERE, SET_REGION)
        }
        _ if NO_STORE.iter().any(|said| reason(error).contains(said)) => of(
            io::ErrorKind::InvalidData,
            "what answers there is no store that speaks S3",
            Some(CHECK_ADDRESS),
        ),
        _ => of(
            io::ErrorKind::HostUnreachable,
            "the store cannot be reached or does not answer as it should",
            None,
        ),
    }
}

/// Returns the right that a request requires, by the method in the library's text.
fn right_for(text: &str) -> &'static str {
    let request = text.split_once("Error performing ").map_or("", |(_, request)| request);
    match request.split(' ').next() {
        Some("PUT" | "POST") => "s3:PutObject",
        Some("DELETE") if request.contains("uploadId=") => "s3:AbortMultipartUpload",
        Some("DELETE") => "s3:DeleteObject",
        _ => "s3:GetObject",
    }
}

/// Returns the server's own code for the failure, or else the last cause that the library names.
pub(crate) fn reason(error: &Error) -> String {
    if let Some(code) = code_of(&error.to_string()) {
        return code;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    let plain = text.split(['<', '\n']).next().unwrap_or_default().trim_end_matches([':', ' ']);
    plain.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

/// Returns the code in an answer.
pub(crate) fn code_of(text: &str) -> Option<String> {
    let code = between(text, "<Code>", "</Code>")?;
    code.chars().all(|c| c.is_ascii_alphanumeric()).then(|| code.to_owned())
}

fn region_of(text: &str) -> Option<&str> {
    let region = between(text, "<Region>", "</Region>")?;
    let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (region.len() < 40 && region.chars().all(is_region)).then_some(region)
}

/// Returns the text between two marks.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// Returns the status code of an answer, from the library's text.
fn status_of(error: &Error) -> Option<u16> {
    between(&error.to_string(), "status code: ", " ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an error in the form in which the library reports an answer.
    fn answer(request: &str, status: &str, body: &str) -> Error {
        let text = format!(
            "Error performing {request} in 3ms - Server returned non-2xx status code: {status}: {body}"
        );
        let (path, source) = ("a".to_owned(), text.into());
        match &status[..3] {
            "403" => Error::PermissionDenied { path, source },
            "404" => Error::NotFound { path, source },
            _ => Error::Generic { store: "S3", source },
        }
    }

    #[test]
    fn every_refusal_has_its_own_sentence() {
        let put = "PUT http://host/bucket/a?partNumber=1&uploadId=x";
        let code = |code: &str| format!("<Error><Code>{code}</Code><Message>secret</Message></Error>");
        for (request, status, body, said) in [
            (put, "403 Forbidden", code("RequestTimeTooSkewed"), "set the clock (RequestTimeTooSkewed)"),
            (put, "403 Forbidden", code("AccessDenied"), "the right s3:PutObject (AccessDenied)"),
            ("GET http://h/b/a", "403 Forbidden", code("AccessDenied"), "the right s3:GetObject"),
            ("DELETE http://h/b/a", "403 Forbidden", code("AccessDenied"), "the right s3:DeleteObject"),
            (
                "DELETE http://h/b/a?uploadId=x",
                "403 Forbidden",
                code("AccessDenied"),
                "s3:AbortMultipartUpload",
            ),
            ("HEAD http://h/b/a", "403 Forbidden", String::new(), "the store refuses these credentials"),
            (put, "403 Forbidden", code("SignatureDoesNotMatch"), "the secret is not that of the key"),
            (put, "403 Forbidden", code("InvalidAccessKeyId"), "it does not know the key"),
            (put, "400 Bad Request", code("ExpiredToken"), "their token has expired"),
            (put, "404 Not Found", code("NoSuchBucket"), "there is no such bucket (NoSuchBucket)"),
            (put, "301 Moved Permanently", String::new(), "in another region than AWS_REGION says"),
            (
                put,
                "400 Bad Request",
                "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"
                    .to_owned(),
                "than AWS_REGION says: it is in eu-west-3 (AuthorizationHeaderMalformed)",
            ),
            (put, "500 Internal Server Error", code("InternalError"), "cannot be reached or does not answer"),
        ] {
            let error = failed(&answer(request, status, &body));
            assert!(error.to_string().contains(said), "{status} {body}: {error}");
            assert!(!error.to_string().contains("secret<"), "{error}");
            assert_eq!(is_passing(&error), status.starts_with("500"), "{error}");
            let hint = Refused::of(&error).expect("it is the store's").hint();
            assert_eq!(hint.is_none(), status.starts_with("500"), "{error}: {hint:?}");
        }
    }

    #[test]
    fn a_server_that_is_no_store_is_called_so() {
        let source = "Received non-partial response when range requested".into();
        let error = failed(&Error::Generic { store: "S3", source });
        assert!(error.to_string().starts_with("what answers there is no store that speaks S3"), "{error}");
        assert!(Refused::of(&error).unwrap().hint().unwrap().contains("AWS_ENDPOINT_URL"));
    }

    #[test]
    fn conditions_that_a_store_does_not_know_are_told_from_failures() {
        let unknown = |status, body| is_unknown_to_store(&answer("PUT http://h/b/a", status, body));
        assert!(unknown("501 Not Implemented", ""));
        assert!(unknown("400 Bad Request", "<Code>InvalidArgument</Code>"));
        assert!(!unknown("503 Slow Down", "<Code>SlowDown</Code>"));
        assert!(!unknown("403 Forbidden", "<Code>AccessDenied</Code>"));
        let refusal = |status| is_refusal(&answer("HEAD http://h/b/a", status, ""));
        assert!(refusal("403 Forbidden") && refusal("301 Moved Permanently"));
        assert!(!refusal("503 Slow Down"));
    }
}
