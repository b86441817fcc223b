//! Why a call did not succeed.

mod show;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use unattended_core::{HttpError, HttpErrorKind, TokenSourceError, redact_url};

use crate::body::Answer;
use crate::conditional::Current;
use crate::odata_error::{ErrorBody, ErrorDetail, request_id};
use crate::refused_token::RefusedToken;
use crate::request::Request;

/// A call, a page or a batch item that did not succeed.
///
/// Ask the predicates what to do about it; show it with its [`source`](StdError::source) chain. It holds no token and
/// no query values.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    subject: Option<String>,
    status: Option<StatusCode>,
    body: ErrorBody,
    /// Where the API says to go instead. Its query may hold what is not for logs.
    location: Option<String>,
    retry_at: Option<SystemTime>,
    ambiguous: bool,
    withheld: Option<Withheld>,
    /// What is there in place of what was to be changed.
    current: Option<Current>,
    /// How many items a page may have, if more were asked for.
    largest_page: Option<u32>,
    remedy: Option<String>,
    refused_token: Option<Box<RefusedToken>>,
    attempts: Vec<Attempt>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// A client that cannot be built.
    Configuration(String),
    /// A request that cannot be sent.
    InvalidRequest(String),
    /// An address that is not the API's: no token goes there.
    ForeignOrigin,
    /// There is no token.
    Token { transient: bool },
    /// The exchange failed.
    Exchange(HttpErrorKind),
    /// The answer is not 2xx.
    Refused,
    /// The API fails too often to be asked at all.
    CircuitOpen,
    /// The gate is closed for longer than the operation may take.
    GateClosed,
    /// The operation took too long.
    DeadlinePassed,
    /// A 2xx answer that makes no sense.
    Protocol(String),
    /// A page links back to one that was read before.
    LinkLoop { page: u64, first_seen: u64 },
    /// The batch that held the request failed.
    Batch { transient: bool },
    /// What an upload needs to go on after a crash cannot be kept or read.
    UploadState,
    /// Not sent because the batch before it failed.
    NotSent { transient: bool },
    /// A collection, or a query, that has no parts to be read in parallel.
    NotDivisible(String),
}

/// Why an attempt that would have been allowed was not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Withheld {
    /// Its body was a stream, and that is read.
    Body,
    /// There have been too many retries already.
    Budget,
}

