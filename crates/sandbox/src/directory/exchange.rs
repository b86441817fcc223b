//! A request as the directory sees it, and what it answers; `$batch` makes both by hand.

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent::decoded;
use serde_json::{Map, Value};
use unattended_protect::Caller;

use super::Directory;
use super::fault::Fault;
use super::json::Unambiguous;
use super::written::Written;
use crate::store::{Object, Tenant};

/// A request below `/v1.0` or `/beta`.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) version: &'static str,
    /// Percent-encoded, without the version.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A request on its way through a handler.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) directory: &'a Directory,
    pub(super) request: &'a Request,
    pub(super) caller: &'a Caller,
    pub(super) tenant: &'a Tenant,
    /// What stands in the places of the path's template.
    pub(super) keys: Vec<Key>,
    /// The caller may only write what it made itself.
    pub(super) own_objects_only: bool,
    /// Unix seconds.
    pub(super) now: i64,
}

/// How a path names an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    /// The property of an alternate key: `appId` in `applications(appId='..')`.
    pub(super) property: Option<String>,
    pub(super) value: String,
}

impl Call<'_> {
    /// The key in one place of the path.
    pub(super) fn key(&self, place: usize) -> &Key {
        // The route table gives every handler the places that it asks for; a test walks all of them.
        &self.keys[place]
    }

    /// The body as a JSON object.
    pub(super) fn json(&self) -> Result<Map<String, Value>, Fault> {
        if self.request.body.is_empty() {
            return Err(Fault::bad_query("Empty Payload. JSON content expected."));
        }
        if !self.is_json() {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                "The request's Content-Type is not supported: application/json is expected.",
            ));
        }
        match serde_json::from_slice(&self.request.body) {
            Ok(Unambiguous(Value::Object(members))) => Ok(members),
            Err(error) if error.is_data() => Err(Fault::bad_query(format!("Invalid JSON payload: {error}."))),
            _ => Err(Fault::bad_query(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid \
                 JSON format.",
            )),
        }
    }

    fn is_json(&self) -> bool {
        let content_type = self.request.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/json")
    }

    /// Whether an object was made long enough ago to be known to every reader; what the tenant began with always was.
    pub(super) fn is_replicated(&self, object: &Object) -> bool {
        let settings = self.directory.control.settings();
        settings.is_replicated(object.text("createdDateTime"), self.tenant.created_at, self.now)
    }

    /// The URL of the version that was asked.
    pub(super) fn version_url(&self) -> String {
        format!("{}/{}", self.directory.base_url, self.request.version)
    }
}

/// What a handler answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Empty,
    Json(Value),
    Text(String),
    Written(Written),
}

impl Answer {
    /// 200 with a JSON body.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Body::Json(body) }
    }

    /// 200 with JSON that is text already.
    pub(super) fn written(body: Written) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Body::Written(body) }
    }

    /// 200 with a plain number.
    pub(super) fn number(number: i64) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Body::Text(number.to_string()) }
    }

    /// 201 with the object and where it is.
    pub(super) fn created(location: &str, body: Value) -> Self {
        let location = HeaderValue::from_str(location).map(|location| (LOCATION, location));
        Self { status: StatusCode::CREATED, headers: location.into_iter().collect(), body: Body::Json(body) }
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Body::Empty }
    }
}

/// The segments of a path; `set(property='value')` is two.
pub(super) fn segments(path: &str) -> Option<Vec<Key>> {
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        // Before decoding: an encoded parenthesis is part of a name.
        let Some((set, key)) = segment.strip_suffix(')').and_then(|segment| segment.split_once('(')) else {
            segments.push(Key { property: None, value: decoded(segment)? });
            continue;
        };
        let key = decoded(key)?;
        if key.is_empty() {
            // A function without arguments: `delta()`.
            segments.push(Key { property: None, value: decoded(set)? });
            continue;
        }
        let (property, value) = match key.split_once('=') {
            Some((property, value)) if !property.starts_with('\'') => (Some(property.to_owned()), value),
            _ => (None, key.as_str()),
        };
        let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
        // A quote that is not doubled would have ended the key.
        if value.replace("''", "").contains('\'') {
            return None;
        }
        let value = value.replace("''", "'");
        segments.extend([Key { property: None, value: decoded(set)? }, Key { property, value }]);
    }
    Some(segments)
}

mod percent {
    /// Percent-decoded UTF-8.
    pub(super) fn decoded(text: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        }
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(property: Option<&str>, value: &str) -> Key {
        Key { property: property.map(str::to_owned), value: value.into() }
    }

    #[test]
    fn a_path_is_its_segments_with_keys_beside_their_sets() {
        assert_eq!(
            segments("/applications(appId='x')/addPassword").unwrap(),
            [key(None, "applications"), key(Some("appId"), "x"), key(None, "addPassword")]
        );
        assert_eq!(segments("/users('o''neil%40a.b')").unwrap()[1], key(None, "o'neil@a.b"));
        assert_eq!(segments("users/a%2Fb").unwrap()[1], key(None, "a/b"));
        assert_eq!(segments("users/a%28b%29").unwrap()[1], key(None, "a(b)"));
        assert_eq!(segments("users/delta()").unwrap(), [key(None, "users"), key(None, "delta")]);
        for nonsense in
            ["/users/%zz", "/users/%4", "/users(x)", "/users/%ff", "/users(a='b',c='d')", "/users('a'b')"]
        {
            assert_eq!(segments(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "\\PC{0,60}", parts in "[/%()'=a2F]{0,40}") {
            let _ = (segments(&path), segments(&parts));
        }

        #[test]
        fn any_key_can_be_named(key in "\\PC{1,30}") {
            let mut encoded = String::new();
            for byte in key.replace('\'', "''").bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            let named = segments(&format!("/users(id='{encoded}')")).unwrap();
            prop_assert_eq!(&named[1].value, &key);
        }
    }
}
