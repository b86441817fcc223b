//! What an error body says (Microsoft REST API Guidelines; OAuth 2.0 for gateways that answer in its shape).

use http::HeaderMap;
use serde_json::{Map, Value};
use unattended_core::{is_deceptive, redact_tokens};

/// The parts of an error body that are worth keeping.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ErrorBody {
    /// The deepest code: the outer ones are generic.
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) details: Vec<ErrorDetail>,
    pub(crate) request_id: Option<String>,
}

/// One of several things that are wrong with a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ErrorDetail {
    /// The API's code for it, for example `ObjectConflict`.
    pub code: Option<String>,
    /// What it is about, usually the name of a property.
    pub target: Option<String>,
}

impl ErrorBody {
    /// Reads a body; one that is not JSON is kept as the message, in part.
    pub(crate) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self { message: presentable(&String::from_utf8_lossy(body)), ..Self::default() },
        }
    }

    /// Reads a body that is parsed already, as the answers inside a batch are.
    pub(crate) fn of(body: &Value) -> Self {
        match body.get("error") {
            Some(Value::Object(error)) => Self::of_object(error),
            // RFC 6749 section 5.2
            Some(Value::String(code)) => Self {
                code: presentable(code),
                message: body.get("error_description").and_then(Value::as_str).and_then(presentable),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    fn of_object(error: &Map<String, Value>) -> Self {
        const MOST: usize = 20;
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten().take(MOST);
        let mut found = Self { details: details.map(ErrorDetail::of).collect(), ..Self::default() };
        let mut level = Some(error);
        // Nesting has been seen up to four levels deep; a body cannot make this loop run longer than it is itself.
        while let Some(error) = level {
            let text = |name: &str| error.get(name).and_then(Value::as_str).and_then(presentable);
            found.code = text("code").or(found.code);
            found.message = found.message.or_else(|| text("message"));
            found.request_id = text("request-id").or(found.request_id);
            level = error
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("innererror"))
                .and_then(|(_, inner)| inner.as_object());
        }
        found
    }

    /// Takes the request id of the headers where the body has none.
    pub(crate) fn or_request_id_of(mut self, headers: &HeaderMap) -> Self {
        self.request_id = self.request_id.or_else(|| request_id(headers));
        self
    }
}

impl ErrorDetail {
    fn of(detail: &Value) -> Self {
        let text = |name: &str| detail.get(name).and_then(Value::as_str).and_then(presentable);
        Self { code: text("code"), target: text("target") }
    }
}

/// The id under which the API's operator finds the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    ["request-id", "x-ms-request-id"]
        .into_iter()
        .find_map(|name| headers.get(name)?.to_str().ok().and_then(presentable))
}

/// Foreign text that may be shown: no tokens, no deceptive characters, not endless, not empty.
fn presentable(text: &str) -> Option<String> {
    const LONGEST: usize = 4_096;
    let text: String = text.chars().take(LONGEST).collect();
    let clean: String =
        redact_tokens(text.trim()).chars().map(|c| if is_deceptive(c) { ' ' } else { c }).collect();
    Some(clean).filter(|clean| !clean.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    // ER-1
    #[test]
    fn the_deepest_code_and_the_outermost_message_are_kept() {
        let body = br#"{"error":{"code":"BadRequest","message":"Outer.","innerError":{"request-id":"r-1",
            "code":"invalidRange","innererror":{"code":"cannotSnapshot","message":"Inner."}}}}"#;
        assert_eq!(
            ErrorBody::read(body),
            ErrorBody {
                code: Some("cannotSnapshot".to_owned()),
                message: Some("Outer.".to_owned()),
                details: Vec::new(),
                request_id: Some("r-1".to_owned())
            }
        );
    }

    // ER-1
    #[test]
    fn an_empty_inner_code_does_not_hide_the_outer_one() {
        let body =
            br#"{"error":{"code":"Request_BadRequest","message":"","innerError":{"code":"","date":"x"}}}"#;
        assert_eq!(ErrorBody::read(body).code.as_deref(), Some("Request_BadRequest"));
        assert_eq!(ErrorBody::read(body).message, None);
    }

    // ER-1
    #[test]
    fn details_say_which_property_is_meant() {
        let body = br#"{"error":{"code":"Request_BadRequest","message":"Another object ...",
            "details":[{"code":"ObjectConflict","message":"...","target":"userPrincipalName"}, 7]}}"#;
        let details = ErrorBody::read(body).details;
        assert_eq!(details[0].code.as_deref(), Some("ObjectConflict"));
        assert_eq!(details[0].target.as_deref(), Some("userPrincipalName"));
        assert_eq!(details[1], ErrorDetail::default());
    }

    #[test]
    fn other_shapes_are_read_as_far_as_they_go() {
        let oauth = ErrorBody::read(br#"{"error":"invalid_token","error_description":"expired"}"#);
        assert_eq!(
            (oauth.code.as_deref(), oauth.message.as_deref()),
            (Some("invalid_token"), Some("expired"))
        );
        let html = ErrorBody::read(b"<html>\n502 Bad Gateway</html>");
        assert_eq!(html.message.as_deref(), Some("<html> 502 Bad Gateway</html>"));
        let forged =
            ErrorBody::read(r#"{"error":{"message":"no\u001b[2J\u202e user\nINFO all is well"}}"#.as_bytes());
        assert_eq!(forged.message.as_deref(), Some("no [2J  user INFO all is well"));
        assert_eq!(ErrorBody::read(b"[]"), ErrorBody::default());
        assert_eq!(ErrorBody::read(b""), ErrorBody::default());
        assert_eq!(ErrorBody::read(&vec![b'x'; 100_000]).message.unwrap().len(), 4_096);
    }

    #[test]
    fn a_token_in_a_message_is_masked() {
        let body = br#"{"error":{"code":"x","message":"token eyJhbGci.eyJzdWIi.c2ln refused"}}"#;
        assert_eq!(ErrorBody::read(body).message.as_deref(), Some("token [redacted] refused"));
    }
}
