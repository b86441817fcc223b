//! What is kept of a request, read out of it into one text: a tenth of what its parts take by themselves.

use std::borrow::Cow;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;

use super::entry::{RequestEntry, is_token_path};
use crate::form;
use crate::host::host;

/// Headers that are shown. A client's secrets are in none of them but the first, of which only the scheme is shown.
static SHOWN_HEADERS: [HeaderName; 15] = [
    AUTHORIZATION,
    HeaderName::from_static("client-request-id"),
    HeaderName::from_static("consistencylevel"),
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static("prefer"),
    HeaderName::from_static("retry-attempt"),
    HeaderName::from_static("sdkversion"),
    USER_AGENT,
    HeaderName::from_static("x-client-sku"),
    HeaderName::from_static("x-client-ver"),
    HeaderName::from_static("x-ms-client-request-id"),
    HeaderName::from_static("x-ms-lib-capability"),
    HeaderName::from_static("x-ms-throttle-priority"),
];

/// The most characters of a value that came from a client.
const MAX_VALUE_CHARS: usize = 200;

/// The most names of a query.
const MAX_QUERY_NAMES: usize = 50;

/// Between the parts of a text, and between the elements of one part: control characters, which no value has.
const PART: char = '\n';
const ELEMENT: char = '\t';

/// A request, summed up: no token, no secret, no value of a query.
///
/// Origin, method, path, application, scope, fingerprint, the names in the query, then the headers: each the place of its
/// name as a letter, and its value.
#[derive(Debug, Default)]
pub(crate) struct Summary(Box<str>);

impl Summary {
    pub(super) fn of(parts: &Parts, body: &Bytes) -> Self {
        let form = form_of(&parts.headers, body);
        let field = |name: &str| {
            let value = form.iter().find(|(it, _)| it == name).map(|(_, value)| short(value));
            value.filter(|value| !value.is_empty())
        };
        let application = field("client_id")
            .or_else(|| basic_user(&parts.headers).map(Cow::Owned))
            .or_else(|| token_bearer(&parts.headers).map(Cow::Owned))
            .unwrap_or_default();
        let is_token_request = parts.method == Method::POST && is_token_path(parts.uri.path());
        let scope = if is_token_request { field("scope").or_else(|| field("resource")) } else { None };
        let mut text = String::with_capacity(512);
        text.push_str("https://");
        let kept = [
            &short(host(&parts.uri, &parts.headers))[..],
            parts.method.as_str(),
            &short(parts.uri.path()),
            &application,
            &scope.unwrap_or_default(),
        ];
        for part in kept {
            text.push_str(part);
            text.push(PART);
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{:016x}", fingerprint(parts, &application, &form, body));
        text.push(PART);
        let query = parts.uri.query().unwrap_or_default();
        for (name, _) in form::fields(query.as_bytes()).take(MAX_QUERY_NAMES) {
            text.push_str(&short(&name));
            text.push(ELEMENT);
        }
        for (place, name) in (b'a'..).zip(&SHOWN_HEADERS) {
            let Some(value) = parts.headers.get(name) else { continue };
            text.push(PART);
            text.push(place.into());
            text.push_str(&short(&shown(name, value)));
        }
        Self(text.into_boxed_str())
    }

    /// The parts by themselves.
    pub(super) fn unfolded(&self) -> RequestEntry {
        let mut parts = self.0.split(PART);
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let something = |text: String| Some(text).filter(|text| !text.is_empty());
        let (origin, method, path) = (part(), part(), part());
        let (application, scope, fingerprint) = (something(part()), something(part()), part());
        let query = part().split_terminator(ELEMENT).map(str::to_owned).collect();
        let header = |part: &str| {
            let place = part.bytes().next()?.checked_sub(b'a')?;
            Some((SHOWN_HEADERS.get(usize::from(place))?.as_str(), part[1..].to_owned()))
        };
        let headers = parts.filter_map(header).collect();
        RequestEntry { origin, method, path, query, application, scope, headers, fingerprint }
    }
}

type Form<'a> = Vec<form::Field<'a>>;

fn form_of<'a>(headers: &HeaderMap, body: &'a Bytes) -> Form<'a> {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let begins = headers.get(CONTENT_TYPE).and_then(|it| it.as_bytes().get(..FORM.len()));
    match begins.is_some_and(|begins| begins.eq_ignore_ascii_case(FORM)) {
        true => form::fields(body).collect(),
        false => Vec::new(),
    }
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The user of `Authorization: Basic` (RFC 6749 section 2.3.1).
fn basic_user(headers: &HeaderMap) -> Option<String> {
    let decoded = STANDARD.decode(credentials(headers, "basic")?).ok()?;
    // Without a colon it may be the secret alone.
    let user = &decoded[..decoded.iter().position(|it| *it == b':')?];
    let (name, _) = form::fields(user).next()?;
    Some(short(&name).into_owned())
}

/// The application of a bearer token, unverified: the journal tells what was claimed.
fn token_bearer(headers: &HeaderMap) -> Option<String> {
    let payload = credentials(headers, "bearer")?.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: ClientClaims<'_> = serde_json::from_slice(&payload).ok()?;
    Some(short(&claims.azp.or(claims.appid)?).into_owned())
}

#[derive(Deserialize)]
struct ClientClaims<'a> {
    #[serde(borrow)]
    azp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    appid: Option<Cow<'a, str>>,
}

