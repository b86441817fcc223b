//! What is told about a token that the API did not accept.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Map, Value};
use unattended_core::{Authorization, is_deceptive, server_time};

/// In Unix seconds; no date of HTTP is later. Whatever lives as long has no end.
const YEAR_10000: u64 = 253_402_300_800;

/// What a refused token says of itself (RFC 7519), for an administrator to look at and **never** to decide by: nobody has
/// checked its signature here. All of it is missing where the token is opaque. The token itself is not kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RefusedToken {
    /// For which API it was issued (`aud`); several stand side by side.
    pub audience: Option<String>,
    /// By whom (`iss`).
    pub issuer: Option<String>,
    /// In which tenant (`tid`).
    pub tenant: Option<String>,
    /// The application permissions in it (`roles`).
    pub roles: Vec<String>,
    /// When it was issued (`iat`).
    pub issued_at: Option<SystemTime>,
    /// When it ends (`exp`).
    pub expires_at: Option<SystemTime>,
    /// By how many seconds the API's clock is ahead of this machine's, as far as its answer tells; negative when behind.
    pub clock_ahead: Option<i64>,
}

impl RefusedToken {
    /// Of the token in `authorization`, refused by an answer with `headers` that arrived at `now`.
    pub(crate) fn of(authorization: &Authorization, headers: &HeaderMap, now: SystemTime) -> Self {
        let claims = claims(authorization.expose_token()).unwrap_or_default();
        let texts = |name: &str| -> Vec<String> {
            let (one, several) = match claims.get(name) {
                Some(Value::Array(several)) => (None, several.as_slice()),
                one => (one, &[][..]),
            };
            one.into_iter().chain(several).filter_map(Value::as_str).map(shown).collect()
        };
        let text = |name: &str| Some(texts(name).join(" ")).filter(|text| !text.is_empty());
        let time = |name: &str| {
            let seconds = claims.get(name)?.as_u64().filter(|seconds| *seconds < YEAR_10000)?;
            Some(UNIX_EPOCH + Duration::from_secs(seconds))
        };
        Self {
            audience: text("aud"),
            issuer: text("iss"),
            tenant: text("tid"),
            roles: texts("roles"),
            issued_at: time("iat"),
            expires_at: time("exp"),
            clock_ahead: server_time(headers).and_then(|theirs| seconds_between(now, theirs)),
        }
    }

    fn is_opaque(&self) -> bool {
        self.audience.is_none() && self.issuer.is_none()
    }
}

impl fmt::Display for RefusedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_opaque() {
            f.write_str("opaque")?;
        } else {
            for (name, claim) in [("aud", &self.audience), ("iss", &self.issuer), ("tid", &self.tenant)] {
                write!(f, "{name} {}, ", claim.as_deref().unwrap_or("none"))?;
            }
            match self.roles.as_slice() {
                [] => f.write_str("no roles")?,
                roles => write!(f, "roles {}", roles.join(" "))?,
            }
            if let Some(end) = self.expires_at {
                write!(f, ", exp {}", httpdate::fmt_http_date(end))?;
            }
        }
        match self.clock_ahead {
            Some(0) | None => Ok(()),
            Some(ahead) if ahead > 0 => write!(f, ", the API's clock is {ahead} s ahead"),
            Some(behind) => write!(f, ", the API's clock is {} s behind", -behind),
        }
    }
}

fn claims(token: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()
}

/// Fit for one line of a terminal.
fn shown(claim: &str) -> String {
    claim.chars().filter(|letter| !is_deceptive(*letter)).take(200).collect()
}

fn seconds_between(from: SystemTime, to: SystemTime) -> Option<i64> {
    match to.duration_since(from) {
        Ok(ahead) => i64::try_from(ahead.as_secs()).ok(),
        Err(behind) => i64::try_from(behind.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(payload: &str, date: &str) -> RefusedToken {
        let token = format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        let headers = [(http::header::DATE, date.parse().unwrap())].into_iter().collect();
        let noon = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        RefusedToken::of(&Authorization::bearer(&token).unwrap(), &headers, noon)
    }

    // AU-1
    #[test]
    fn what_is_wrong_with_a_token_can_be_seen_without_the_token() {
        let payload = r#"{"aud":"https://graph.example","iss":"https://sts.example/t","tid":"t","exp":784111777,
            "roles":["User.Read.All","Group.Read.All"]}"#;
        assert_eq!(
            of(payload, "Sun, 06 Nov 1994 08:54:37 GMT").to_string(),
            "aud https://graph.example, iss https://sts.example/t, tid t, roles User.Read.All Group.Read.All, \
             exp Sun, 06 Nov 1994 08:49:37 GMT, the API's clock is 300 s ahead"
        );
        assert_eq!(
            of(r#"{"aud":"a\u001b[2J"}"#, "Sun, 06 Nov 1994 08:49:27 GMT").to_string(),
            "aud a[2J, iss none, tid none, no roles, the API's clock is 10 s behind"
        );
    }

    #[test]
    fn a_token_without_end_and_one_for_several_apis_are_described_too() {
        let payload =
            r#"{"aud":["https://a.example","https://b.example"],"iss":"i","tid":"t","exp":999999999999999}"#;
        assert_eq!(
            of(payload, "soon").to_string(),
            "aud https://a.example https://b.example, iss i, tid t, no roles"
        );
    }

    #[test]
    fn a_token_that_says_nothing_is_opaque() {
        for payload in ["", "no json", "[]", r#"{"exp":"soon","roles":[1]}"#] {
            assert_eq!(of(payload, "soon").to_string(), "opaque", "{payload}");
        }
    }
}
