//! From a header to a caller.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::Algorithm;
use serde::de::DeserializeOwned;
use unattended_core::{ClientId, TenantId};

use crate::caller::{Caller, CredentialStrength, TokenVersion};
use crate::claims::{Claims, Header, numeric_date};
use crate::keys::KeySource;
use crate::rejection::{Rejection, RejectionKind as Kind};

/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// How far the clocks of issuer and API may be apart.
const LEEWAY: Duration = Duration::from_secs(5 * 60);

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// Judges app-only tokens for one web API. Immutable; one per API, shared.
pub struct Validator {
    issuers: Vec<String>,
    audiences: Vec<String>,
    tenants: Tenants,
    keys: Arc<dyn KeySource>,
}

/// Whose tokens are accepted.
#[derive(Clone, Debug)]
enum Tenants {
    Listed(Vec<TenantId>),
    Any,
}

impl Tenants {
    fn contains(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Listed(tenants) => tenants.contains(tenant),
            Self::Any => true,
        }
    }
}

impl Validator {
    /// What to accept: at least one issuer, audience and tenant, and the keys.
    #[must_use]
    pub fn builder() -> ValidatorBuilder {
        let tenants = Tenants::Listed(Vec::new());
        ValidatorBuilder { issuers: Vec::new(), audiences: Vec::new(), tenants, keys: None }
    }

    /// Judges the `Authorization` header of a request that arrived at `now`.
    ///
    /// # Errors
    /// A [`Rejection`] that says in which respect the header falls short: signature before lifetime, lifetime before
    /// issuer, audience and application.
    pub fn validate(&self, headers: &HeaderMap, now: SystemTime) -> Result<Caller, Rejection> {
        let token = bearer_token(headers)?;
        let malformed = |reason| Rejection::new(Kind::MalformedToken, reason);
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("the token is not a signed JWT"));
        };
        let message = &token[..header.len() + 1 + payload.len()];
        let header: Header =
            decode_part(header).ok_or_else(|| malformed("the header of the token is not acceptable"))?;
        self.check_signature(&header, message, signature)?;
        let claims: Claims =
            decode_part(payload).ok_or_else(|| malformed("the claims of the token are not acceptable"))?;
        check_lifetime(&claims, now)?;
        let tenant_id = self.check_issuer(&claims)?;
        if !claims.aud.iter().any(|audience| self.audiences.iter().any(|accepted| accepted == audience)) {
            return Err(Rejection::new(Kind::WrongAudience, "the token was issued for another API"));
        }
        caller(claims, tenant_id)
    }

    fn check_signature(&self, header: &Header, message: &str, signature: &str) -> Result<(), Rejection> {
        let malformed = |reason| Err(Rejection::new(Kind::MalformedToken, reason));
        if !ALGORITHMS.contains(&header.alg) {
            return malformed("the token is not signed with RS256, PS256 or ES256");
        }
        if header.crit.is_some() {
            return malformed("the token has critical header parameters");
        }
        let is_access_token =
            |typ: &String| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt");
        if !header.typ.as_ref().is_none_or(is_access_token) {
            return malformed("the token is not an access token");
        }
        let key = header.kid.as_deref().and_then(|kid| self.keys.key(kid));
        let Some(key) = key.filter(|key| key.allows(header.alg)) else {
            return Err(Rejection::new(Kind::UnknownKey, "the token is signed with an unknown key"));
        };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
            return malformed("the signature of the token does not decode");
        };
        if !key.verifies(header.alg, message.as_bytes(), &signature) {
            return Err(Rejection::new(Kind::InvalidSignature, "the signature of the token is not valid"));
        }
        Ok(())
    }

    /// The issuer has to be that of the token's own tenant, and the tenant has to be accepted: a key of the platform
    /// signs for every tenant, so the signature alone proves neither.
    fn check_issuer(&self, claims: &Claims) -> Result<TenantId, Rejection> {
        let wrong = Rejection::new(Kind::WrongIssuer, "the token was issued by another authority or tenant");
        let tenant = claims.tid.as_deref().and_then(|tid| TenantId::parse(tid).ok());
        let Some(tenant) = tenant.filter(|tenant| self.tenants.contains(tenant)) else { return Err(wrong) };
        let name = tenant.to_string();
        let is_issuer = |template: &String| template.replace("{tenantid}", &name) == claims.iss;
        if !self.issuers.iter().any(is_issuer) {
            return Err(wrong);
        }
        Ok(tenant)
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("issuers", &self.issuers)
            .field("audiences", &self.audiences)
            .field("tenants", &self.tenants)
            .finish_non_exhaustive()
    }
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value =
        values.next().ok_or(Rejection::new(Kind::MissingToken, "the request carries no bearer token"))?;
    let malformed = |reason| Rejection::new(Kind::MalformedRequest, reason);
    if values.next().is_some() {
        return Err(malformed("the request carries more than one Authorization header"));
    }
    if value.len() > MAX_TOKEN_BYTES {
        return Err(malformed("the token is too long"));
    }
    let not_bearer =
        Rejection::new(Kind::MissingToken, "the Authorization header is not of the scheme Bearer");
    let (_, token) = HeaderValue::to_str(value)
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .ok_or(not_bearer)?;
    Ok(token.trim())
}

