//! An access token and what is known about it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwapOption, Guard};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unattended_core::{Authorization, Moment, Secret};
use uuid::Uuid;

use crate::authority::Authority;
use crate::bound::Shown;

/// An access token, finished as a header value. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessToken {
    kept: Arc<Kept>,
    origin: TokenOrigin,
}

/// Where a token came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenOrigin {
    /// It was in memory.
    Memory,
    /// It was in the shared store, put there by another process or by an earlier one.
    Store,
    /// It was issued for this call.
    Server,
}

/// Why a token was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FetchReason {
    /// There was none yet, or it had been evicted.
    Absent,
    /// The one before had expired.
    Expired,
    /// The one before was past half of its life, and was renewed in the background.
    Due,
    /// The caller wanted another one, or a web API refused the one before.
    Forced,
    /// A web API asked for claims.
    Claims,
}

impl AccessToken {
    pub(crate) fn new(kept: Arc<Kept>, origin: TokenOrigin) -> Self {
        Self { kept, origin }
    }

    pub(crate) fn kept(&self) -> &Arc<Kept> {
        &self.kept
    }

    /// The token. Whoever holds it can act as the application.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.kept.authorization.expose_token()
    }

    /// The `Authorization` header value.
    #[must_use]
    pub fn authorization(&self) -> &Authorization {
        &self.kept.authorization
    }

    /// When the token stops being accepted.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.kept.expires_at()
    }

    /// From when on it is renewed in the background.
    #[must_use]
    pub fn refresh_at(&self) -> SystemTime {
        self.kept.term.due_at()
    }

    /// Where this call got it.
    #[must_use]
    pub fn origin(&self) -> TokenOrigin {
        self.origin
    }

    /// Why it was fetched, when it was.
    #[must_use]
    pub fn fetch_reason(&self) -> FetchReason {
        self.kept.fetched.reason
    }

    /// How long it took to fetch, attempts, waits and the store included, to the millisecond.
    #[must_use]
    pub fn fetch_duration(&self) -> Duration {
        Duration::from_millis(self.kept.fetched.took.into())
    }

    /// How much of that the network took, all attempts together.
    #[must_use]
    pub fn network_duration(&self) -> Duration {
        Duration::from_millis(self.kept.fetched.network.into())
    }

    /// How many token requests it took; none for a token out of the store.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.kept.fetched.attempts.into()
    }

    /// The token endpoint that issued it, if it is known without asking.
    #[must_use]
    pub fn endpoint(&self) -> Option<String> {
        self.kept.authority.as_ref()?.known_endpoint()
    }

    /// The identifier that the token request carried; none for a managed identity.
    #[must_use]
    pub fn correlation_id(&self) -> Option<String> {
        Some(self.kept.correlation_id).filter(|id| !id.is_nil()).map(|id| id.to_string())
    }

    /// The payload, if the token is a JWT: to show to an administrator, **never** to decide by. Nobody has checked its
    /// signature here; that is for the web API to do.
    #[must_use]
    pub fn unverified_claims(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let payload = self.expose().split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}

/// A token read from memory without taking a share in it: nothing is allocated or counted. To be used and dropped, not
/// kept; [`to_token`](Self::to_token) is for keeping.
pub struct CachedToken(Guard<Option<Arc<Kept>>>);

impl CachedToken {
    /// The token in `guard`, if there is one that may be served.
    pub(crate) fn live(guard: Guard<Option<Arc<Kept>>>, may_serve: impl Fn(&Kept) -> bool) -> Option<Self> {
        match guard.as_ref() {
            Some(kept) if may_serve(kept) => Some(Self(guard)),
            _ => None,
        }
    }

    pub(crate) fn kept(&self) -> &Arc<Kept> {
        self.0.as_ref().expect("`live` makes none without a token")
    }

    /// The `Authorization` header value.
    #[must_use]
    pub fn authorization(&self) -> &Authorization {
        &self.kept().authorization
    }

    /// When the token stops being accepted.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.kept().expires_at()
    }

    /// The token, to keep.
    #[must_use]
    pub fn to_token(&self) -> AccessToken {
        AccessToken::new(Arc::clone(self.kept()), TokenOrigin::Memory)
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedToken([redacted])")
    }
}

