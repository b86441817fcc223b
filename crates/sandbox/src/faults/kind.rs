//! What can go wrong on purpose.

use std::fmt;
use std::str::FromStr;

use crate::directory::is_batch;

/// Where a request goes, which decides what can go wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Authority,
    Directory,
    Vault,
}

impl Target {
    /// Where a path leads.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            path if path.starts_with("/graph/") => Self::Directory,
            path if path.starts_with("/vault/") => Self::Vault,
            _ => Self::Authority,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub(crate) enum FaultKind { $($(#[$doc])* $variant),* }

        impl FaultKind {
            /// Every kind.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// How it is written.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kinds! {
    /// 429 with `Retry-After` in seconds.
    Throttled = "throttled",
    /// 429 with `Retry-After` as a date.
    ThrottledDate = "throttled-date",
    /// 429 with `Retry-After` in decimal seconds.
    ThrottledDecimal = "throttled-decimal",
    /// 429 with `retry-after-ms`.
    ThrottledMilliseconds = "throttled-milliseconds",
    /// 429 that does not say how long.
    ThrottledBare = "throttled-bare",
    /// 429 with a `Retry-After` that is none.
    ThrottledNonsense = "throttled-nonsense",
    /// 503 with `Retry-After` in seconds.
    Unavailable = "unavailable",
    /// 500.
    ServerError = "server-error",
    /// 502 with a page of HTML, as proxies answer.
    BadGateway = "bad-gateway",
    /// 504.
    GatewayTimeout = "gateway-timeout",
    /// The connection is cut before the request is handled.
    ResetBefore = "reset-before",
    /// The connection is cut after the request was handled and before its answer.
    ResetAfter = "reset-after",
    /// The connection is cut in the middle of the body.
    ResetInBody = "reset-in-body",
    /// The body ends in the middle of the JSON, and is whole by its length.
    TruncatedJson = "truncated-json",
    /// The body comes in pieces with pauses.
    SlowBody = "slow-body",
    /// The answer comes later than it could.
    Late = "late",
    /// 200 with an error in the body.
    ErrorInSuccess = "error-in-success",
    /// 401 without claims.
    Unauthorized = "unauthorized",
    /// 401 with a claims challenge.
    ClaimsChallenge = "claims-challenge",
    /// 410 for a page or a delta link.
    Gone = "gone",
    /// 400 for a page after the first: its token has expired.
    ExpiredPage = "expired-page",
    /// The same page again behind another link.
    DuplicatePage = "duplicate-page",
    /// The link of a page leads back to the page itself.
    Loop = "loop",
    /// The link of a page after the first leads back to the first.
    LoopToFirst = "loop-to-first",
    /// The link of a page leads to another origin.
    ForeignLink = "foreign-link",
    /// A batch in which one request was throttled.
    InnerThrottled = "inner-throttled",
    /// A batch in which one request failed as the one that it depends on.
    InnerFailedDependency = "inner-failed-dependency",
}

impl FaultKind {
    /// Whether it can happen to a request with this method and path.
    pub(crate) fn fits(self, target: Target, method: &http::Method, path_and_query: &str) -> bool {
        let reads = method == http::Method::GET;
        let is_page = path_and_query.contains("skiptoken=") || path_and_query.contains("deltatoken=");
        let is_batch = is_batch(path_and_query.split('?').next().unwrap_or_default());
        let on_directory = target == Target::Directory;
        match self {
            Self::Unauthorized => target != Target::Authority,
            Self::ClaimsChallenge => on_directory,
            Self::Gone | Self::ExpiredPage => on_directory && reads && is_page,
            Self::DuplicatePage | Self::Loop | Self::ForeignLink => on_directory && reads,
            Self::LoopToFirst => on_directory && reads && path_and_query.contains("skiptoken="),
            Self::InnerThrottled | Self::InnerFailedDependency => on_directory && is_batch,
            Self::ErrorInSuccess => on_directory && reads,
            _ => true,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().find(|kind| kind.name() == text).copied().ok_or_else(|| {
            let nearest = Self::ALL
                .iter()
                .map(|kind| (strsim::jaro_winkler(text, kind.name()), kind))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            match nearest {
                Some((likeness, nearest)) if likeness > 0.75 => {
                    format!("`{text}` is no kind of fault; did you mean `{nearest}`?")
                }
                _ => {
                    let all: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
                    format!("`{text}` is no kind of fault; the kinds are {}", all.join(", "))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert!("truncated-jsno".parse::<FaultKind>().unwrap_err().contains("did you mean `truncated-json`"));
    }
}
