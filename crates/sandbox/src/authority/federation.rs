//! Client assertions of other issuers: workload identity federation.
//!
//! Issuer, subject and audience are compared with the application's federated credentials before anything is fetched,
//! so that only issuers which somebody registered are ever asked for keys.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::assertion::{decoded, decoded_parts};
use super::client_authentication::ClientAuthentication;
use super::error::{self, AuthorityError};
use super::issuers::IssuerKeys;
use crate::store::managed_identities::{TOKEN_EXCHANGE, TOKEN_EXCHANGE_APP_ID};
use crate::store::{Application, FederatedCredential};

/// A token of another issuer that was read and not yet believed.
pub(crate) struct ForeignToken<'a> {
    header: Header,
    claims: Claims,
    message: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: f64,
    nbf: Option<f64>,
    /// The scopes of a token that the platform issued for a user.
    scp: Option<IgnoredAny>,
    idtyp: Option<String>,
    oid: Option<String>,
    cnf: Option<Confirmation>,
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
}

impl Claims {
    /// The one audience; a federated token has no second one.
    fn audience(&self) -> &str {
        match &self.aud {
            Value::Array(several) if several.len() == 1 => several[0].as_str().unwrap_or_default(),
            audience => audience.as_str().unwrap_or_default(),
        }
    }
}

impl<'a> ForeignToken<'a> {
    /// `None` for what is no token.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (header, claims, message, signature) = decoded_parts::<Header, Claims>(text)?;
        Some(Self { header, claims, message, signature })
    }

    /// The thumbprint of the certificate that the token is bound to (RFC 8705 section 3.1).
    pub(super) fn confirmation(&self) -> Option<&str> {
        self.claims.cnf.as_ref()?.thumbprint.as_deref()
    }
}

/// Whether an assertion is that of another issuer, for which keys may have to be fetched: that is a URL, where a client
/// names itself by its id.
pub(super) fn is_foreign(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Issuer<'a> {
        #[serde(borrow)]
        iss: Cow<'a, str>,
    }
    let payload = text.split('.').nth(1).and_then(decoded);
    let issuer = payload.as_deref().and_then(|payload| serde_json::from_slice::<Issuer<'_>>(payload).ok());
    issuer.is_some_and(|claims| claims.iss.contains("://"))
}

impl ClientAuthentication<'_> {
    pub(super) fn check_federated(
        &self,
        application: &Application,
        token: &ForeignToken<'_>,
    ) -> Result<(), AuthorityError> {
        if token.header.alg != "RS256" {
            return Err(AuthorityError::from(&error::ASSERTION_ALGORITHM));
        }
        let claims = &token.claims;
        self.find_federated_credential(application, claims)?;
        if !self.is_signed(token)? {
            return Err(AuthorityError::from(&error::FEDERATED_SIGNATURE));
        }
        self.check_times(claims.nbf, claims.exp)
    }

    /// Each of the three has an error of its own; none of them says what would have matched.
    fn find_federated_credential(
        &self,
        application: &Application,
        claims: &Claims,
    ) -> Result<(), AuthorityError> {
        let registered = self.store.federated_credentials(application.id())?;
        let delay = i64::try_from(self.settings.federation_delay.as_secs()).unwrap_or(i64::MAX);
        let (known, coming): (Vec<_>, Vec<_>) =
            registered.iter().partition(|it| it.changed_at.saturating_add(delay) <= self.now);
        let refuse = |entry: &'static error::Entry| {
            Err(entry
                .with("issuer", &claims.iss)
                .with("subject", &claims.sub)
                .with("audience", claims.audience()))
        };
        // The platform's own tokens name the exchange by its application id.
        let audience = match claims.audience() {
            TOKEN_EXCHANGE_APP_ID => TOKEN_EXCHANGE,
            audience => audience,
        };
        let accepts_audience =
            |it: &&FederatedCredential| it.audiences.iter().any(|accepted| accepted == audience);
        let of_issuer: Vec<_> = known.iter().copied().filter(|it| it.issuer == claims.iss).collect();
        let of_subject: Vec<_> = of_issuer.iter().copied().filter(|it| it.subject == claims.sub).collect();
        if of_subject.iter().any(accepts_audience) {
            return Ok(());
        }
        let is_coming = |it: &&FederatedCredential| {
            it.issuer == claims.iss && it.subject == claims.sub && accepts_audience(it)
        };
        if known.is_empty() || coming.iter().any(is_coming) {
            return refuse(&error::FEDERATED_CREDENTIAL_UNKNOWN);
        }
        if of_issuer.is_empty() {
            return refuse(&error::FEDERATED_ISSUER);
        }
        if !of_subject.is_empty() {
            return refuse(&error::FEDERATED_AUDIENCE);
        }
        if of_issuer.iter().any(|it| it.subject.to_lowercase() == claims.sub.to_lowercase()) {
            return refuse(&error::FEDERATED_SUBJECT_CASE);
        }
        refuse(&error::FEDERATED_SUBJECT)
    }

    fn is_signed(&self, token: &ForeignToken<'_>) -> Result<bool, AuthorityError> {
        let claims = &token.claims;
        let Some(kid) = &token.header.kid else { return Ok(false) };
        if url::Url::parse(&claims.iss).is_ok_and(|issuer| self.origin.is_own(&issuer)) {
            let keys = IssuerKeys::from_jwks(&self.keys.jwks(None)).unwrap_or_default();
            let is_signed = keys.verify(kid, token.message, &token.signature);
            let is_app_only = claims.scp.is_none()
                && claims.idtyp.as_deref().is_none_or(|kind| kind == "app")
                && claims.oid.as_ref() == Some(&claims.sub);
            if is_signed && !is_app_only {
                return Err(AuthorityError::from(&error::FEDERATED_USER_TOKEN));
            }
            return Ok(is_signed);
        }
        self.issuers
            .verify(&claims.iss, kid, token.message, &token.signature)
            .map_err(|unreachable| error::FEDERATED_ISSUER_UNREACHABLE.with("reason", &unreachable.0))
    }
}