/// The token as the cache keeps it. What a hit looks at comes first, so that it is in one place of the memory: of ten
/// thousand tokens most are in no near cache of the processor, and each place costs as much as all else. There is one of
/// these for each tenant, so nothing is in it that can be told from something else in it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Kept {
    pub(crate) term: Term,
    pub(crate) usage: Usage,
    /// The certificate that the token is bound to.
    pub(crate) shown: Option<Arc<Shown>>,
    pub(crate) authorization: Authorization,
    /// None for a managed identity.
    pub(crate) authority: Option<Authority>,
    /// Nil for a managed identity.
    pub(crate) correlation_id: Uuid,
    pub(crate) fetched: Fetched,
    /// How long it is accepted after the end of its term; in microseconds.
    pub(crate) margin: u32,
    /// What the server gave for the next time (RFC 6749 section 6); taken by whoever uses it.
    pub(crate) refresh_token: ArcSwapOption<Secret>,
}

/// When somebody last had to do with a token; in monotonic seconds.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) used: AtomicU32,
    /// Saw to its renewal.
    renewal_seen_to: AtomicU32,
}

impl Default for Usage {
    fn default() -> Self {
        Self { used: AtomicU32::new(0), renewal_seen_to: AtomicU32::new(u32::MAX) }
    }
}

/// Until when a token is handed out, and from when on it is renewed; in nanoseconds. Two clocks must agree that it lives:
/// wall time goes wrong when an administrator sets it back, monotonic time when the machine was asleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    elapsed_until: u64,
    unix_until: u64,
    due_elapsed: u64,
}

impl Term {
    /// A term that ends in `usable`, on both clocks, and whose renewal is due in `due`.
    pub(crate) fn from(moment: Moment, usable: Duration, due: Duration) -> Self {
        let at = |origin: Duration, after: Duration| {
            u64::try_from(origin.saturating_add(after).as_nanos()).unwrap_or(u64::MAX)
        };
        Self {
            elapsed_until: at(moment.elapsed, usable),
            unix_until: at(moment.unix, usable),
            due_elapsed: at(moment.elapsed, due),
        }
    }

    /// From when on it is renewed, in wall time.
    fn due_at(&self) -> SystemTime {
        let before_the_end = self.elapsed_until.saturating_sub(self.due_elapsed);
        UNIX_EPOCH + Duration::from_nanos(self.unix_until.saturating_sub(before_the_end))
    }
}

/// Of a clock: good for five centuries.
#[inline]
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// How a token was fetched; durations in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) reason: FetchReason,
    pub(crate) took: u32,
    pub(crate) network: u32,
    pub(crate) attempts: u16,
}

impl Kept {
    #[inline]
    pub(crate) fn is_live(&self, moment: Moment) -> bool {
        nanoseconds(moment.elapsed) < self.term.elapsed_until
            && nanoseconds(moment.unix) < self.term.unix_until
    }

    #[inline]
    pub(crate) fn is_due(&self, moment: Moment) -> bool {
        nanoseconds(moment.elapsed) >= self.term.due_elapsed
    }

    /// Whether a token that is due is to be renewed by this caller: one in each second. All others would only find,
    /// behind a lock, that it is being renewed or that the last failure is too recent.
    pub(crate) fn may_renew(&self, moment: Moment) -> bool {
        let (now, seen_to) = (seconds(moment), &self.usage.renewal_seen_to);
        seen_to.load(Relaxed) != now && seen_to.swap(now, Relaxed) != now
    }

    fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.term.unix_until) + Duration::from_micros(self.margin.into())
    }

    /// What this token weighs against the limit of the cache: the header value, and what is kept beside it.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.authorization.header_value().len()
    }

    pub(crate) fn take_refresh_token(&self) -> Option<Arc<Secret>> {
        self.refresh_token.swap(None)
    }
}

/// Monotonic; enough for a century since the machine was started.
#[inline]
pub(crate) fn seconds(moment: Moment) -> u32 {
    moment.elapsed.as_secs() as u32
}
