//! Tokens that are good only together with a certificate (RFC 8705 section 3).

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Deserialize;

/// How the platform's clients present such a token.
const SCHEME: &[u8] = b"mtls_pop ";

#[derive(Deserialize)]
struct Claims {
    cnf: Option<Confirmation>,
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
}

/// Writes the platform's scheme for bound tokens as the usual one; whether it was there.
pub(super) fn as_bearer(headers: &mut HeaderMap) -> bool {
    let Some(value) = headers.get_mut(AUTHORIZATION) else { return false };
    let Some((scheme, token)) = value.as_bytes().split_at_checked(SCHEME.len()) else { return false };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return false;
    }
    let Ok(mut bearer) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else { return false };
    bearer.set_sensitive(true);
    *value = bearer;
    true
}

/// Whether a token may be shown by a connection with this certificate. A token that is bound to
/// none may be shown by any, unless it was presented as a bound one.
pub(super) fn holds(bound_to: Option<&str>, presented_as_bound: bool, shown: Option<&str>) -> bool {
    match bound_to {
        Some(thumbprint) => shown == Some(thumbprint),
        None => !presented_as_bound,
    }
}

/// The thumbprint in the claims of a token that was found valid; of one whose confirmation is of another kind, none that fits.
pub(super) fn bound_to(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(value.split(|byte| *byte == b'.').nth(1)?).ok()?;
    // Few tokens are bound, and most need not be read again.
    if !claims.windows(5).any(|part| part == br#""cnf""#) {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    claims.cnf.map(|it| it.thumbprint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(scheme: &str, claims: &str) -> HeaderMap {
        let token = format!("{scheme} e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        HeaderMap::from_iter([(AUTHORIZATION, token.parse().unwrap())])
    }

    // authority 7.5
    #[test]
    fn a_bound_token_is_good_with_its_certificate_alone() {
        let holds = |it: &HeaderMap, as_bound, shown| holds(bound_to(it).as_deref(), as_bound, shown);
        let bound = headers("Bearer", r#"{"cnf":{"x5t#S256":"abc"}}"#);
        assert!(holds(&bound, false, Some("abc")) && holds(&bound, true, Some("abc")));
        assert!(!holds(&bound, false, Some("abd")) && !holds(&bound, false, None));
        let other = headers("Bearer", r#"{"cnf":{"kid":"abc"}}"#);
        assert!(!holds(&other, false, Some("abc")) && !holds(&other, false, None));
        let plain = headers("Bearer", r#"{"aud":"\"cnf"}"#);
        assert!(holds(&plain, false, None) && holds(&plain, false, Some("abc")));
        assert!(!holds(&plain, true, Some("abc")));
    }

    #[test]
    fn the_scheme_of_bound_tokens_is_the_usual_one_by_another_name() {
        for (scheme, is_bound) in [("mtls_pop", true), ("MTLS_POP", true), ("Bearer", false)] {
            let mut headers = headers(scheme, "{}");
            assert_eq!(as_bearer(&mut headers), is_bound);
            assert!(headers[AUTHORIZATION].to_str().unwrap().starts_with("Bearer e30."));
        }
        assert!(!as_bearer(&mut HeaderMap::new()));
    }
}
