//! Requests and responses as text.
//!
//! Invariants: the values of a request and of an answer are counted before it is read. Nothing of a request
//! is kept that is longer than its purpose requires. An answer is read as the requested type.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::scan::is_modest;

/// JSON values in a request; the largest honest one, an announcement, has fewer than 20.
const REQUEST_VALUES: usize = 256;
/// JSON values in an answer; the largest honest one lists every guardian a few times.
const ANSWER_VALUES: usize = 20_000;
/// The deepest nesting of values.
const DEPTH: usize = 16;
/// The longest id of a request, as text.
const ID_BYTES: usize = 64;
/// The longest name of a method.
const METHOD_BYTES: usize = 128;
/// The longest text of an error that is passed on.
const ERROR_CHARACTERS: usize = 1000;

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// The kind: a code of JSON-RPC, or of HTTP.
    pub code: i64,
    /// What is wrong.
    pub message: String,
}

impl RpcError {
    /// The text is not JSON.
    pub const NOT_JSON: i64 = -32_700;
    /// The JSON is not a request.
    pub const NOT_A_REQUEST: i64 = -32_600;
    /// There is no such method.
    pub const NO_METHOD: i64 = -32_601;
    /// The parameters are not what the method takes.
    pub const BAD_PARAMETERS: i64 = -32_602;
    /// The server failed to answer.
    pub const INTERNAL: i64 = -32_603;
    /// The request is refused. Source: `ApiError` of fedimint-core 0.5.0, src/module/mod.rs.
    pub const REFUSED: i64 = 400;
    /// The method requires the guardian's password. Source: as for [`Self::REFUSED`].
    pub const NOT_AUTHENTICATED: i64 = 401;
    /// There is no such thing. Source: as for [`Self::REFUSED`].
    pub const NOT_FOUND: i64 = 404;
    /// The awaited event did not happen in the time for which a request may wait.
    pub const NOT_YET: i64 = 408;
    /// There are too many requests or answers.
    pub const BUSY: i64 = 429;

    /// Returns an error with this code and message.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The content of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) auth: Option<String>,
    pub(crate) params: Value,
}

/// Reads a request; returns an error for the sender, with the id that was read.
pub(crate) fn read_call(text: &str) -> Result<Call, (Value, RpcError)> {
    let not_json = |what| (Value::Null, RpcError::new(RpcError::NOT_JSON, what));
    if !is_modest(text, REQUEST_VALUES, DEPTH) {
        return Err(not_json("more values, or deeper ones, than any request has"));
    }
    let mut request: Value = serde_json::from_str(text).map_err(|_| not_json("not JSON"))?;
    let id = request.get_mut("id").map(Value::take).unwrap_or(Value::Null);
    if !is_id(&id) {
        let error = "an id is a number, null, or a text of at most 64 bytes";
        return Err((Value::Null, RpcError::new(RpcError::NOT_A_REQUEST, error)));
    }
    let bad = |what: &str| (id.clone(), RpcError::new(RpcError::NOT_A_REQUEST, what));
    if request.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(bad("not a request of JSON-RPC 2.0"));
    }
    let method = match request.get_mut("method").map(Value::take) {
        Some(Value::String(method)) if method.len() <= METHOD_BYTES => method,
        _ => return Err(bad("a request without a method")),
    };
    let (auth, params) = match request.get_mut("params").map(Value::take) {
        None | Some(Value::Null) => (None, Value::Null),
        Some(params) => read_params(params).ok_or_else(|| {
            let error = "parameters are a list of one object with auth and params";
            (id.clone(), RpcError::new(RpcError::BAD_PARAMETERS, error))
        })?,
    };
    Ok(Call { id, method, auth, params })
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::Null | Value::Number(_) => true,
        Value::String(id) => id.len() <= ID_BYTES,
        _ => false,
    }
}

fn read_params(params: Value) -> Option<(Option<String>, Value)> {
    let Value::Array(mut list) = params else { return None };
    let Some(mut only) = list.pop() else { return Some((None, Value::Null)) };
    if !list.is_empty() {
        return None;
    }
    let object = only.as_object_mut()?;
    let auth = match object.remove("auth") {
        None | Some(Value::Null) => None,
        Some(Value::String(auth)) => Some(auth),
        Some(_) => return None,
    };
    Some((auth, object.remove("params").unwrap_or(Value::Null)))
}

/// Returns the parameters of a request, wrapped as guardians expect them.
pub fn encode_params(auth: Option<&str>, params: &Value) -> Value {
    json!([{ "auth": auth, "params": params }])
}

