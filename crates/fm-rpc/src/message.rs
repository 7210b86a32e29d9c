//! Requests and responses as text.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is answered to what cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// The kind: those of JSON-RPC, and HTTP's.
    pub code: i64,
    /// What is wrong.
    pub message: String,
}

impl RpcError {
    /// The text is no JSON.
    pub const NOT_JSON: i64 = -32_700;
    /// It is JSON, but no request.
    pub const NOT_A_REQUEST: i64 = -32_600;
    /// There is no such method.
    pub const NO_METHOD: i64 = -32_601;
    /// The parameters are not what the method takes.
    pub const BAD_PARAMETERS: i64 = -32_602;
    /// The server cannot answer.
    pub const INTERNAL: i64 = -32_603;
    /// The request is refused.
    pub const REFUSED: i64 = 400;
    /// Only for who knows the guardian's password.
    pub const NOT_AUTHENTICATED: i64 = 401;
    /// There is no such thing.
    pub const NOT_FOUND: i64 = 404;
    /// Too much at once.
    pub const BUSY: i64 = 429;

    /// An error.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What a request asks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) auth: Option<String>,
    pub(crate) params: Value,
}

/// Reads a request; an error goes to who sent it, under the id that was read.
pub(crate) fn read_call(text: &str) -> Result<Call, (Value, RpcError)> {
    let not_json = |_| (Value::Null, RpcError::new(RpcError::NOT_JSON, "not JSON"));
    let mut request: Value = serde_json::from_str(text).map_err(not_json)?;
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let bad = |what: &str| (id.clone(), RpcError::new(RpcError::NOT_A_REQUEST, what));
    if request.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(bad("not a request of JSON-RPC 2.0"));
    }
    let Some(Value::String(method)) = request.get_mut("method").map(Value::take) else {
        return Err(bad("a request without a method"));
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

/// The parameters of a request, wrapped as guardians expect them.
pub fn encode_params(auth: Option<&str>, params: &Value) -> Value {
    json!([{ "auth": auth, "params": params }])
}

pub(crate) fn write_request(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

pub(crate) fn write_response(id: &Value, result: Result<Value, RpcError>) -> String {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    }
    .to_string()
}

/// Reads a response; none if it is no response to a request of ours.
pub(crate) fn read_response(text: &str) -> Option<(u64, Result<Value, RpcError>)> {
    let mut response: Value = serde_json::from_str(text).ok()?;
    let id = response.get("id")?.as_u64()?;
    if let Some(error) = response.get_mut("error").map(Value::take).filter(|error| !error.is_null()) {
        let unreadable = |_| RpcError::new(RpcError::INTERNAL, "an error that cannot be read");
        return Some((id, Err(serde_json::from_value(error).unwrap_or_else(unreadable))));
    }
    Some((id, Ok(response.get_mut("result")?.take())))
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
    fn responses_are_told_from_noise() {
        let error = RpcError::new(404, "no such thing");
        assert_eq!(read_response(&write_response(&json!(1), Err(error.clone()))), Some((1, Err(error))));
        assert_eq!(read_response(&write_response(&json!(2), Ok(Value::Null))), Some((2, Ok(Value::Null))));
        for text in [
            "",
            "[]",
            r#"{"id":1}"#,
            r#"{"id":"1","result":2}"#,
            r#"{"result":2}"#,
            r#"{"id":-1,"result":2}"#,
        ] {
            assert_eq!(read_response(text), None, "{text}");
        }
        assert!(matches!(read_response(r#"{"id":1,"error":7}"#), Some((1, Err(_)))));
    }
}
