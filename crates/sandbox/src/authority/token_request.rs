//! Token requests as clients send them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use unattended_core::Secret;

use super::claims_request::ClaimsRequest;
use super::error::{self, AuthorityError};
use super::federation::is_foreign;
use crate::form::{self, Field};

/// More fields than any client sends.
const MAX_FIELDS: usize = 64;

/// The client assertion type of RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The one of an assertion that is bound to the certificate of the connection.
const JWT_POP: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-pop";

const SHA256_BYTES: usize = 32;

/// Which of the two token endpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    V1,
    V2,
}

/// A request for a token.
pub(crate) struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
    credential: Option<PresentedCredential>,
    claims: ClaimsRequest,
    binding: Binding,
    used_basic: bool,
}

/// What the client wants its token to be bound to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Binding {
    Nothing,
    /// The certificate of the connection.
    Certificate,
    /// The key with this thumbprint (RFC 7638).
    Key(String),
}

/// How the client means to prove itself.
pub(crate) enum PresentedCredential {
    Secret(Secret),
    Assertion {
        text: Secret,
        /// Whether it says to be bound to the certificate of the connection.
        is_bound: bool,
        /// Whether another issuer made it.
        is_foreign: bool,
    },
}

/// The fields of a form in order.
pub(crate) fn fields(body: &[u8]) -> Vec<Field<'_>> {
    form::fields(body).take(MAX_FIELDS + 1).collect()
}

