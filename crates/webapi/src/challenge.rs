//! `WWW-Authenticate` (RFC 9110 section 11.6.1).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// One challenge: a scheme and its parameters, names in lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// The claims that a `Bearer` challenge demands of the next token, decoded to the JSON that the token endpoint takes.
///
/// `None` when no challenge carries a `claims` parameter that decodes to a JSON object.
pub(crate) fn demanded_claims(headers: &HeaderMap) -> Option<String> {
    of_scheme("bearer", headers).find_map(|challenge| decode(challenge.parameter("claims")?))
}

/// Whether the server wants a nonce of its own in the proof of possession (RFC 9449 section 9).
pub(crate) fn demands_nonce(headers: &HeaderMap) -> bool {
    of_scheme("dpop", headers).any(|challenge| challenge.parameter("error") == Some("use_dpop_nonce"))
}

fn of_scheme(scheme: &str, headers: &HeaderMap) -> impl Iterator<Item = Challenge> {
    let fields = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
    fields.flat_map(parse).filter(move |challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
}

/// Either alphabet, with padding or without: all four have been seen.
fn decode(claims: &str) -> Option<String> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    let standard = claims.trim().replace('-', "+").replace('_', "/");
    let text = String::from_utf8(ENGINE.decode(standard).ok()?).ok()?;
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).ok()?;
    Some(text)
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Every challenge of one header field. What does not parse is skipped up to the next comma.
fn parse(field: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return challenges;
        }
        let (word, after) = token(rest);
        if word.is_empty() {
            rest = rest.split_once(',').map_or("", |(_, rest)| rest);
            continue;
        }
        // `name = value` belongs to the challenge before; a token followed by anything else begins a new one.
        match (parameter_value(after), challenges.last_mut()) {
            (Some((value, after)), Some(challenge)) => {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            _ => {
                challenges.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
                rest = skip_token68(after);
            }
        }
    }
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
    text.split_at(end)
}

fn parameter_value(text: &str) -> Option<(String, &str)> {
    let value = text.trim_start_matches([' ', '\t']).strip_prefix('=')?.trim_start_matches([' ', '\t']);
    match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        // Servers leave quotes out around values that are no tokens; the value then ends at a comma or a space.
        None if value.is_empty() || value.starts_with(['=', ',']) => None,
        None => {
            let end = value.find([',', ' ', '\t']).unwrap_or(value.len());
            let (value, rest) = value.split_at(end);
            Some((value.to_owned(), rest))
        }
    }
}

/// A quoted string after its first quote; one that never ends is taken to the end of the field.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    Some((value, ""))
}

/// `Negotiate dGVzdA==`: credentials of a scheme that has no parameters.
fn skip_token68(text: &str) -> &str {
    let rest = text.trim_start_matches([' ', '\t']);
    let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let end = rest.bytes().position(|byte| !is_token68(byte)).unwrap_or(rest.len());
    let after = rest[end..].trim_start_matches('=');
    let ended = after.trim_start_matches([' ', '\t']);
    if end > 0 && (ended.is_empty() || ended.starts_with(',')) { after } else { rest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    const ENCODED: &str =
        "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ==";

    fn claims_of(fields: &[&str]) -> Option<String> {
        demanded_claims(&fields.iter().map(|field| (WWW_AUTHENTICATE, field.parse().unwrap())).collect())
    }

    // AU-2
    #[test]
    fn the_claims_are_found_however_the_challenge_is_written() {
        let unpadded = ENCODED.trim_end_matches('=');
        for field in [
            format!(r#"Bearer realm="", error="insufficient_claims", claims="{ENCODED}""#),
            format!(r#"Bearer claims="{ENCODED}""#),
            format!(r#"bearer CLAIMS="{ENCODED}""#),
            format!(r#"BEARER Claims = "{ENCODED}""#),
            format!(r#"Bearer claims="{unpadded}""#),
            format!("Bearer claims={unpadded}"),
            format!("Bearer claims={ENCODED}"),
            format!("Bearer error=insufficient_claims,claims={unpadded},realm=x"),
            format!(r#"Bearer realm="a, b", claims="{ENCODED}""#),
            format!(r#"Bearer realm="a \"quoted\", claims=\"no\"", claims="{ENCODED}""#),
            format!(r#"Negotiate, Bearer claims="{ENCODED}""#),
            format!(r#"Negotiate dGVzdA==, Bearer claims="{ENCODED}""#),
            format!(r#"Basic realm="x", charset="UTF-8", Bearer realm="y", claims="{ENCODED}""#),
            format!(r#"Bearer realm="first", Bearer claims="{ENCODED}""#),
            format!(r#"Bearer claims="{ENCODED}", Basic realm="x""#),
            format!(r#"PoP nonce="n", Bearer claims="{ENCODED}""#),
            format!(", ,Bearer ,realm=\"\" , claims=\"{ENCODED}\" ,"),
            format!("Bearer\trealm=\"\",\tclaims=\"{ENCODED}\""),
            format!(
                r#"Bearer authorization_uri="https://l.example/common/oauth2/authorize?a=b&c=d", claims="{ENCODED}""#
            ),
            format!(r#"Bearer claims="{ENCODED}"#),
        ] {
            assert_eq!(claims_of(&[&field]).as_deref(), Some(CLAIMS), "{field}");
        }
        assert!(claims_of(&["Negotiate", &format!("Bearer claims=\"{ENCODED}\"")]).is_some());
    }

    #[test]
    fn the_url_alphabet_is_understood_too() {
        let claims = r#"{"a":"??>>"}"#;
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
        assert_eq!(claims_of(&[&format!("Bearer claims={url}")]).as_deref(), Some(claims));
    }

    // AU-2
    #[test]
    fn what_is_no_claims_challenge_demands_nothing() {
        for field in [
            "",
            "Bearer",
            r#"Bearer realm="", error="invalid_token""#,
            r#"Bearer realm="claims=abc""#,
            r#"Basic claims="e30=""#,
            r#"Bearer claims="not base64!""#,
            r#"Bearer claims="bm90IGpzb24=""#,
            r#"Bearer claims="WzFd""#, // a JSON array
            r#"Bearer claims=""#,
        ] {
            assert_eq!(claims_of(&[field]), None, "{field}");
        }
        assert_eq!(claims_of(&[]), None);
    }

    proptest! {
        #[test]
        fn no_field_makes_the_parser_fail_or_hang(field in "[ -~\t]{0,200}") {
            parse(&field);
        }
    }
}
