//! Text that may be logged.

/// Parameters whose values are names and numbers of the API itself, and say nothing of a person or a secret.
const HARMLESS: [&str; 6] = ["$select", "$top", "$skip", "$count", "$orderby", "api-version"];

/// A URL with the values of its query and its credentials masked; parameter names stay, so that a request can be
/// recognised, and so do values that are names and numbers of the API itself (`$select`, `$top`).
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
        let masked = |pair: &str| match pair.split_once('=') {
            Some((name, value)) if !is_harmless(name, value) => format!("{name}=[redacted]"),
            _ => pair.to_owned(),
        };
        text.push_str(&query.split('&').map(masked).collect::<Vec<_>>().join("&"));
    }
    text
}

fn is_harmless(name: &str, value: &str) -> bool {
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ',' | '.' | '/' | '-' | '+');
    let name = name.strip_prefix("%24").map_or_else(|| name.to_owned(), |name| format!("${name}"));
    HARMLESS.iter().any(|it| it.eq_ignore_ascii_case(&name))
        && !value.contains("eyJ")
        && value.replace("%20", "").replace("%2C", "").chars().all(is_plain)
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

/// Whether a character lets foreign text look like something else where it is shown: controls, which move the cursor of a
/// terminal and begin lines of a log, and marks that turn the direction of the text around them.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_turns_the_direction_is_deceptive_and_writing_is_not() {
        assert!("\u{1b}\n\r\u{7f}\u{9b}\u{202e}\u{2066}".chars().all(is_deceptive));
        // Names from right to left are written with the mark at their end.
        assert!(!"a 김 \u{627}\u{200f} \u{301} \u{1f512}".chars().any(is_deceptive));
    }

    #[test]
    fn a_url_keeps_its_shape_and_loses_its_values() {
        assert_eq!(
            redact_url("https://h/a?$skiptoken=5&code=x"),
            "https://h/a?$skiptoken=[redacted]&code=[redacted]"
        );
        assert_eq!(redact_url("https://u:p@h/a"), "https://[redacted]@h/a");
        assert_eq!(redact_url("/users/a@b"), "/users/a@b");
    }

    #[test]
    fn names_and_numbers_of_the_api_itself_stay_in_a_url() {
        let stays =
            "/users?$select=id,mail&%24top=5&$orderby=displayName%20desc&$count=true&api-version=2025-07-01";
        assert_eq!(redact_url(stays), stays);
        for value in ["eyJhbGci.eyJzdWIi", "a'b", "%27a%40b%27", "a@b", "a b", "$filter=x"] {
            assert_eq!(
                redact_url(&format!("/users?$select={value}")),
                "/users?$select=[redacted]",
                "{value}"
            );
        }
    }

    #[test]
    fn a_token_inside_a_text_is_masked() {
        assert_eq!(redact_tokens("token eyJhbGci.eyJzdWIi.c2ln refused"), "token [redacted] refused");
        assert_eq!(redact_tokens("no token, eyJ only"), "no token, eyJ only");
    }
}