fn decode_part<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn check_lifetime(claims: &Claims, now: SystemTime) -> Result<(), Rejection> {
    let malformed = Rejection::new(Kind::MalformedToken, "the lifetime of the token is not acceptable");
    let expires_at = numeric_date(claims.exp).ok_or_else(|| malformed.clone())?;
    if now.duration_since(expires_at).is_ok_and(|past| past >= LEEWAY) {
        return Err(Rejection::new(Kind::Expired, "the token has expired"));
    }
    let Some(not_before) = claims.nbf else { return Ok(()) };
    let not_before = numeric_date(not_before).ok_or(malformed)?;
    if not_before.duration_since(now).is_ok_and(|ahead| ahead > LEEWAY) {
        return Err(Rejection::new(Kind::NotYetValid, "the token is not yet valid"));
    }
    Ok(())
}

/// An app-only token has no delegated scopes, names an application, and its subject is that application's own service
/// principal. `idtyp` says it outright, but only some APIs ask for that claim.
fn caller(claims: Claims, tenant_id: TenantId) -> Result<Caller, Rejection> {
    let not_app_only = |reason| Rejection::new(Kind::NotAppOnly, reason);
    if claims.scp.is_some() || claims.idtyp.as_deref().is_some_and(|idtyp| idtyp != "app") {
        return Err(not_app_only("the token was issued to a user, this API serves applications"));
    }
    let subject_is_other = |(subject, object): (&String, &String)| subject != object;
    if claims.idtyp.is_none() && claims.sub.as_ref().zip(claims.oid.as_ref()).is_some_and(subject_is_other) {
        return Err(not_app_only("the subject of the token is not an application"));
    }
    let client_id = claims.azp.or(claims.appid).and_then(|id| ClientId::parse(&id).ok());
    let client_id = client_id.ok_or_else(|| not_app_only("the token names no application"))?;
    let credential = match claims.azpacr.or(claims.appidacr).as_deref() {
        Some("0") => CredentialStrength::None,
        Some("1") => CredentialStrength::Secret,
        Some("2") => CredentialStrength::Assertion,
        _ => CredentialStrength::Unstated,
    };
    Ok(Caller {
        client_id,
        tenant_id,
        object_id: claims.oid,
        roles: claims.roles,
        version: if claims.ver.as_deref() == Some("1.0") { TokenVersion::V1 } else { TokenVersion::V2 },
        credential,
        not_before: claims.nbf.or(claims.iat).and_then(numeric_date),
        expires_at: numeric_date(claims.exp).unwrap_or(SystemTime::UNIX_EPOCH),
        capabilities: claims.xms_cc,
        token_id: claims.uti.or(claims.jti),
    })
}

/// Collects what a [`Validator`] accepts.
#[derive(Clone)]
pub struct ValidatorBuilder {
    issuers: Vec<String>,
    audiences: Vec<String>,
    tenants: Tenants,
    keys: Option<Arc<dyn KeySource>>,
}

impl ValidatorBuilder {
    /// Accepts an issuer, exactly as it stands in `iss`; `{tenantid}` stands for the tenant of the token
    /// (`https://login.microsoftonline.com/{tenantid}/v2.0`, `https://sts.windows.net/{tenantid}/`). May be repeated.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Accepts an audience, exactly as it stands in `aud`: the API's client ID, for v1 tokens also its application ID
    /// URIs. May be repeated.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens of a tenant, named by its GUID as `tid` names it. May be repeated.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        match &mut self.tenants {
            Tenants::Listed(tenants) => tenants.push(tenant),
            Tenants::Any => {}
        }
        self
    }

    /// Accepts tokens of every tenant that the issuer signs for, as an API does that serves many: which of them it
    /// serves is then its own decision, by [`Caller::tenant_id`].
    #[must_use]
    pub fn any_tenant(mut self) -> Self {
        self.tenants = Tenants::Any;
        self
    }

    /// Where the issuer's keys are found.
    #[must_use]
    pub fn keys(mut self, keys: Arc<dyn KeySource>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The validator.
    ///
    /// # Errors
    /// No issuer, no audience, no tenant or no keys: nothing is accepted by default.
    pub fn build(self) -> Result<Validator, InvalidValidator> {
        let missing = |what| Err(InvalidValidator(what));
        match self {
            Self { ref issuers, .. } if issuers.is_empty() => missing("issuer"),
            Self { ref audiences, .. } if audiences.is_empty() => missing("audience"),
            Self { tenants: Tenants::Listed(ref tenants), .. } if tenants.is_empty() => missing("tenant"),
            Self { keys: None, .. } => missing("source of keys"),
            Self { issuers, audiences, tenants, keys: Some(keys) } => {
                Ok(Validator { issuers, audiences, tenants, keys })
            }
        }
    }
}

impl fmt::Debug for ValidatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatorBuilder").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// A validator that would accept nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidValidator(&'static str);

impl fmt::Display for InvalidValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the validator has no {}", self.0)
    }
}

impl std::error::Error for InvalidValidator {}
