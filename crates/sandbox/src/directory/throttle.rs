//! Quotas in resource units, as token buckets for an application in a tenant, an application and a tenant.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};

use super::fault::Fault;
use crate::control::settings::{TenantSize, Throttling};
use crate::counts::Counts;

/// What one request costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cost {
    pub(super) units: u32,
    pub(super) is_write: bool,
}

/// Who pays for a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payer<'a> {
    pub(super) app_id: &'a str,
    pub(super) tenant_id: &'a str,
    /// Whether the application is for personal accounts, too.
    pub(super) is_personal: bool,
}

/// The buckets of everyone who called.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: Counts<String, Bucket>,
}

/// Whose bucket, and of what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    Application,
    ApplicationInTenant,
    /// An application whose audience has personal accounts in it, wherever it is used.
    PersonalApplication,
    Tenant,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Counted {
    Requests,
    Units,
    Writes,
}

/// A limit of the identity service: so much in so many seconds.
#[derive(Clone, Copy, Debug)]
struct Limit {
    scope: Scope,
    counted: Counted,
    amount: f64,
    seconds: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What is left; less than nothing for who went on asking.
    level: f64,
    /// Unix seconds.
    at: f64,
}

/// How near to a limit a request came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// 1 is the limit.
    share: f64,
    /// The limit that is nearest, what is left of it, and in how many seconds all of it is there again.
    limit: f64,
    remaining: f64,
    reset: f64,
}

impl Throttle {
    /// Fills every bucket if snapshots were restored since the last time.
    pub(super) fn renew(&self, restores: u64) {
        self.buckets.renew(restores);
    }

    /// Pays for a request at a time in Unix seconds.
    ///
    /// # Errors
    /// 429 when a bucket is empty. Asking again at once is paid for, too, so that it prolongs the wait.
    pub(super) fn pay(
        &self,
        throttling: Throttling,
        payer: Payer<'_>,
        cost: Cost,
        now: f64,
    ) -> Result<Usage, Fault> {
        let mut usage = Usage::NONE;
        let Some(limits) = limits(throttling.size) else { return Ok(usage) };
        let mut buckets = self.buckets.lock();
        let mut refusal = None;
        for limit in limits {
            let price = match limit.counted {
                Counted::Requests => 1.0,
                Counted::Units => f64::from(cost.units),
                Counted::Writes => f64::from(u32::from(cost.is_write)),
            };
            if price == 0.0 || (limit.scope == Scope::PersonalApplication && !payer.is_personal) {
                continue;
            }
            let capacity = (limit.amount * throttling.scale).max(1.0);
            let rate = capacity / limit.seconds;
            let bucket = buckets.entry(limit.name(payer)).or_insert(Bucket { level: capacity, at: now });
            bucket.level = (bucket.level + (now - bucket.at).max(0.0) * rate).min(capacity);
            bucket.at = now;
            let is_enough = bucket.level >= price.min(capacity);
            bucket.level = (bucket.level - price).max(-capacity);
            if !is_enough && refusal.is_none() {
                // Until the same request can be paid for.
                refusal = Some(refuse(limit, payer, (price.min(capacity) - bucket.level) / rate));
            }
            let (spent, remaining) = (capacity - bucket.level, bucket.level.max(0.0));
            if spent / capacity > usage.share {
                usage = Usage { share: spent / capacity, limit: capacity, remaining, reset: spent / rate };
            }
        }
        refusal.map_or(Ok(usage), Err)
    }
}

impl Usage {
    /// That of a request which no limit counts.
    pub(super) const NONE: Self = Self { share: 0.0, limit: 0.0, remaining: 0.0, reset: 0.0 };

    /// The headers that say how much more may be asked (draft-ietf-httpapi-ratelimit-headers-03), unless nothing is
    /// counted.
    pub(super) fn rate_limit(self) -> Vec<(HeaderName, HeaderValue)> {
        if self.limit == 0.0 {
            return Vec::new();
        }
        // Casts of floats saturate.
        let numbers = [
            ("ratelimit-limit", self.limit.floor()),
            ("ratelimit-remaining", self.remaining.floor()),
            ("ratelimit-reset", self.reset.ceil()),
        ];
        numbers.map(|(name, number)| (HeaderName::from_static(name), HeaderValue::from(number as u64))).into()
    }