/// A header's value as it is shown.
fn shown<'a>(name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, str> {
    match name == AUTHORIZATION {
        true => redacted(value.as_bytes()).into(),
        false => String::from_utf8_lossy(value.as_bytes()),
    }
}

/// The scheme alone. A header without one is all credential: clients forget the scheme.
fn redacted(authorization: &[u8]) -> &'static str {
    let end = authorization.iter().position(|byte| *byte == b' ').unwrap_or_default();
    let is_it = |(scheme, _): &&(&str, _)| scheme.as_bytes().eq_ignore_ascii_case(&authorization[..end]);
    SCHEMES.iter().find(is_it).map_or("[redacted]", |(_, shown)| shown)
}

/// The schemes that clients of the platform use, and how a credential of each is shown.
const SCHEMES: [(&str, &str); 4] = [
    ("Bearer", "Bearer [redacted]"),
    ("Basic", "Basic [redacted]"),
    ("PoP", "PoP [redacted]"),
    ("mtls_pop", "mtls_pop [redacted]"),
];

/// The same for every attempt at the same request. Assertions are made anew for each, so that they do not count.
fn fingerprint(parts: &Parts, application: &str, form: &Form<'_>, body: &Bytes) -> u64 {
    let target = parts.uri.path_and_query().map_or("", |it| it.as_str());
    let mut text = Vec::with_capacity(256 + body.len());
    // The body of a slice is not known here: this says which one it is.
    let range = parts.headers.get(CONTENT_RANGE).map_or(&b""[..], HeaderValue::as_bytes);
    for part in [application.as_bytes(), parts.method.as_str().as_bytes(), target.as_bytes(), range] {
        text.extend_from_slice(part);
        text.push(b'\n');
    }
    if form.is_empty() {
        text.extend_from_slice(body);
    }
    for (name, value) in form.iter().filter(|(name, _)| name != "client_assertion") {
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\n"] {
            text.extend_from_slice(part);
        }
    }
    digest(&SHA256, &text).as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

fn short(text: &str) -> Cow<'_, str> {
    // As nearly all are.
    if text.len() <= MAX_VALUE_CHARS && text.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    text.chars().filter(|it| !it.is_control()).take(MAX_VALUE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    fn entry(request: http::request::Builder, body: &str) -> RequestEntry {
        let (parts, body) = request.body(Bytes::from(body.to_owned())).unwrap().into_parts();
        Summary::of(&parts, &body).unfolded()
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

    // RL-5, directory 1: what libraries say of themselves and of the request can be asserted
    #[test]
    fn what_libraries_say_is_kept() {
        let headers = [
            ("sdkversion", "graph-js/3.0.7 (featureUsage=7)"),
            ("x-ms-client-request-id", "5b3b4e0e-6a1c-4b7e-9d5b-2f0c6a7d8e9f"),
            ("x-ms-throttle-priority", "Low"),
        ];
        let call = Request::get("https://localhost:1/graph/v1.0/users");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(*name, *value));
        let kept = entry(call, "").headers;
        assert_eq!(headers.map(|(name, _)| kept[name].as_str()), headers.map(|(_, value)| value));
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
        let header = format!("Basic {}", STANDARD.encode("S3CRET"));
        let kept = entry(Request::get("/t/oauth2/token").header("authorization", header), "");
        assert_eq!(kept.application, None);
    }

    proptest! {
        #[test]
        fn what_was_summed_up_comes_apart_as_it_was(
            is_form in any::<bool>(),
            mut values in prop::collection::vec(prop::option::of("[ -~\u{e9}\u{20ac}]{0,230}"), SHOWN_HEADERS.len()),
            names in prop::collection::vec("[a-z$\n\t\u{e9}]{0,9}", 0..60),
            is_post in any::<bool>(),
            path in "(/[a-z.-]{1,9}){1,3}",
            application in "[a-z \n]{0,9}",
        ) {
            if is_form {
                values[3] = Some("Application/x-www-form-urlencoded;charset=UTF-8".into());
            }
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(names.iter().map(|name| (name, "S3CRET")));
            let method = if is_post { Method::POST } else { Method::GET };
            let mut request =
                Request::builder().method(&method).uri(format!("{path}?{}", query.finish())).header("host", "h:1");
            for (name, value) in SHOWN_HEADERS.iter().zip(&values) {
                if let Some(value) = value {
                    request = request.header(name, value.as_bytes());
                }
            }
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            let form = form.append_pair("client_id", &application).append_pair("scope", "s").finish();
            let kept = entry(request, &form);
            let visible = |text: &str| text.chars().filter(|it| !it.is_control()).take(200).collect::<String>();
            prop_assert_eq!((&kept.origin[..], &kept.method[..], &kept.path), ("https://h:1", method.as_str(), &path));
            prop_assert_eq!(kept.query, names.iter().map(|name| visible(name)).take(50).collect::<Vec<_>>());
            prop_assert_eq!(kept.scope, None);
            prop_assert_eq!(kept.application.is_some(), is_form && !visible(&application).is_empty());
            prop_assert_eq!(kept.headers.len(), values.iter().flatten().count());
            for (name, value) in SHOWN_HEADERS.iter().zip(&values).skip(1) {
                let expected = value.as_ref().map(|value| visible(value));
                prop_assert_eq!(kept.headers.get(name.as_str()), expected.as_ref());
            }
        }
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
        let header = format!("Basic {}", STANDARD.encode("a%2Db:secret"));
        let kept = entry(Request::post("/t/oauth2/token").header("authorization", header), "");
        assert_eq!(kept.application.as_deref(), Some("a-b"));
    }
}
