//! Text that may be logged.

/// A URL with the values of its query and its credentials masked; parameter names stay, so that a request can be
/// recognised.
#[must_use]
pub fn redact_url(url: &str) -> String {
    let (before_query, query) =
        url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let mut text = match before_query.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme, Some((userinfo, rest)))) if !userinfo.contains('/') => {
            format!("{scheme}://[redacted]@{rest}")
        }
        _ => before_query.to_owned(),
    };
    if let Some(query) = query {
        text.push('?');
        let masked: Vec<String> = query
            .split('&')
            .map(|pair| {
                pair.split_once('=').map_or_else(|| pair.to_owned(), |(name, _)| format!("{name}=[redacted]"))
            })
            .collect();
        text.push_str(&masked.join("&"));
    }
    text
}

/// Foreign text (an error description, a body) with everything that looks like a JWT masked.
#[must_use]
pub fn redact_tokens(text: &str) -> String {
    let is_token =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '=');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let (before, from) = rest.split_at(start);
        let end = from.find(|character| !is_token(character)).unwrap_or(from.len());
        let (candidate, after) = from.split_at(end);
        clean.push_str(before);
        clean.push_str(if candidate.contains('.') { "[redacted]" } else { candidate });
        rest = after;
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_shape_and_loses_its_values() {
        assert_eq!(redact_url("https://h/a?$top=5&code=x"), "https://h/a?$top=[redacted]&code=[redacted]");
        assert_eq!(redact_url("https://u:p@h/a"), "https://[redacted]@h/a");
        assert_eq!(redact_url("/users/a@b"), "/users/a@b");
    }

    #[test]
    fn a_token_inside_a_text_is_masked() {
        assert_eq!(redact_tokens("token eyJhbGci.eyJzdWIi.c2ln refused"), "token [redacted] refused");
        assert_eq!(redact_tokens("no token, eyJ only"), "no token, eyJ only");
    }
}
