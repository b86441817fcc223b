//! Why there is no token.
//!
//! # Why questions to ask, and no list of causes to match?
//!
//! Whoever gets this error has four questions: does it pass by itself, when is it worth asking again, who has to act,
//! and what will support want to know? A list of causes answers none of them: each caller has to work the answers out,
//! each does so a little differently, and a cause that is added breaks them all. So the error answers, by
//! [`is_transient`](Error::is_transient) and [`retry_at`](Error::retry_at),
//! [`needs_administrator`](Error::needs_administrator) and [`remedy`](Error::remedy),
//! [`correlation_id`](Error::correlation_id) and [`codes`](Error::codes); causes are text, for people, and may change.
//!
//! # Why is the class not that of the HTTP status?
//!
//! A token endpoint says 400 to a wrong tenant, a wrong scope, an application without consent and an assertion of the
//! wrong issuer. These are four people's work. The number in the description (AADSTS) tells them apart, so it decides
//! where there is one, then the OAuth error, and the status only where the answer is neither: a page of a proxy.
//!
//! # Why is the answer itself not in it?
//!
//! Errors end in logs, and the answer that could not be read may be the one that holds a token. What a server says of
//! its refusal is kept as values, each within a bound; a body that says nothing is there on request alone
//! ([`body`](Error::body)), in part, without what looks like a token.
//!
//! # Why is it cheap to clone?
//!
//! A thousand callers may have waited for the request that failed. They get one error, not a thousand requests.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use unattended_core::{HttpError, HttpErrorKind, aadsts, oauth_errors, redact_tokens};

use crate::exchange::Errand;

/// How many characters of an unreadable answer are kept.
const LONGEST_SHOWN_BODY: usize = 2_000;

/// Why there is no token. Cheap to clone: every caller that waited for the same request gets the same error.
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    oauth: Option<OAuthError>,
    retry_at: Option<SystemTime>,
    /// The credential could not be had, so nothing was sent.
    is_unproven: bool,
    /// Of an answer that is no OAuth error; without what looks like a token.
    body: Option<Box<str>>,
    errand: Option<ErrandOf>,
    /// Of what is wrong on this side; what a server says has remedies by its codes.
    remedy: Option<&'static str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What was under way when it failed.
#[derive(Clone, Debug)]
struct ErrandOf {
    correlation_id: Box<str>,
    endpoint: Option<Box<str>>,
    attempts: u32,
    took: Duration,
}

/// The members of an error response (RFC 6749 section 5.2, and what the Microsoft identity platform adds).
#[derive(Clone, Debug, Default)]
pub(crate) struct OAuthError {
    pub(crate) error: String,
    pub(crate) description: String,
    pub(crate) codes: Vec<u32>,
    pub(crate) trace_id: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) timestamp: Option<String>,
    pub(crate) claims: Option<String>,
    pub(crate) suberror: Option<String>,
}

