//! The parts of an app-only token that are looked at.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The JOSE header (RFC 7515 section 4). An unknown `alg`, `none` included, does not parse.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) crit: Option<IgnoredAny>,
}

/// The claims of both token versions.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: Audience,
    pub(crate) exp: f64,
    pub(crate) nbf: Option<f64>,
    pub(crate) iat: Option<f64>,
    pub(crate) tid: Option<String>,
    pub(crate) oid: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) azp: Option<String>,
    pub(crate) azpacr: Option<String>,
    pub(crate) appid: Option<String>,
    pub(crate) appidacr: Option<String>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    pub(crate) scp: Option<IgnoredAny>,
    pub(crate) idtyp: Option<String>,
    pub(crate) ver: Option<String>,
    pub(crate) uti: Option<String>,
    pub(crate) jti: Option<String>,
    #[serde(default)]
    pub(crate) xms_cc: Vec<String>,
}

/// One audience or several (RFC 7519 section 4.1.3).
#[derive(Debug)]
pub(crate) struct Audience(Vec<String>);

impl Audience {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Audience;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an audience or a list of audiences")
            }

            fn visit_str<E>(self, audience: &str) -> Result<Audience, E> {
                Ok(Audience(vec![audience.to_owned()]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Audience, A::Error> {
                let mut audiences = Vec::new();
                while let Some(audience) = list.next_element()? {
                    audiences.push(audience);
                }
                Ok(Audience(audiences))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction. `None` before 1970 and beyond what the machine counts.
pub(crate) fn numeric_date(seconds: f64) -> Option<SystemTime> {
    Duration::try_from_secs_f64(seconds).ok().and_then(|since| UNIX_EPOCH.checked_add(since))
}
