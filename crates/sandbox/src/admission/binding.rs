//! Tokens that are good only together with a certificate (RFC 8705 section 3) or a key (RFC 7800 section 3).

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Deserialize;

use super::signed_request::SignedRequest;

/// How the platform's clients present a token that is bound to a certificate, and a request that a key signed.
const MUTUAL_TLS: &[u8] = b"mtls_pop ";
const SIGNED: &[u8] = b"PoP ";

#[derive(Deserialize)]
struct Claims {
    cnf: Option<Confirmation>,
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
    kid: Option<String>,
}

/// What a valid token is good with alone.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Bond {
    Nothing,
    /// The certificate with this thumbprint.
    Certificate(String),
    /// The key with this thumbprint (RFC 7638).
    Key(String),
    /// Something that nobody here knows.
    Other,
}

/// How a token is presented.
pub(super) enum Presented {
    AsBearer,
    AsBound,
    Signed(Box<SignedRequest>),
}

/// How the token is presented, which afterwards is in the header by itself, as a bearer token would be.
pub(super) fn presented(headers: &mut HeaderMap) -> Presented {
    let Some(value) = headers.get_mut(AUTHORIZATION) else { return Presented::AsBearer };
    let of_scheme = |scheme: &[u8]| {
        let (given, rest) = value.as_bytes().split_at_checked(scheme.len())?;
        given.eq_ignore_ascii_case(scheme).then(|| rest.to_vec())
    };
    let (token, presented) = if let Some(token) = of_scheme(MUTUAL_TLS) {
        (token, Presented::AsBound)
    } else if let Some(request) = of_scheme(SIGNED) {
        let request = std::str::from_utf8(&request).ok().and_then(SignedRequest::read);
        let Some(request) = request else { return Presented::AsBearer };
        (request.token().as_bytes().to_vec(), Presented::Signed(Box::new(request)))
    } else {
        return Presented::AsBearer;
    };
    let Ok(mut bearer) = HeaderValue::from_bytes(&[b"Bearer ", &token[..]].concat()) else {
        return Presented::AsBearer;
    };
    bearer.set_sensitive(true);
    *value = bearer;
    presented
}

impl Bond {
    /// What binds the token in the header, which was found valid.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::in_token(headers).unwrap_or(Self::Nothing)
    }

    fn in_token(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(AUTHORIZATION)?.as_bytes();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(value.split(|byte| *byte == b'.').nth(1)?).ok()?;
        // Few tokens are bound, and most need not be read again.
        if !claims.windows(5).any(|part| part == br#""cnf""#) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        Some(match claims.cnf? {
            Confirmation { thumbprint: Some(thumbprint), .. } => Self::Certificate(thumbprint),
            Confirmation { kid: Some(kid), .. } => Self::Key(kid),
            Confirmation { .. } => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(scheme: &str, claims: &str) -> HeaderMap {
        let token = format!("{scheme} e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
        HeaderMap::from_iter([(AUTHORIZATION, token.parse().unwrap())])
    }

    // authority 7.5, 11
    #[test]
    fn the_confirmation_of_a_token_says_what_it_is_good_with() {
        for (claims, bond) in [
            (r#"{"cnf":{"x5t#S256":"abc"}}"#, Bond::Certificate("abc".into())),
            (r#"{"cnf":{"kid":"abc"}}"#, Bond::Key("abc".into())),
            (r#"{"cnf":{"jkt":"abc"}}"#, Bond::Other),
            (r#"{"aud":"\"cnf"}"#, Bond::Nothing),
        ] {
            assert_eq!(Bond::of(&headers("Bearer", claims)), bond, "{claims}");
        }
    }

    #[test]
    fn the_schemes_of_bound_tokens_are_the_usual_one_by_another_name() {
        for (scheme, is_bound) in [("mtls_pop", true), ("MTLS_POP", true), ("Bearer", false)] {
            let mut headers = headers(scheme, "{}");
            assert_eq!(matches!(presented(&mut headers), Presented::AsBound), is_bound);
            assert!(headers[AUTHORIZATION].to_str().unwrap().starts_with("Bearer e30."));
        }
        assert!(matches!(presented(&mut HeaderMap::new()), Presented::AsBearer));
        // What is not readable stays what it is, and no token is found in it.
        let mut nonsense = headers("PoP", "{}");
        assert!(matches!(presented(&mut nonsense), Presented::AsBearer));
        assert!(nonsense[AUTHORIZATION].to_str().unwrap().starts_with("PoP "));
    }
}
