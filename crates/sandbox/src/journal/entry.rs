//! One request and its answer, as the journal keeps it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize, Serializer};

/// Below this path nothing of the sandbox is found: it stands for the origin of somebody else.
pub(crate) const FOREIGN_PATH: &str = "/foreign-origin";

/// Headers that are shown. A client's secrets are in none of them but the first, of which only the scheme is shown.
pub(super) const SHOWN_HEADERS: [&str; 12] = [
    "authorization",
    "client-request-id",
    "consistencylevel",
    "content-type",
    "if-match",
    "if-none-match",
    "prefer",
    "retry-attempt",
    "user-agent",
    "x-client-sku",
    "x-client-ver",
    "x-ms-lib-capability",
];

/// The most characters of a value that came from a client.
const MAX_VALUE_CHARS: usize = 200;

/// One request and its answer.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Entry {
    /// Counts the entries of this run of the sandbox, from 1, in the order of the answers.
    pub(crate) number: u64,
    /// The number of the batch that the request was part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<u64>,
    /// When the request came, in the time of the sandbox: milliseconds since 1970, shown as RFC 3339 has it.
    #[serde(rename = "time", serialize_with = "as_rfc3339")]
    pub(crate) time_ms: i64,
    /// When the request came, in milliseconds of a clock that nobody sets.
    pub(crate) arrived_ms: u64,
    /// Until the head of the answer was there.
    pub(crate) duration_ms: u64,
    #[serde(flatten)]
    pub(crate) request: RequestEntry,
    /// Absent if the connection was cut instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// How long the answer asked the client to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
    /// The fault that was injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<&'static str>,
}

/// What is kept of a request: no token, no secret, no value of a query.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct RequestEntry {
    /// Scheme and host as the client named them.
    pub(crate) origin: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The names of the query's parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) query: Vec<String>,
    /// The application (client) ID that the request claims, unverified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<String>,
    /// What a token was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<&'static str, String>,
    /// The same for every attempt at the same request: application, method, URL, body.
    pub(crate) fingerprint: String,
}

impl RequestEntry {
    pub(crate) fn new(parts: &Parts, body: &Bytes) -> Self {
        let form = form(&parts.headers, body);
        let field = |name: &str| {
            let value = form.iter().find(|(it, _)| it == name).map(|(_, value)| short(value));
            value.filter(|value| !value.is_empty())
        };
        let application = field("client_id")
            .or_else(|| basic_user(&parts.headers))
            .or_else(|| token_bearer(&parts.headers));
        let is_token_request = is_token_path(parts.uri.path()) && parts.method == Method::POST;
        Self {
            origin: format!("https://{}", short(&host(parts))),
            method: parts.method.to_string(),
            path: short(parts.uri.path()),
            query: query_names(parts.uri.query().unwrap_or_default()),
            fingerprint: fingerprint(parts, application.as_deref(), &form, body),
            scope: field("scope").or_else(|| field("resource")).filter(|_| is_token_request),
            application,
            headers: shown_headers(&parts.headers),
        }
    }

    /// Whether it holds other requests.
    pub(crate) fn is_batch(&self) -> bool {
        let path = self.path.to_ascii_lowercase();
        self.method == "POST"
            && path.starts_with("/graph/")
            && (path.ends_with("/$batch") || path.ends_with("/%24batch"))
    }

    /// Whether a token was asked for.
    pub(crate) fn is_token_request(&self) -> bool {
        self.method == "POST" && is_token_path(&self.path)
    }

    /// Whether the request went to somebody else's origin with a credential in it.
    pub(crate) fn is_leak(&self) -> bool {
        self.path.starts_with(FOREIGN_PATH) && self.headers.contains_key("authorization")
    }
}

fn is_token_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.ends_with("/oauth2/v2.0/token") || path.ends_with("/oauth2/token")
}

fn host(parts: &Parts) -> String {
    let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    // HTTP/2 has it in the URI.
    parts.uri.authority().map(|authority| authority.to_string()).or(header).unwrap_or_default()
}

fn query_names(query: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| short(&name)).take(50).collect()
}

fn form(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|it| {
        it.as_bytes().to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
    });
    match is_form {
        true => url::form_urlencoded::parse(body).map(|(name, value)| (name.into(), value.into())).collect(),
        false => Vec::new(),
    }
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The user of `Authorization: Basic` (RFC 6749 section 2.3.1).
fn basic_user(headers: &HeaderMap) -> Option<String> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(credentials(headers, "basic")?).ok()?;
    // Without a colon it may be the secret alone.
    let user = &decoded[..decoded.iter().position(|it| *it == b':')?];
    let (name, _) = url::form_urlencoded::parse(user).next()?;
    Some(short(&name))
}

/// The application of a bearer token, unverified: the journal tells what was claimed.
fn token_bearer(headers: &HeaderMap) -> Option<String> {
    let payload = credentials(headers, "bearer")?.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: ClientClaims<'_> = serde_json::from_slice(&payload).ok()?;
    Some(short(&claims.azp.or(claims.appid)?))
}

#[derive(Deserialize)]
struct ClientClaims<'a> {
    #[serde(borrow)]
    azp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    appid: Option<Cow<'a, str>>,
}