    /// The header that warns from 80 % on.
    pub(super) fn header(self) -> Option<(HeaderName, HeaderValue)> {
        let value = HeaderValue::from_str(&format!("{:.1}", self.share.min(1.8))).ok()?;
        (self.share >= 0.8).then(|| (HeaderName::from_static("x-ms-throttle-limit-percentage"), value))
    }
}

impl Limit {
    /// The name of a payer's bucket, which is also what `x-ms-throttle-scope` says.
    fn name(&self, payer: Payer<'_>) -> String {
        let kind = match self.counted {
            Counted::Requests => "Request",
            Counted::Units => "ReadWrite",
            Counted::Writes => "Write",
        };
        let Payer { app_id, tenant_id, .. } = payer;
        match self.scope {
            Scope::Application => format!("Application/{kind}/{app_id}"),
            Scope::PersonalApplication => format!("PersonalApplication/{kind}/{app_id}"),
            Scope::ApplicationInTenant => format!("Tenant_Application/{kind}/{app_id}/{tenant_id}"),
            Scope::Tenant => format!("Tenant/{kind}/{tenant_id}"),
        }
    }
}

fn refuse(limit: &Limit, payer: Payer<'_>, wait: f64) -> Fault {
    let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests.");
    let information = match limit.counted {
        // The platform has no word of its own for too many requests.
        Counted::Requests | Counted::Units => "ResourceUnitLimitExceeded",
        Counted::Writes => "WriteLimitExceeded",
    };
    let seconds = format!("{:.0}", wait.ceil().max(1.0));
    let headers = [
        (RETRY_AFTER, seconds),
        (HeaderName::from_static("x-ms-throttle-scope"), limit.name(payer)),
        (HeaderName::from_static("x-ms-throttle-information"), information.to_owned()),
    ];
    let headers = headers.into_iter().filter_map(|(name, text)| Some((name, text.parse().ok()?)));
    fault.headers.extend(headers);
    fault
}

fn limits(size: TenantSize) -> Option<&'static [Limit; 7]> {
    match size {
        TenantSize::Off => None,
        TenantSize::Small => Some(&SMALL),
        TenantSize::Medium => Some(&MEDIUM),
        TenantSize::Large => Some(&LARGE),
    }
}

static SMALL: [Limit; 7] = of_size(3_500.0);
static MEDIUM: [Limit; 7] = of_size(5_000.0);
static LARGE: [Limit; 7] = of_size(8_000.0);

const fn of_size(units: f64) -> [Limit; 7] {
    use Counted::{Requests, Units, Writes};
    use Scope::{Application, ApplicationInTenant, PersonalApplication, Tenant};
    [
        limit(ApplicationInTenant, Units, units, 10.0),
        limit(ApplicationInTenant, Writes, 3_000.0, 150.0),
        limit(Application, Units, 150_000.0, 20.0),
        limit(Application, Writes, 70_000.0, 300.0),
        limit(Application, Requests, 2_000.0, 1.0),
        limit(PersonalApplication, Writes, 60.0, 60.0),
        limit(Tenant, Writes, 18_000.0, 300.0),
    ]
}

