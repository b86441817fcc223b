//! The request is malformed, a policy forbids it, or the platform cannot answer now.

use super::Class::{Administrator, Configuration, Transient};
use super::{Entry, entry};

const NOTHING: &str = "nothing: it is retried";

pub(super) static ENTRIES: &[Entry] = &[
    entry(
        50_000,
        Transient,
        "the platform failed while it made the token",
        "nothing: it is retried; if it lasts, give the correlation id to Microsoft's support",
    ),
    entry(50_033, Transient, "the identity platform has a passing fault", NOTHING),
    entry(
        50_196,
        Transient,
        "the same token was asked for in a loop",
        "keep tokens in the cache; wait some minutes",
    ),
    entry(
        53_003,
        Administrator,
        "a Conditional Access policy for workload identities blocks the application",
        "an administrator adjusts the policy or excludes the service principal",
    ),
    entry(
        70_003,
        Configuration,
        "the server does not know this grant type",
        "use the client credentials grant",
    ),
    entry(90_006, Transient, "the identity platform is not available for a moment", NOTHING),
    entry(90_012, Transient, "the request took too long at the identity platform", NOTHING),
    entry(
        90_013,
        Configuration,
        "a parameter of the request is not valid",
        "check client id, scope and the extra parameters",
    ),
    entry(
        90_014,
        Configuration,
        "a required field of the request is empty",
        "check client id, scope and credential",
    ),
    entry(
        90_023,
        Configuration,
        "the request is not valid",
        "check client id, scope and the extra parameters",
    ),
    entry(90_024, Transient, "the identity platform has a passing fault", NOTHING),
    entry(90_033, Transient, "the identity platform has a passing fault", NOTHING),
    entry(
        90_036,
        Administrator,
        "the directory failed in an unexpected way, and would again",
        "give the correlation id to Microsoft's support",
    ),
    entry(
        90_055,
        Transient,
        "too many requests from this tenant",
        "nothing: it is retried when the server says",
    ),
    entry(90_090, Transient, "the identity platform has a passing fault", NOTHING),
    entry(
        90_092,
        Administrator,
        "the directory failed in an unexpected way, and would again",
        "give the correlation id to Microsoft's support",
    ),
    entry(
        90_100,
        Configuration,
        "a parameter of the request is empty or not valid",
        "check client id, scope and the extra parameters",
    ),
    entry(
        530_032,
        Administrator,
        "a security policy of the tenant blocks the request",
        "an administrator looks at the sign-in log of the service principal and adjusts the policy",
    ),
    entry(
        530_035,
        Administrator,
        "the security defaults of the tenant block the request",
        "an administrator looks at the sign-in log of the service principal",
    ),
    entry(9_002_313, Configuration, "the request is malformed", "check the `claims` and extra parameters"),
];