impl TokenRequest {
    /// Reads the fields of a form and the client's Basic credentials. Fields that nobody knows are passed over: clients
    /// send their telemetry here.
    ///
    /// # Errors
    /// Another content type, a field given twice, more than one way of client authentication, a `claims` that is not
    /// a JSON object.
    pub(crate) fn parse(headers: &HeaderMap, fields: &[Field<'_>]) -> Result<Self, AuthorityError> {
        let malformed = |reason| error::REQUEST_MALFORMED.with("reason", reason);
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(malformed("The content type must be application/x-www-form-urlencoded."));
        }
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if names.len() > MAX_FIELDS {
            return Err(malformed("The request has too many parameters."));
        }
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(malformed(&format!("The parameter '{}' is duplicated.", pair[0])));
        }
        // A parameter without a value counts as omitted (RFC 6749 section 3.2).
        let field = |name: &str| {
            fields
                .iter()
                .find(|(given, value)| given == name && !value.is_empty())
                .map(|(_, value)| value.to_string())
        };
        let claims = match field("claims") {
            Some(claims) => ClaimsRequest::parse(&claims)
                .ok_or_else(|| malformed("The claims parameter is not a JSON object."))?,
            None => ClaimsRequest::default(),
        };
        let basic = basic_credentials(headers)?;
        let used_basic = basic.is_some();
        let (basic_id, basic_secret) = basic.unzip();
        let client_id = field("client_id");
        if client_id.as_ref().zip(basic_id.as_ref()).is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b)) {
            return Err(malformed("The header and the body name different clients."));
        }
        let secret = field("client_secret").map(Secret::from);
        let assertion = field("client_assertion");
        let assertion_type = field("client_assertion_type");
        let is_bound = assertion_type.as_deref() == Some(JWT_POP);
        if assertion.is_some() && !is_bound && assertion_type.as_deref() != Some(JWT_BEARER) {
            return Err(malformed("The client_assertion_type is missing or not supported."));
        }
        let credential = match (basic_secret, secret, assertion) {
            (None, None, None) => None,
            (Some(secret), None, None) | (None, Some(secret), None) => {
                Some(PresentedCredential::Secret(secret))
            }
            (None, None, Some(text)) => {
                let is_foreign = is_foreign(&text);
                Some(PresentedCredential::Assertion { text: text.into(), is_bound, is_foreign })
            }
            _ => return Err(malformed("The request presents more than one credential.")),
        };
        let binding = match field("token_type").as_deref() {
            Some("mtls_pop") => Binding::Certificate,
            Some("pop") => {
                let key = field("req_cnf").as_deref().and_then(key_to_confirm);
                Binding::Key(key.ok_or_else(|| malformed("The req_cnf parameter names no key."))?)
            }
            _ => Binding::Nothing,
        };
        Ok(Self {
            grant_type: field("grant_type"),
            client_id: client_id.or(basic_id).map(|id| id.to_ascii_lowercase()),
            scope: field("scope"),
            resource: field("resource"),
            credential,
            claims,
            binding,
            used_basic,
        })
    }

    pub(crate) fn grant_type(&self) -> Result<&str, AuthorityError> {
        self.grant_type.as_deref().ok_or_else(|| error::PARAMETER_MISSING.with("name", "grant_type"))
    }

    /// Lower case.
    pub(crate) fn client_id(&self) -> Result<&str, AuthorityError> {
        self.client_id.as_deref().ok_or_else(|| error::PARAMETER_MISSING.with("name", "client_id"))
    }

    pub(crate) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    pub(crate) fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    pub(crate) fn credential(&self) -> Option<&PresentedCredential> {
        self.credential.as_ref()
    }

    /// Whether another issuer says who the client is.
    pub(crate) fn is_federated(&self) -> bool {
        matches!(self.credential, Some(PresentedCredential::Assertion { is_foreign: true, .. }))
    }

    pub(crate) fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    pub(crate) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Whether the client authenticated by the `Authorization` header: then a refusal carries a challenge (RFC 6749
    /// section 5.2).
    pub(crate) fn used_basic(&self) -> bool {
        self.used_basic
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The thumbprint in `req_cnf`: `{"kid":"..."}` in base64url.
fn key_to_confirm(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Confirmation {
        kid: String,
    }
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let Confirmation { kid } = serde_json::from_slice(&decoded(text)?).ok()?;
    (decoded(&kid)?.len() == SHA256_BYTES && !kid.contains('=')).then_some(kid)
}

/// Client id and secret of the `Basic` scheme, each form-encoded before they were joined (RFC 6749 section 2.3.1).
fn basic_credentials(headers: &HeaderMap) -> Result<Option<(String, Secret)>, AuthorityError> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let malformed = || error::REQUEST_MALFORMED.with("reason", "The Authorization header is not valid.");
    let (scheme, encoded) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(malformed)?;
    let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    Ok(Some((form_decoded(id), Secret::from(form_decoded(secret)))))
}

fn form_decoded(text: &str) -> String {
    // A lone `=` or `&` in a text that was not encoded must not split it.
    let pair = format!("x={}", text.replace('=', "%3D").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(authorization: Option<&str>, body: &str) -> Result<TokenRequest, u32> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=utf-8".parse().unwrap());
        if let Some(credentials) = authorization {
            headers.insert(AUTHORIZATION, format!("basic {}", STANDARD.encode(credentials)).parse().unwrap());
        }
        TokenRequest::parse(&headers, &fields(body.as_bytes())).map_err(|error| error.entry.code)
    }

    fn secret(request: &TokenRequest) -> Option<&str> {
        match request.credential()? {
            PresentedCredential::Secret(secret) => secret.expose_text(),
            PresentedCredential::Assertion { .. } => None,
        }
    }

    // authority 7.1
    #[test]
    fn basic_credentials_are_form_encoded() {
        let request = parse(Some("ID:a%2Bb%3A~c"), "grant_type=client_credentials").unwrap();
        assert_eq!((request.client_id().unwrap(), secret(&request)), ("id", Some("a+b:~c")));
        assert!(request.used_basic());
        assert_eq!(secret(&parse(Some("id:a=&b"), "").unwrap()), Some("a=&b"));
    }

    #[test]
    fn telemetry_and_unknown_fields_are_passed_over() {
        let request =
            parse(None, "client_id=ID&client_secret=a%2Bb+c&x-client-SKU=msal.js.node&client_info=1")
                .unwrap();
        assert_eq!((request.client_id().unwrap(), secret(&request)), ("id", Some("a+b c")));
        assert_eq!(request.grant_type().unwrap_err().entry.code, 900_144);
    }

    // authority 6.1: token_type, req_cnf
    #[test]
    fn the_key_that_a_token_shall_be_bound_to_is_named_by_its_thumbprint() {
        let kid = URL_SAFE_NO_PAD.encode([7; 32]);
        let request = |confirmation: &str| {
            let encoded = URL_SAFE_NO_PAD.encode(confirmation);
            parse(None, &format!("token_type=pop&req_cnf={encoded}"))
        };
        let named = request(&format!(r#"{{"kid":"{kid}","xms_ksl":"sw"}}"#)).unwrap();
        assert_eq!(named.binding(), &Binding::Key(kid));
        assert_eq!(parse(None, "token_type=mtls_pop").unwrap().binding(), &Binding::Certificate);
        assert_eq!(parse(None, "token_type=Bearer&req_cnf=x").unwrap().binding(), &Binding::Nothing);
        for wrong in ["", "{}", r#"{"kid":""}"#, r#"{"kid":"AAAA"}"#, r#"{"kid":"*"}"#] {
            assert_eq!(request(wrong).unwrap_err(), 9_002_313, "{wrong}");
        }
        assert_eq!(parse(None, "token_type=pop").unwrap_err(), 9_002_313);
        assert_eq!(parse(None, "token_type=pop&req_cnf=%FF").unwrap_err(), 9_002_313);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (authorization, body) in [
            (None, "scope=a&scope=b"),
            (Some("id:secret"), "client_id=other"),
            (Some("id:secret"), "client_secret=secret"),
            (
                None,
                "client_secret=s&client_assertion=a&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            (None, "client_assertion=a"),
            (None, "claims=%5B%5D"),
            (None, "claims=%7B"),
        ] {
            assert_eq!(parse(authorization, body).unwrap_err(), 9_002_313, "{body}");
        }
        let many: Vec<String> = (0..100).map(|n| format!("p{n}=1")).collect();
        assert_eq!(parse(None, &many.join("&")).unwrap_err(), 9_002_313);
        let error = TokenRequest::parse(&HeaderMap::new(), &[]).unwrap_err();
        assert_eq!(error.entry.code, 9_002_313);
    }
}