pub(crate) fn write_request(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

pub(crate) fn write_response(id: &Value, result: Result<Value, RpcError>) -> String {
    #[derive(Serialize)]
    struct Response<'a> {
        jsonrpc: &'static str,
        id: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<RpcError>,
    }
    let (result, error) = result.map_or_else(|error| (None, Some(error)), |result| (Some(result), None));
    let response = Response { jsonrpc: "2.0", id, result, error };
    // A text that grows while it is written takes up to twice its length.
    let mut length = Length(0);
    serde_json::to_writer(&mut length, &response).expect("values with texts as keys are JSON");
    let mut text = Vec::with_capacity(length.0);
    serde_json::to_writer(&mut text, &response).expect("values with texts as keys are JSON");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Counts the written bytes.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the id of the request that a response answers, without reading the rest of the response.
pub(crate) fn read_response_id(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Head {
        id: u64,
    }
    serde_json::from_str::<Head>(text).ok().map(|head| head.id)
}

/// Reads the result of a response as the requested type; returns `None` if it has another type.
pub(crate) fn read_response<T: DeserializeOwned>(text: &str) -> Option<Result<T, RpcError>> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Body<T> {
        #[serde(default = "missing", deserialize_with = "present")]
        result: Option<T>,
    }
    #[derive(Deserialize)]
    struct Failed {
        error: RpcError,
    }
    if !is_modest(text, ANSWER_VALUES, DEPTH) {
        return None;
    }
    if let Ok(Failed { error }) = serde_json::from_str(text) {
        return Some(Err(RpcError::new(error.code, legible(&error.message))));
    }
    // A response whose error cannot be read has no result either.
    serde_json::from_str::<Body<T>>(text).ok()?.result.map(Ok)
}

/// Reads a result that is alone in its text, as guardians answer where a stream holds one answer:
/// `{"Ok": result}` or `{"Err": error}`. Returns `None` if it is neither, or of another type.
///
/// Source: `handle_iroh_api_request` of fedimint-server 0.13.0, src/consensus/iroh_api.rs.
pub fn read_result<T: DeserializeOwned>(text: &str) -> Option<Result<T, RpcError>> {
    if !is_modest(text, ANSWER_VALUES, DEPTH) {
        return None;
    }
    let result: Result<T, RpcError> = serde_json::from_str(text).ok()?;
    Some(result.map_err(|error| RpcError::new(error.code, legible(&error.message))))
}

fn missing<T>() -> Option<T> {
    None
}