/// One unsuccessful attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// What the API answered, if it did.
    pub status: Option<StatusCode>,
    /// Under what id its operator finds it.
    pub request_id: Option<String>,
    /// How long was waited after it; zero after the last.
    pub wait: Duration,
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Box::new(Inner {
            kind,
            subject: None,
            status: None,
            body: ErrorBody::default(),
            location: None,
            retry_at: None,
            ambiguous: false,
            withheld: None,
            current: None,
            largest_page: None,
            remedy: None,
            refused_token: None,
            attempts: Vec::new(),
            source: None,
        }))
    }

    pub(crate) fn of_exchange(error: HttpError) -> Self {
        Self::new(Kind::Exchange(error.kind())).because(error)
    }

    pub(crate) fn of_token(error: TokenSourceError) -> Self {
        let mut this = Self::new(Kind::Token { transient: error.is_transient() });
        this.0.retry_at = error.retry_at();
        this.because(error)
    }

    pub(crate) fn refused(answer: &Answer) -> Self {
        let body = ErrorBody::read(&answer.body).or_request_id_of(&answer.headers);
        let mut this = Self::refused_with(answer.status, body);
        let location = answer.headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
        this.0.location = location.map(str::to_owned);
        this.0.refused_token.clone_from(&answer.refused_token);
        this
    }

    pub(crate) fn refused_with(status: StatusCode, body: ErrorBody) -> Self {
        let mut this = Self::new(Kind::Refused);
        this.0.status = Some(status);
        this.0.body = body;
        this
    }

    /// The error of a whole batch, for each of its items.
    pub(crate) fn shared(error: &Arc<Self>) -> Self {
        let mut this = Self::new(Kind::Batch { transient: error.is_transient() });
        this.0.status = error.0.status;
        this.0.body = error.0.body.clone();
        this.0.retry_at = error.0.retry_at;
        this.0.attempts = error.0.attempts.clone();
        this.because(Arc::clone(error))
    }

    pub(crate) fn answered(mut self, answer: &Answer) -> Self {
        self.0.status = Some(answer.status);
        self.0.body.request_id = request_id(&answer.headers);
        self
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn about(self, request: &Request) -> Self {
        self.about_subject(&request.method, &request.uri.to_string())
    }

    pub(crate) fn about_subject(self, method: &Method, url: &str) -> Self {
        self.about_shown(method, &redact_url(url))
    }

    /// The URL is shown as it is.
    pub(crate) fn about_shown(mut self, method: &Method, url: &str) -> Self {
        self.0.subject.get_or_insert_with(|| format!("{method} {url}"));
        self
    }

    pub(crate) fn about_url(mut self, url: &str) -> Self {
        let shortened: String = redact_url(url).chars().take(300).collect();
        self.0.subject.get_or_insert(shortened);
        self
    }

    pub(crate) fn retry_from(mut self, at: Option<SystemTime>) -> Self {
        self.0.retry_at = at;
        self
    }

    pub(crate) fn ambiguous(mut self, ambiguous: bool) -> Self {
        self.0.ambiguous = ambiguous;
        self
    }

    pub(crate) fn after(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn withheld(mut self, reason: Withheld) -> Self {
        self.0.withheld = Some(reason);
        self
    }

    pub(crate) fn found(mut self, current: Current) -> Self {
        self.0.current = Some(current);
        self
    }

    /// More items were asked for than a page may have.
    pub(crate) fn for_largest_page(mut self, items: u32) -> Self {
        self.0.largest_page = Some(items);
        self
    }

    pub(crate) fn mended_by(mut self, remedy: String) -> Self {
        self.0.remedy = Some(remedy);
        self
    }

    /// A body that is good for one attempt was asked for another.
    pub(crate) fn body_is_spent() -> Self {
        let reason = "the body is a stream that has been read already".to_owned();
        Self::new(Kind::InvalidRequest(reason)).withheld(Withheld::Body)
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    /// A word for its kind (OpenTelemetry's `error.type`).
    pub(crate) fn type_name(&self) -> &'static str {
        match self.0.kind {
            Kind::Exchange(HttpErrorKind::Timeout) => "timeout",
            Kind::Exchange(HttpErrorKind::Connect) => "connect",
            Kind::Exchange(HttpErrorKind::TooLong) => "too_long",
            Kind::Exchange(_) => "connection",
            Kind::Token { .. } => "token",
            _ => "_OTHER",
        }
    }

    pub(crate) fn exchange_kind(&self) -> Option<HttpErrorKind> {
        if let Kind::Exchange(kind) = self.0.kind { Some(kind) } else { None }
    }

    pub(crate) fn token_is_transient(&self) -> bool {
        matches!(self.0.kind, Kind::Token { transient: true })
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The API's own code for the error: the deepest one of nested errors, such as `Authorization_RequestDenied`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.body.code.as_deref()
    }

    /// The API's text for the error. It changes without notice: show it, do not compare it.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.body.message.as_deref()
    }

    /// What would help, if that is known: for example what a query lacks that the directory does not support as it is.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// What the token says of itself that the API did not accept (401, 403).
    #[must_use]
    pub fn refused_token(&self) -> Option<&RefusedToken> {
        self.0.refused_token.as_deref()
    }

    /// The single things that are wrong, if the API lists them: a conflict names the property here.
    #[must_use]
    pub fn details(&self) -> &[ErrorDetail] {
        &self.0.body.details
    }

    /// The id under which the API's operator finds the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.body.request_id.as_deref()
    }

    /// When the API wants to be asked again.
    #[must_use]
    pub fn retry_at(&self) -> Option<SystemTime> {
        self.0.retry_at
    }

    /// How many attempts were made; zero when nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.0.attempts.len()).unwrap_or(u32::MAX)
    }

    /// Every attempt, in order.
    #[must_use]
    pub fn attempt_log(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Whether it passes without a human: throttled, a fault of the server, a broken connection, a token that cannot
    /// be had just now. An [ambiguous](Self::is_ambiguous) error can be transient too; look before repeating.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            Kind::Batch { transient } | Kind::NotSent { transient } | Kind::Token { transient } => transient,
            Kind::Exchange(kind) => kind != HttpErrorKind::TooLong,
            Kind::Refused => {
                matches!(
                    self.0.status.map(|s| s.as_u16()),
                    Some(408 | 423 | 429 | 500 | 502 | 503 | 504 | 509)
                )
            }
            Kind::CircuitOpen | Kind::DeadlinePassed | Kind::GateClosed => true,
            Kind::Configuration(_)
            | Kind::ForeignOrigin
            | Kind::InvalidRequest(_)
            | Kind::LinkLoop { .. }
            | Kind::NotDivisible(_)
            | Kind::Protocol(_)
            | Kind::UploadState => false,
        }
    }

    /// Whether the API has asked for fewer requests; [`retry_at`](Self::retry_at) says until when, if it did.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        matches!(self.0.kind, Kind::GateClosed)
            || match self.0.status.map(|status| status.as_u16()) {
                Some(429 | 509) => true,
                Some(503) => self.0.retry_at.is_some(),
                _ => false,
            }
    }

    /// Whether the API has failed so often of late that it was not asked; [`retry_at`](Self::retry_at) says when it
    /// will be. The [`source`](StdError::source) is the last failure, if this operation met one.
    #[must_use]
    pub fn is_circuit_open(&self) -> bool {
        matches!(self.0.kind, Kind::CircuitOpen)
    }

    /// Whether it would have been repeated if its body were not a stream that can be read only once.
    #[must_use]
    pub fn is_not_replayable(&self) -> bool {
        self.0.withheld == Some(Withheld::Body)
    }

    /// Whether it would have been repeated if there had not been so many retries already: those that the API does not
    /// ask for are a tenth of the requests at most, and ten in a burst.
    #[must_use]
    pub fn is_retry_budget_spent(&self) -> bool {
        self.0.withheld == Some(Withheld::Budget)
    }

    /// Whether it is not about this request of a batch: the batch that held it, or one before that, failed as a whole.
    #[must_use]
    pub fn is_of_whole_batch(&self) -> bool {
        matches!(self.0.kind, Kind::Batch { .. } | Kind::NotSent { .. })
    }

    /// Whether nobody can tell if the API did what was asked, and repeating it could do it twice. Read the resource
    /// to find out.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.0.ambiguous
    }

    /// Whether an administrator has to grant something: the API knows the application and refuses it.
    #[must_use]
    pub fn needs_administrator(&self) -> bool {
        self.0.status == Some(StatusCode::FORBIDDEN) || self.code() == Some("Authorization_IdentityNotFound")
    }

    /// Whether the token was refused, a fresh one too.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.0.status == Some(StatusCode::UNAUTHORIZED)
    }

    /// Whether no token could be had; the [`source`](StdError::source) says why.
    #[must_use]
    pub fn is_token(&self) -> bool {
        matches!(self.0.kind, Kind::Token { .. })
    }

    /// Whether the resource does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.status == Some(StatusCode::NOT_FOUND)
    }

    /// Whether something of the same name exists already, or changed meanwhile.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        const EXISTS: [&str; 4] = [
            "ConflictingObjects",
            "ObjectConflict",
            "Request_MultipleObjectsWithSameKeyValue",
            "nameAlreadyExists",
        ];
        let details = self.details().iter().filter_map(|detail| detail.code.as_deref());
        matches!(self.0.status, Some(StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED))
            || (self.0.status == Some(StatusCode::BAD_REQUEST)
                && self.code().into_iter().chain(details).any(|code| EXISTS.contains(&code)))
    }

    /// Whether the resource is not, or no longer, what `If-Match` says (412).
    #[must_use]
    pub fn is_precondition_failed(&self) -> bool {
        self.0.status == Some(StatusCode::PRECONDITION_FAILED)
    }

    /// What is there now, after an [update](crate::Client::update) that somebody else was faster than.
    #[must_use]
    pub fn current(&self) -> Option<&Current> {
        self.0.current.as_ref()
    }

    /// How many items a page of this collection may have, if the API refused a request for more (`$top`).
    #[must_use]
    pub fn largest_page(&self) -> Option<u32> {
        self.0.largest_page
    }

    /// Whether the collection cannot be [read in parallel](crate::Client::parallel_read): read it page by page.
    #[must_use]
    pub fn is_not_divisible(&self) -> bool {
        matches!(self.0.kind, Kind::NotDivisible(_))
    }

    /// Whether an address was refused because it is not the API's; no connection was made to it.
    #[must_use]
    pub fn is_foreign_origin(&self) -> bool {
        matches!(self.0.kind, Kind::ForeignOrigin)
    }

    /// The page that was to be read and the page that had been read from the same link before, counted from 1, when
    /// links go round in a circle.
    #[must_use]
    pub fn link_loop(&self) -> Option<(u64, u64)> {
        if let Kind::LinkLoop { page, first_seen } = self.0.kind { Some((page, first_seen)) } else { None }
    }
}
