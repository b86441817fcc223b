//! The `claims` parameter (OpenID Connect Core 1.0 section 5.5): what a client says of itself and of a challenge it met.

use serde_json::Value;

/// What a claims request asks of an access token. Members for other tokens are passed over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ClaimsRequest {
    /// The client understands claims challenges of APIs (`xms_cc` with `cp1`), so that it may have a long-lived token.
    pub(crate) handles_challenges: bool,
    /// The token must not have begun before. Unix seconds.
    pub(crate) not_before: Option<i64>,
}

impl ClaimsRequest {
    /// Reads the parameter; `None` if it is no JSON object.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let request: Value = serde_json::from_str(text).ok()?;
        let access_token = &request.as_object()?.get("access_token").cloned().unwrap_or_default();
        let capabilities = access_token["xms_cc"]["values"].as_array().into_iter().flatten();
        let is_cp1 = |it: &Value| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case("cp1"));
        // Challenges write the number as text.
        let not_before = match &access_token["nbf"]["value"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_i64(),
        };
        Some(Self { handles_challenges: capabilities.into_iter().any(is_cp1), not_before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // authority 6.1, clients 5: as MSAL for Python and for Node write it, and merged with a challenge
    #[test]
    fn capabilities_and_challenges_are_read_as_clients_write_them() {
        for text in [
            r#"{"access_token": {"xms_cc": {"values": ["CP1"]}}}"#,
            r#"{"id_token":{"signin_state":{"essential":false}},"access_token":{"xms_cc":{"values":["cp1"]}}}"#,
        ] {
            let request = ClaimsRequest::parse(text).unwrap();
            assert_eq!(request, ClaimsRequest { handles_challenges: true, not_before: None });
        }
        let text =
            r#"{"access_token":{"nbf":{"essential":true,"value":"1702682181"},"xms_cc":{"values":["cp1"]}}}"#;
        assert_eq!(ClaimsRequest::parse(text).unwrap().not_before, Some(1_702_682_181));
        assert_eq!(ClaimsRequest::parse("{}"), Some(ClaimsRequest::default()));
        assert_eq!((ClaimsRequest::parse("[]"), ClaimsRequest::parse("{")), (None, None));
    }
}
