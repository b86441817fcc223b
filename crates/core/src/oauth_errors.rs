//! The error codes of the OAuth standards that a token endpoint answers with (RFC 6749 section 5.2, RFC 8707 section 2),
//! as data. They tell less than an [`aadsts`](crate::aadsts) number; on other servers they are all there is.

use crate::aadsts::Class;

/// What one code means to an application without a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The value of `error`.
    pub code: &'static str,
    /// What helps.
    pub class: Class,
    /// What went wrong.
    pub cause: &'static str,
    /// What somebody does about it.
    pub remedy: &'static str,
}

/// The entry of a code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.code == code)
}

/// The first code that a text mentions as a word.
#[must_use]
pub fn find_in(text: &str) -> Option<&'static Entry> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').find_map(find)
}

/// The catalogue.
pub static CATALOGUE: &[Entry] = {
    use Class::{Administrator, Configuration, Credential, Transient};
    const fn entry(code: &'static str, class: Class, cause: &'static str, remedy: &'static str) -> Entry {
        Entry { code, class, cause, remedy }
    }
    &[
        entry(
            "invalid_client",
            Credential,
            "the server does not know the application, or does not accept its credential",
            "check the client id and its credential in the registration of the application",
        ),
        entry(
            "invalid_grant",
            Administrator,
            "the server does not accept what the token was asked for with",
            "look at the assertion, or at the policies of the tenant that can block the application",
        ),
        entry(
            "invalid_request",
            Configuration,
            "a parameter is missing, repeated or malformed",
            "check client id, scope and extra parameters; the description says which",
        ),
        entry(
            "invalid_scope",
            Configuration,
            "the scope is unknown or not allowed to the application",
            "check `scope` and `resource` of the API in the configuration",
        ),
        entry(
            "invalid_target",
            Configuration,
            "the resource is unknown or not allowed to the application",
            "check `scope` and `resource` of the API in the configuration",
        ),
        entry(
            "server_error",
            Transient,
            "the server failed while it made the token",
            "nothing: it is retried",
        ),
        entry(
            "temporarily_unavailable",
            Transient,
            "the server cannot answer now",
            "nothing: it is retried when the server says",
        ),
        entry(
            "unauthorized_client",
            Administrator,
            "the application may not use this grant",
            "allow the client credentials grant in the application's registration",
        ),
        entry(
            "unsupported_grant_type",
            Configuration,
            "the server does not know the client credentials grant",
            "turn the grant on at the server, or ask another one",
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_as_a_word_of_a_text() {
        assert_eq!(find_in(r#"{"error":"invalid_scope"}"#).unwrap().code, "invalid_scope");
        assert_eq!(find_in("not_invalid_scope, invalid"), None);
    }
}