fn as_rfc3339<S: Serializer>(time_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_millisecond(*time_ms) {
        Ok(time) => serializer.collect_str(&format_args!("{time:.3}")),
        Err(_) => serializer.serialize_str(""),
    }
}

fn shown_headers(headers: &HeaderMap) -> BTreeMap<&'static str, String> {
    let show = |name: &'static str| {
        let value = headers.get(HeaderName::from_static(name))?;
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = match name {
            "authorization" => redacted(&text),
            _ => text.into_owned(),
        };
        Some((name, short(&text)))
    };
    SHOWN_HEADERS.into_iter().filter_map(show).collect()
}

/// The scheme alone. A header without one is all credential: clients forget the scheme.
fn redacted(authorization: &str) -> String {
    let scheme = authorization.split_once(' ').map(|(scheme, _)| scheme);
    let known =
        scheme.and_then(|scheme| SCHEMES.into_iter().find(|known| scheme.eq_ignore_ascii_case(known)));
    known.map_or_else(|| "[redacted]".to_owned(), |scheme| format!("{scheme} [redacted]"))
}

/// The schemes that clients of the platform use.
const SCHEMES: [&str; 4] = ["Bearer", "Basic", "PoP", "mtls_pop"];

/// Assertions are made anew for every attempt, so that they do not count.
fn fingerprint(parts: &Parts, application: Option<&str>, form: &[(String, String)], body: &Bytes) -> String {
    let target = parts.uri.path_and_query().map_or("", |it| it.as_str());
    let mut text = format!("{}\n{}\n{target}\n", application.unwrap_or_default(), parts.method).into_bytes();
    if form.is_empty() {
        text.extend_from_slice(body);
    }
    for (name, value) in form.iter().filter(|(name, _)| name != "client_assertion") {
        text.extend([name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
    }
    let digest = digest(&SHA256, &text);
    let first = digest.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    format!("{first:016x}")
}

fn short(text: &str) -> String {
    // As nearly all are.
    if text.len() <= MAX_VALUE_CHARS && text.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().filter(|it| !it.is_control()).take(MAX_VALUE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn entry(request: http::request::Builder, body: &str) -> RequestEntry {
        let (parts, body) = request.body(Bytes::from(body.to_owned())).unwrap().into_parts();
        RequestEntry::new(&parts, &body)
    }

    fn token_request(form: &str) -> RequestEntry {
        let request = Request::post("https://localhost:1/t/oauth2/v2.0/token");
        entry(request.header("content-type", "application/x-www-form-urlencoded"), form)
    }

    #[test]
    fn nothing_secret_is_kept() {
        let form = "client_id=a&client_secret=S3CRET&client_assertion=S3CRET&scope=api%3A%2F%2Fx%2F.default";
        let kept = token_request(form);
        assert!(kept.is_token_request());
        assert_eq!(
            (kept.application.as_deref(), kept.scope.as_deref()),
            (Some("a"), Some("api://x/.default"))
        );
        let token = format!("Bearer h.{}.S3CRET", URL_SAFE_NO_PAD.encode(r#"{"azp":"b","x":"S3CRET"}"#));
        let call = Request::get("https://localhost:1/graph/v1.0/users?$filter=S3CRET&$top=5")
            .header("authorization", token)
            .header("cookie", "S3CRET");
        let call = entry(call, "");
        assert_eq!(call.application.as_deref(), Some("b"));
        assert_eq!(
            (&call.query[..], call.headers["authorization"].as_str()),
            (&["$filter".into(), "$top".into()][..], "Bearer [redacted]")
        );
        let text = serde_json::to_string(&(kept, call)).unwrap();
        assert!(!text.contains("S3CRET"), "{text}");
    }

    #[test]
    fn a_credential_without_its_scheme_is_not_kept_either() {
        for (header, shown) in [
            ("S3CRET", "[redacted]"),
            ("S3CRET S3CRET", "[redacted]"),
            ("bearer S3CRET", "Bearer [redacted]"),
            ("", "[redacted]"),
        ] {
            let call = Request::get("https://localhost:1/graph/v1.0/users").header("authorization", header);
            assert_eq!(entry(call, "").headers["authorization"], shown, "{header}");
        }
    }

    #[test]
    fn basic_credentials_without_a_user_are_not_taken_for_one() {
        let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("S3CRET"));
        let kept = entry(Request::get("/t/oauth2/token").header("authorization", header), "");
        assert_eq!(kept.application, None);
    }

    #[test]
    fn attempts_at_one_request_have_one_fingerprint() {
        let form = |assertion: &str, scope: &str| {
            token_request(&format!("client_id=a&client_assertion={assertion}&scope={scope}")).fingerprint
        };
        assert_eq!(form("1", "s"), form("2", "s"));
        assert_ne!(form("1", "s"), form("1", "t"));
        let call = |url: &str, body: &str| entry(Request::post(url), body).fingerprint;
        assert_ne!(call("https://localhost:1/a?b=1", ""), call("https://localhost:1/a?b=2", ""));
        assert_ne!(call("https://localhost:1/a", "1"), call("https://localhost:1/a", "2"));
    }

    #[test]
    fn the_application_of_basic_credentials_is_read() {
        let header = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("a%2Db:secret"));
        let kept = entry(Request::post("/t/oauth2/token").header("authorization", header), "");
        assert_eq!(kept.application.as_deref(), Some("a-b"));
    }
}