/// What class of thing is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration or the request can never work.
    Configuration,
    /// The credential is missing, unreadable, wrong or used up.
    Credential,
    /// The assertion of another issuer matches no federated credential of the application.
    Federation,
    /// The server refuses the application: an administrator has to act.
    Refused,
    /// The server asked for patience.
    Throttled,
    /// The server or the way to it has a passing fault.
    Transient,
    /// The server said something that no standard describes.
    Protocol,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            status: None,
            oauth: None,
            retry_at: None,
            is_unproven: false,
            body: None,
            errand: None,
            remedy: None,
            source: None,
        }))
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    pub(crate) fn credential(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Credential, message)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn unreachable(url: &str, cause: HttpError) -> Self {
        let host = url.split('/').nth(2).unwrap_or(url);
        let (kind, message) = match cause.kind() {
            HttpErrorKind::Connect => (ErrorKind::Transient, format!("{host} cannot be reached")),
            // It would be as long the next time.
            HttpErrorKind::TooLong => (ErrorKind::Protocol, format!("{host} gave an endless answer")),
            _ => (ErrorKind::Transient, format!("{host} gave no complete answer")),
        };
        Self::new(kind, message).caused_by(cause)
    }

    /// The answer of a token endpoint that is no token.
    pub(crate) fn answered(status: u16, oauth: Option<OAuthError>, retry_at: Option<SystemTime>) -> Self {
        let kind = classify(status, oauth.as_ref(), retry_at);
        let message = match &oauth {
            Some(OAuthError { error, description, .. }) if description.is_empty() => {
                format!("the token endpoint refused with {error}")
            }
            // An AADSTS number tells more than the OAuth code; without one the code is what documentation is found by.
            Some(OAuthError { error, description, codes, .. }) if codes.is_empty() => {
                format!("{error}: {}", first_sentence(description))
            }
            Some(OAuthError { description, .. }) => first_sentence(description).to_owned(),
            None if kind == ErrorKind::Throttled => {
                format!("the token endpoint asks for patience (HTTP {status})")
            }
            None => format!("the token endpoint answered HTTP {status} without an OAuth error"),
        };
        Self::new(kind, message)
            .repeated_at(retry_at)
            .map(|inner| (inner.status, inner.oauth) = (Some(status), oauth))
    }

    /// With the answer that could not be read, or what of it may be shown.
    pub(crate) fn with_body(self, body: &[u8]) -> Self {
        let text: String = String::from_utf8_lossy(body).chars().take(LONGEST_SHOWN_BODY).collect();
        self.map(|inner| inner.body = Some(redact_tokens(&text).into()))
    }

    /// With what was under way.
    pub(crate) fn of_errand(self, errand: &Errand<'_>, took: Duration) -> Self {
        let of = ErrandOf {
            correlation_id: errand.correlation_id.into(),
            endpoint: errand.authority.known_endpoint().map(Into::into),
            attempts: errand.cost.attempts().into(),
            took,
        };
        self.map(|inner| inner.errand = Some(of))
    }

    /// Of a credential that could not be had.
    pub(crate) fn without_proof(self) -> Self {
        self.map(|inner| inner.is_unproven = true)
    }

    /// What somebody does about it, in the imperative.
    pub(crate) fn mended_by(self, remedy: &'static str) -> Self {
        self.map(|inner| inner.remedy = Some(remedy))
    }

    pub(crate) fn caused_by(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.map(|inner| inner.source = Some(Arc::new(cause)))
    }

    pub(crate) fn caused_by_any(self, cause: Box<dyn std::error::Error + Send + Sync>) -> Self {
        self.map(|inner| inner.source = Some(Arc::from(cause)))
    }

    pub(crate) fn repeated_at(self, retry_at: Option<SystemTime>) -> Self {
        self.map(|inner| inner.retry_at = retry_at)
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.map(|inner| inner.status = Some(status))
    }

    /// A credential that cannot be used: for what implements [`Credential`](crate::Credential) outside of this crate.
    /// `message` is a lowercase fragment and holds no secret.
    #[must_use]
    pub fn of_credential(
        message: impl Into<String>,
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let error = Self::credential(message);
        match cause {
            Some(cause) => error.caused_by_any(cause),
            None => error,
        }
    }

    /// A credential that cannot be had now and may be in a moment; the request is repeated within its deadline.
    #[must_use]
    pub fn of_outage(
        message: impl Into<String>,
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let error = Self::new(ErrorKind::Transient, message);
        match cause {
            Some(cause) => error.caused_by_any(cause),
            None => error,
        }
    }

    /// What class of thing is wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it passes without a human.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Throttled | ErrorKind::Transient)
    }

    /// Whether the server asked for patience.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.0.kind == ErrorKind::Throttled
    }

    /// Whether the credential is at fault, a federated one included: another credential of the application may work.
    ///
    /// # Troubleshooting
    /// The certificate or secret is not (or no longer) registered for the application, is outside its validity, or the
    /// machine's clock is off. `unattended doctor` tells which.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Credential | ErrorKind::Federation)
    }

    /// Whether another credential of the application may work: this one was not accepted, or could not be had.
    pub(crate) fn is_of_this_credential_alone(&self) -> bool {
        self.is_credential() || self.is_outage_of_credential()
    }

    /// Whether whoever gives the credential cannot be reached now.
    pub(crate) fn is_outage_of_credential(&self) -> bool {
        self.0.is_unproven && self.is_transient()
    }

    /// Whether the server's complaint is one that another key, certificate or assertion of the same credential can
    /// mend: it was exchanged, revoked or not valid at the time. A secret that is wrong or an application that is
    /// unknown is none of these.
    pub(crate) fn may_be_mended_by_reloading(&self) -> bool {
        const RELOAD: [u32; 7] = [700_024, 700_027, 7_000_214, 7_000_277, 1_000_502, 7_000_274, 50_027];
        match self.codes() {
            [] => self.oauth_error() == Some("invalid_client"),
            codes => codes.iter().any(|code| RELOAD.contains(code)),
        }
    }

    /// Whether an administrator of the tenant has to act.
    ///
    /// # Troubleshooting
    /// The application has no service principal in this tenant, is disabled, or was never given consent.
    #[must_use]
    pub fn needs_administrator(&self) -> bool {
        self.0.kind == ErrorKind::Refused
    }

    /// The `AADSTS` numbers, most specific first as the server sent them.
    #[must_use]
    pub fn codes(&self) -> &[u32] {
        self.0.oauth.as_ref().map_or(&[], |oauth| &oauth.codes)
    }

    /// The OAuth error code, such as `invalid_client`.
    #[must_use]
    pub fn oauth_error(&self) -> Option<&str> {
        self.0.oauth.as_ref().map(|oauth| oauth.error.as_str())
    }

    /// The identifier that this request carried, as the server repeated it or else as it was sent; support asks for it.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        let told = self.0.oauth.as_ref().and_then(|oauth| oauth.correlation_id.as_deref());
        told.or_else(|| Some(&*self.0.errand.as_ref()?.correlation_id))
    }

    /// What the platform adds to the OAuth error code, such as `message_only`.
    #[must_use]
    pub fn suberror(&self) -> Option<&str> {
        self.0.oauth.as_ref()?.suberror.as_deref()
    }

    /// The token endpoint that was asked, if it was known.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.errand.as_ref()?.endpoint.as_deref()
    }

    /// How many token requests were sent before giving up.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.errand.as_ref().map_or(0, |errand| errand.attempts)
    }

    /// How long it took to fail, attempts and waits together.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.0.errand.as_ref().map_or(Duration::ZERO, |errand| errand.took)
    }

    /// The beginning of an answer that was no OAuth error, such as the page of a proxy; what looks like a token is
    /// masked. For a person who looks into it, not for logs.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.0.body.as_deref()
    }

    /// The server's own identifier of the exchange.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.0.oauth.as_ref()?.trace_id.as_deref()
    }

    /// The server's time of the failure, as it wrote it.
    #[must_use]
    pub fn timestamp(&self) -> Option<&str> {
        self.0.oauth.as_ref()?.timestamp.as_deref()
    }

    /// A claims challenge that came with the error, as JSON text.
    #[must_use]
    pub fn claims(&self) -> Option<&str> {
        self.0.oauth.as_ref()?.claims.as_deref()
    }

    /// Whether the assertion of another issuer does not match the federated credential that is registered.
    ///
    /// # Troubleshooting
    /// Issuer, subject and audience of the assertion have to equal those of the registration to the last letter; a new
    /// registration takes some minutes to take effect.
    #[must_use]
    pub fn is_federation(&self) -> bool {
        self.0.kind == ErrorKind::Federation
    }

    /// The HTTP status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The time before which nobody is going to ask this server for this token again.
    #[must_use]
    pub fn retry_at(&self) -> Option<SystemTime> {
        self.0.retry_at
    }

    /// What somebody can do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        let entry = self.codes().iter().find_map(|code| aadsts::find(*code));
        if let Some(entry) = entry {
            return Some(entry.remedy);
        }
        match self.oauth_error() {
            Some(code) => oauth_errors::find(code).map(|entry| entry.remedy),
            None => self.0.remedy,
        }
    }

    fn map(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

fn classify(status: u16, oauth: Option<&OAuthError>, retry_at: Option<SystemTime>) -> ErrorKind {
    let by_code = oauth.and_then(|oauth| oauth.codes.iter().find_map(|code| aadsts::find(*code)));
    if let Some(entry) = by_code {
        return match entry.class {
            aadsts::Class::Administrator => ErrorKind::Refused,
            aadsts::Class::Credential => ErrorKind::Credential,
            aadsts::Class::Federation => ErrorKind::Federation,
            aadsts::Class::Transient if status == 429 || retry_at.is_some() => ErrorKind::Throttled,
            aadsts::Class::Transient => ErrorKind::Transient,
            _ => ErrorKind::Configuration,
        };
    }
    match (status, oauth.map(|oauth| oauth.error.as_str())) {
        (429, _) => ErrorKind::Throttled,
        (408 | 500..=599, _) | (_, Some("temporarily_unavailable" | "server_error")) => ErrorKind::Transient,
        (_, Some("invalid_client")) => ErrorKind::Credential,
        (_, Some("unauthorized_client" | "access_denied" | "invalid_grant")) => ErrorKind::Refused,
        (_, Some(_)) => ErrorKind::Configuration,
        (_, None) => ErrorKind::Protocol,
    }
}

/// The description without the trailer that the accessors give in parts.
fn first_sentence(description: &str) -> &str {
    let description = description.trim_start();
    let end = ["\r", "\n", " Trace ID:"].iter().filter_map(|mark| description.find(mark)).min();
    description[..end.unwrap_or(description.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    // D17; 58 (section 3.4)
    #[test]
    fn a_credential_is_reloaded_for_what_another_one_can_mend_and_for_nothing_else() {
        let refused = |codes: &[u32], error: &str| {
            let oauth =
                OAuthError { error: error.to_owned(), codes: codes.to_vec(), ..OAuthError::default() };
            Error::answered(401, Some(oauth), None).may_be_mended_by_reloading()
        };
        for code in [700_024, 700_027, 7_000_214, 7_000_277, 1_000_502, 7_000_274, 50_027] {
            assert!(refused(&[code], "invalid_client"), "{code}");
        }
        for code in [7_000_215, 7_000_222, 700_016, 90_002, 53_003, 7_000_112, 70_021, 700_213] {
            assert!(!refused(&[code], "invalid_client"), "{code}");
        }
        assert!(refused(&[], "invalid_client") && !refused(&[], "invalid_scope"));
    }

    #[test]
    fn the_trailer_of_a_description_is_not_repeated_in_the_message() {
        let spaced = "AADSTS700016: Unknown. Trace ID: a Correlation ID: b Timestamp: c";
        assert_eq!(first_sentence(spaced), "AADSTS700016: Unknown.");
        assert_eq!(first_sentence("AADSTS700016: Unknown.\r\nTrace ID: a"), "AADSTS700016: Unknown.");
        assert_eq!(first_sentence("plain"), "plain");
        assert_eq!(first_sentence("\nfirst\nforged: second"), "first", "one line in a log");
    }
}