/// Deserializes a result that is present: null is a result too.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Returns a remote party's text for a terminal or a log: shortened, and without characters that move the
/// cursor or turn the line.
fn legible(text: &str) -> String {
    let is_odd = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = |character: char| match is_odd(character) {
        true => character.escape_unicode().to_string(),
        false => character.to_string(),
    };
    text.chars().take(ERROR_CHARACTERS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let params = encode_params(Some("secret"), &json!(7));
        let call = read_call(&write_request(3, "session_status", &params)).unwrap();
        let expected = Call {
            id: json!(3),
            method: "session_status".into(),
            auth: Some("secret".into()),
            params: json!(7),
        };
        assert_eq!(call, expected);
        let call = read_call(r#"{"jsonrpc":"2.0","id":"a","method":"status","params":[]}"#).unwrap();
        assert_eq!((call.id, call.params, call.auth), (json!("a"), Value::Null, None));
    }

    /// A server holds answers until they are sent, and counts their length.
    #[test]
    fn a_response_takes_no_more_room_than_its_text() {
        let results = [
            json!(["a".repeat(1_000_000)]),
            json!(["\"\n".repeat(1000)]),
            json!({ "sessions": vec![7; 10_000] }),
        ];
        for result in results {
            let text = write_response(&json!(u64::MAX), Ok(result.clone()));
            assert_eq!(text.capacity(), text.len());
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["result"], result);
        }
        let refused = write_response(&json!(1), Err(RpcError::new(RpcError::BUSY, "x".repeat(1000))));
        assert_eq!(refused.capacity(), refused.len());
    }

    #[test]
    fn what_is_no_request_is_told_why() {
        let code = |text: &str| read_call(text).unwrap_err().1.code;
        assert_eq!(code("{"), RpcError::NOT_JSON);
        assert_eq!(code(""), RpcError::NOT_JSON);
        for text in
            ["1", "[]", "null", "{}", r#"{"jsonrpc":"1.0","method":"a"}"#, r#"{"jsonrpc":"2.0","method":1}"#]
        {
            assert_eq!(code(text), RpcError::NOT_A_REQUEST, "{text}");
        }
        for params in ["1", "{}", "[1]", "[{},{}]", r#"[{"auth":1}]"#, r#""x""#] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{params}}}"#);
            assert_eq!(code(&text), RpcError::BAD_PARAMETERS, "{text}");
        }
        assert_eq!(code(&"[".repeat(100_000)), RpcError::NOT_JSON);
    }

    #[test]
    fn what_would_be_kept_while_a_request_waits_is_small() {
        let request = |id: &str, params: &str| {
            read_call(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"a","params":{params}}}"#))
        };
        let refused = |id: &str, params: &str| request(id, params).unwrap_err();
        for id in ["null", "7", "-1", "1.5", r#""x""#, &format!("{:?}", "x".repeat(64))] {
            assert_eq!(request(id, "[]").unwrap().id, serde_json::from_str::<Value>(id).unwrap(), "{id}");
        }
        for id in ["[]", "{}", "true", "[1]", r#"{"":0}"#, &format!("{:?}", "x".repeat(65))] {
            let (back, error) = refused(id, "[]");
            assert_eq!((back, error.code), (Value::Null, RpcError::NOT_A_REQUEST), "{id}");
        }
        // One byte of these becomes a hundred bytes in memory: such texts are not read at all.
        let many = format!("[{}0]", r#"{"":0},"#.repeat(100_000));
        for (id, params) in
            [(many.as_str(), "[]"), ("1", many.as_str()), ("1", &format!(r#"[{{"params":{many}}}]"#))]
        {
            assert_eq!(refused(id, params).1.code, RpcError::NOT_JSON);
        }
        let deep = format!("{}{}", "[".repeat(20), "]".repeat(20));
        assert_eq!(refused("1", &format!(r#"[{{"params":{deep}}}]"#)).1.code, RpcError::NOT_JSON);
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{:?}}}"#, "m".repeat(129));
        assert_eq!(read_call(&long).unwrap_err().1.code, RpcError::NOT_A_REQUEST);
    }

    #[test]
    fn responses_are_told_from_noise() {
        let error = RpcError::new(404, "no such thing");
        let failed = write_response(&json!(1), Err(error.clone()));
        assert_eq!((read_response_id(&failed), read_response::<Value>(&failed)), (Some(1), Some(Err(error))));
        let null = write_response(&json!(2), Ok(Value::Null));
        assert_eq!((read_response_id(&null), read_response(&null)), (Some(2), Some(Ok(Value::Null))));
        for text in [
            "",
            "[]",
            r#"{"id":1}"#,
            r#"{"id":"1","result":2}"#,
            r#"{"result":2}"#,
            r#"{"id":-1,"result":2}"#,
        ] {
            assert!(read_response_id(text).is_none() || read_response::<Value>(text).is_none(), "{text}");
        }
        assert_eq!(read_response::<Value>(r#"{"id":1,"error":7}"#), None);
    }

    #[test]
    fn an_answer_is_what_was_asked_for_or_nothing() {
        let of = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        assert_eq!(read_response::<u64>(&of("7")), Some(Ok(7)));
        for other in ["-1", "\"7\"", "[7]", "null", &"[".repeat(100)] {
            assert_eq!(read_response::<u64>(&of(other)), None, "{other}");
        }
        let many = of(&format!("[{}0]", r#"{"":0},"#.repeat(100_000)));
        assert_eq!((read_response_id(&many), read_response::<Value>(&many)), (Some(1), None));
        let reported = RpcError::new(1, format!("a\n\u{1b}[2J\u{202e}{}", "b".repeat(2000)));
        let read = read_response::<u64>(&write_response(&json!(1), Err(reported))).unwrap().unwrap_err();
        assert!(read.message.starts_with("a\\u{a}\\u{1b}[2J\\u{202e}bb"), "{read}");
        assert!(read.message.len() < 1100);
    }

    #[test]
    fn a_result_alone_is_read_strictly() {
        assert_eq!(read_result::<u64>(r#"{"Ok":7}"#), Some(Ok(7)));
        assert_eq!(read_result::<Value>(r#"{"Ok":null}"#), Some(Ok(Value::Null)));
        let refused = Err(RpcError::new(404, "a\\u{1b}b"));
        assert_eq!(read_result::<u64>(r#"{"Err":{"code":404,"message":"a\u001bb"}}"#), Some(refused));
        let deep = format!(r#"{{"Ok":{}{}}}"#, "[".repeat(40), "]".repeat(40));
        let long = format!(r#"{{"Ok":[{}0]}}"#, "0,".repeat(ANSWER_VALUES));
        for other in
            ["", "7", "{}", r#"{"Ok":"7"}"#, r#"{"Ok":7,"Err":null}"#, r#"{"Err":7}"#, r#"{"Ok":7}}"#]
        {
            assert_eq!(read_result::<u64>(other), None, "{other}");
        }
        for other in [deep, long] {
            assert_eq!(read_result::<Value>(&other), None);
        }
    }
}
