//! What can go wrong.

use std::time::Duration;

/// Something that goes wrong with one exchange. Where it does not apply (there is no link to replace, for example) the
/// exchange goes well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// There is no connection; nothing is sent.
    NoConnection,
    /// The connection breaks before the answer comes; the request has its effect.
    LostAnswer,
    /// The connection breaks in the middle of the answer's body.
    CutBody,
    /// The body ends in the middle as if it were whole.
    TruncatedBody,
    /// The body stops in the middle for so long.
    SlowBody(Duration),
    /// The answer is not sent, and this status is.
    Status(u16, Option<RetryAfter>),
    /// Like a status of 503, after the request had its effect.
    RefusedAfterwards,
    /// 401 with a claims challenge: the token is to be replaced by one that has these claims.
    Challenge,
    /// A link that the API gave before is refused with this status and code.
    ExpiredLink(u16, &'static str),
    /// A read is answered with 200 and a body that is an error.
    ErrorInSuccess,
    /// The page before comes once more, with a link of its own to the page that was asked for.
    RepeatedPage,
    /// The link to the next page leads back to the first one.
    LinkBack,
    /// The link to the next page leads to another origin.
    ForeignLink,
    /// In a batch, one request is throttled and those that depend on it fail with it; the others are carried out.
    InnerThrottled(RetryAfter),
}

/// When to come back, in the forms in which servers say so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// `Retry-After: 7`
    Seconds(u32),
    /// `Retry-After: 6.5`
    Decimal(Duration),
    /// `Retry-After: Sun, 06 Nov 1994 08:49:37 GMT`, so many seconds after the `Date` of the answer.
    Date(u32),
    /// The same as `Sunday, 06-Nov-94 08:49:37 GMT`.
    Rfc850Date(u32),
    /// The same as `Sun Nov  6 08:49:37 1994`.
    AsctimeDate(u32),
    /// `retry-after-ms: 6500`
    Milliseconds(u32),
    /// `x-ms-retry-after-ms: 6500`
    MicrosoftMilliseconds(u32),
}

/// What a cloud does on a bad day, each as likely as the others.
pub const BAD_DAY: [Fault; 11] = [
    Fault::NoConnection,
    Fault::LostAnswer,
    Fault::CutBody,
    Fault::RefusedAfterwards,
    Fault::Status(401, None),
    Fault::Status(429, Some(RetryAfter::Seconds(7))),
    Fault::Status(429, None),
    Fault::Status(500, None),
    Fault::Status(502, None),
    Fault::Status(503, Some(RetryAfter::Date(2))),
    Fault::Status(504, None),
];

/// Everything that an API can do wrong and a client has to bear.
pub const EVERYTHING: [Fault; 26] = [
    Fault::NoConnection,
    Fault::LostAnswer,
    Fault::CutBody,
    Fault::TruncatedBody,
    Fault::SlowBody(Duration::from_secs(30)),
    Fault::SlowBody(Duration::from_secs(90)),
    Fault::RefusedAfterwards,
    Fault::Status(401, None),
    Fault::Challenge,
    Fault::Status(429, None),
    Fault::Status(429, Some(RetryAfter::Seconds(7))),
    Fault::Status(429, Some(RetryAfter::Decimal(Duration::from_millis(7_001)))),
    Fault::Status(429, Some(RetryAfter::Date(7))),
    Fault::Status(503, Some(RetryAfter::Rfc850Date(7))),
    Fault::Status(503, Some(RetryAfter::AsctimeDate(7))),
    Fault::Status(429, Some(RetryAfter::Milliseconds(7_500))),
    Fault::Status(503, Some(RetryAfter::MicrosoftMilliseconds(7_500))),
    Fault::Status(500, None),
    Fault::Status(504, None),
    Fault::ExpiredLink(410, "resyncRequired"),
    Fault::ExpiredLink(400, "Directory_ExpiredPageToken"),
    Fault::ErrorInSuccess,
    Fault::RepeatedPage,
    Fault::LinkBack,
    Fault::ForeignLink,
    Fault::InnerThrottled(RetryAfter::Seconds(7)),
];