const fn limit(scope: Scope, counted: Counted, amount: f64, seconds: f64) -> Limit {
    Limit { scope, counted, amount, seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYER: Payer<'_> = Payer { app_id: "a", tenant_id: "t", is_personal: false };

    fn pay(throttle: &Throttle, units: u32, is_write: bool, now: f64) -> Result<Usage, Fault> {
        let throttling = Throttling { size: TenantSize::Small, scale: 0.01 };
        throttle.pay(throttling, PAYER, Cost { units, is_write }, now)
    }

    fn header<'a>(fault: &'a Fault, name: &str) -> &'a str {
        fault.headers.iter().find(|(found, _)| found == name).unwrap().1.to_str().unwrap()
    }

    // directory 8: 35 units in ten seconds
    #[test]
    fn who_spends_its_units_waits_until_they_are_back() {
        let throttle = Throttle::default();
        for _ in 0..7 {
            pay(&throttle, 5, false, 0.0).unwrap();
        }
        let refused = pay(&throttle, 1, false, 0.0).unwrap_err();
        assert_eq!((refused.status, refused.code), (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"));
        assert_eq!(header(&refused, "retry-after"), "1");
        assert_eq!(header(&refused, "x-ms-throttle-scope"), "Tenant_Application/ReadWrite/a/t");
        assert_eq!(header(&refused, "x-ms-throttle-information"), "ResourceUnitLimitExceeded");
        pay(&throttle, 1, false, 1.0).unwrap();
    }

    #[test]
    fn asking_on_without_waiting_prolongs_the_wait() {
        let throttle = Throttle::default();
        pay(&throttle, 35, false, 0.0).unwrap();
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(header(&pay(&throttle, 10, false, 0.0).unwrap_err(), "retry-after").to_owned());
        }
        assert_eq!(waits, ["6", "9", "12", "13"]);
        pay(&throttle, 35, false, 30.0).unwrap();
    }

    // directory 8: writes have a quota of their own
    #[test]
    fn writes_are_counted_apart() {
        let throttle = Throttle::default();
        for write in 0..30 {
            pay(&throttle, 1, true, f64::from(write) / 10.0).unwrap();
        }
        let refused = pay(&throttle, 1, true, 3.0).unwrap_err();
        assert_eq!(header(&refused, "x-ms-throttle-information"), "WriteLimitExceeded");
        assert_eq!(header(&refused, "x-ms-throttle-scope"), "Tenant_Application/Write/a/t");
        pay(&throttle, 1, false, 3.0).unwrap();
    }

    // directory 8: 2,000 requests in a second by one application, in all tenants together
    #[test]
    fn an_application_makes_so_many_requests_whatever_they_cost_and_wherever() {
        let throttle = Throttle::default();
        let large = Throttling { size: TenantSize::Large, scale: 1.0 };
        let ask = |app_id, tenant_id, now| {
            let payer = Payer { app_id, tenant_id, is_personal: false };
            throttle.pay(large, payer, Cost { units: 1, is_write: false }, now)
        };
        for request in 0..2_000 {
            ask("a", if request % 2 == 0 { "t" } else { "u" }, 0.0).unwrap();
        }
        let refused = ask("a", "v", 0.0).unwrap_err();
        assert_eq!(header(&refused, "x-ms-throttle-scope"), "Application/Request/a");
        ask("b", "t", 0.0).unwrap();
        ask("a", "v", 1.0).unwrap();
    }

    // directory 8: 60 writes in a minute by applications for personal accounts
    #[test]
    fn an_application_for_personal_accounts_writes_little() {
        let throttle = Throttle::default();
        let large = Throttling { size: TenantSize::Large, scale: 1.0 };
        let write = |is_personal, is_write| {
            throttle.pay(large, Payer { is_personal, ..PAYER }, Cost { units: 1, is_write }, 0.0)
        };
        for _ in 0..60 {
            write(true, true).unwrap();
        }
        let refused = write(true, true).unwrap_err();
        assert_eq!(header(&refused, "x-ms-throttle-information"), "WriteLimitExceeded");
        write(true, false).unwrap();
        write(false, true).unwrap();
    }

    #[test]
    fn the_header_warns_from_eighty_percent_on() {
        let throttle = Throttle::default();
        assert!(pay(&throttle, 27, false, 0.0).unwrap().header().is_none());
        let (_, value) = pay(&throttle, 2, false, 0.0).unwrap().header().unwrap();
        assert_eq!(value, "0.8");
    }

    // webapi 5: RateLimit-*
    #[test]
    fn the_limit_that_is_nearest_says_how_much_more_may_be_asked() {
        let throttle = Throttle::default();
        let told =
            |usage: Usage| usage.rate_limit().into_iter().map(|(_, it)| it.to_str().unwrap().to_owned());
        let usage = pay(&throttle, 7, false, 0.0).unwrap();
        assert_eq!(told(usage).collect::<Vec<_>>(), ["35", "28", "2"]);
        // Of thirty writes most are left, and of 35 units none.
        pay(&throttle, 14, true, 0.0).unwrap();
        let usage = pay(&throttle, 14, true, 0.0).unwrap();
        assert_eq!(told(usage).collect::<Vec<_>>(), ["35", "0", "10"]);
        assert!(Usage::NONE.rate_limit().is_empty());
    }

    #[test]
    fn without_quotas_nothing_is_counted() {
        let throttle = Throttle::default();
        let off = Throttling { size: TenantSize::Off, scale: 1.0 };
        for _ in 0..100_000 {
            throttle.pay(off, PAYER, Cost { units: 5, is_write: true }, 0.0).unwrap();
        }
    }
}
