//! Whether a client is who it says.

use super::assertion::Assertion;
use super::error::{self, AuthorityError};
use super::exchange::round_trip_time;
use super::federation::ForeignToken;
use super::issuers::Issuers;
use super::keys::SigningKeys;
use super::origin::Origin;
use super::token_request::PresentedCredential;
use crate::control::Settings;
use crate::store::{Application, KeyCredential, Store, Tenant};

/// How far the clocks of client and authority may be apart, in seconds.
const LEEWAY: i64 = 5 * 60;

/// How a client proved itself; the value of `azpacr` and `appidacr`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    Secret,
    Assertion,
}

impl Proof {
    pub(crate) fn as_claim(self) -> &'static str {
        match self {
            Self::Secret => "1",
            Self::Assertion => "2",
        }
    }
}

/// Judges credentials at one time, for one authority.
#[derive(Debug)]
pub(crate) struct ClientAuthentication<'a> {
    pub(crate) store: &'a Store,
    pub(crate) origin: &'a Origin,
    pub(crate) tenant: &'a Tenant,
    pub(crate) settings: &'a Settings,
    /// The keys of this authority.
    pub(crate) keys: &'a SigningKeys,
    /// Those of others.
    pub(crate) issuers: &'a Issuers,
    /// Unix seconds.
    pub(crate) now: i64,
}

impl ClientAuthentication<'_> {
    /// Judges what the client presented against what the application has registered.
    pub(crate) fn authenticate(
        &self,
        application: &Application,
        presented: Option<&PresentedCredential>,
    ) -> Result<Proof, AuthorityError> {
        match presented {
            None => Err(AuthorityError::from(&error::CREDENTIAL_MISSING)),
            Some(PresentedCredential::Secret(secret)) => {
                // Every secret is compared, so that the time tells nothing about which one matched.
                let registered = self.store.password_credentials(application.id())?;
                let matching: Vec<_> = registered.iter().filter(|it| it.matches(secret)).collect();
                let is_expired = matching.iter().any(|it| it.ends_at <= self.now);
                if matching.iter().any(|it| it.is_valid_at(self.now)) {
                    return Ok(Proof::Secret);
                }
                let entry = if is_expired { &error::SECRET_EXPIRED } else { &error::SECRET_INVALID };
                Err(entry.with("app", application.app_id()))
            }
            Some(PresentedCredential::Assertion(assertion)) => {
                let text = assertion.expose_text().unwrap_or_default();
                match ForeignToken::read(text) {
                    Some(token) => self.check_federated(application, &token)?,
                    None => self.check_assertion(application, &Assertion::parse(text)?)?,
                }
                Ok(Proof::Assertion)
            }
        }
    }

    fn check_assertion(
        &self,
        application: &Application,
        assertion: &Assertion<'_>,
    ) -> Result<(), AuthorityError> {
        let claims = assertion.claims();
        if !claims.iss.eq_ignore_ascii_case(&claims.sub) {
            return Err(AuthorityError::from(&error::ASSERTION_SUBJECT));
        }
        if !claims.iss.eq_ignore_ascii_case(application.app_id()) {
            return Err(AuthorityError::from(&error::ASSERTION_OF_OTHER_CLIENT));
        }
        let registered = self.store.key_credentials(application.id())?;
        let Some(credential) = registered.iter().find(|credential| assertion.names(credential)) else {
            return Err(error::CERTIFICATE_UNKNOWN
                .with("thumbprint", &assertion.thumbprint_note())
                .with("app", application.app_id()));
        };
        if !assertion.is_signed_by(credential)? {
            return Err(signature_invalid(assertion, credential));
        }
        if !credential.is_valid_at(self.now) {
            return Err(AuthorityError::from(&error::CERTIFICATE_NOT_IN_TIME));
        }
        if !claims.audiences().any(|audience| self.origin.is_audience(audience, self.tenant)) {
            return Err(AuthorityError::from(&error::ASSERTION_AUDIENCE));
        }
        self.check_times(claims.nbf, claims.exp)
    }

    /// Whether the time is within the assertion's. A missing `nbf` is the beginning of time.
    pub(super) fn check_times(&self, not_before: Option<f64>, expiry: f64) -> Result<(), AuthorityError> {
        // Casts of floats saturate.
        let (not_before, expiry) = (not_before.unwrap_or(0.0) as i64, expiry as i64);
        if self.now.saturating_add(LEEWAY) < not_before || expiry <= self.now.saturating_sub(LEEWAY) {
            return Err(error::ASSERTION_NOT_IN_TIME
                .with("now", &round_trip_time(self.now))
                .with("start", &round_trip_time(not_before))
                .with("end", &round_trip_time(expiry)));
        }
        Ok(())
    }
}

fn signature_invalid(assertion: &Assertion<'_>, credential: &KeyCredential) -> AuthorityError {
    error::SIGNATURE_INVALID
        .with("thumbprint", &assertion.thumbprint_note())
        .with("start", &round_trip_time(credential.starts_at))
        .with("end", &round_trip_time(credential.ends_at))
}
