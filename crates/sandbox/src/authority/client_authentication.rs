//! Whether a client is who it says.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::assertion::Assertion;
use super::certificate::{CertificateChain, hexadecimal};
use super::error::{self, AuthorityError};
use super::exchange::round_trip_time;
use super::federation::ForeignToken;
use super::issuers::Issuers;
use super::keys::SigningKeys;
use super::origin::Origin;
use super::token_request::PresentedCredential;
use crate::control::Settings;
use crate::mutual_tls::MutualTls;
use crate::store::{Application, Holder, KeyCredential, ServicePrincipal, Store, StoreError, Tenant};

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
    /// What stands for the client in the tenant, if anything does: it may have credentials of its own.
    pub(crate) principal: Option<&'a ServicePrincipal>,
    pub(crate) settings: &'a Settings,
    /// The keys of this authority.
    pub(crate) keys: &'a SigningKeys,
    /// Those of others.
    pub(crate) issuers: &'a Issuers,
    /// What the connection showed, if it came through that door.
    pub(crate) mutual_tls: Option<&'a MutualTls>,
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
        match (presented, self.connection_certificate()?) {
            (None, None) => Err(AuthorityError::from(&error::CREDENTIAL_MISSING)),
            (None, Some(chain)) => {
                self.check_certificate(application, chain)?;
                Ok(Proof::Assertion)
            }
            (Some(PresentedCredential::Secret(_)), Some(_)) => {
                Err(AuthorityError::from(&error::MUTUAL_TLS_NEEDS_CERTIFICATE))
            }
            (Some(PresentedCredential::Secret(secret)), None) => {
                // Every secret is compared, so that the time tells nothing about which one matched.
                let registered =
                    self.of_both(application, |holder| self.store.password_credentials(holder))?;
                let matching: Vec<_> =
                    registered.iter().flat_map(|it| it.iter()).filter(|it| it.matches(secret)).collect();
                let is_expired = matching.iter().any(|it| it.ends_at <= self.now);
                if matching.iter().any(|it| it.is_valid_at(self.now)) {
                    return Ok(Proof::Secret);
                }
                let entry = if is_expired { &error::SECRET_EXPIRED } else { &error::SECRET_INVALID };
                Err(entry.with("app", application.app_id()))
            }
            (Some(PresentedCredential::Assertion { text, is_bound, is_foreign }), chain) => {
                if *is_bound && chain.is_none() {
                    return Err(AuthorityError::from(&error::CLIENT_CERTIFICATE_MISSING));
                }
                let text = text.expose_text().unwrap_or_default();
                let bound_to = match is_foreign.then(|| ForeignToken::read(text)).flatten() {
                    Some(token) => {
                        self.check_federated(application, &token)?;
                        token.confirmation().map(str::to_owned)
                    }
                    None => Some(self.check_assertion(application, &Assertion::parse(text)?)?),
                };
                let matches = |chain: &CertificateChain| match &bound_to {
                    Some(thumbprint) => *thumbprint == chain.confirmation(),
                    None => !is_bound,
                };
                match chain {
                    Some(chain) if !matches(chain) => {
                        Err(AuthorityError::from(&error::CERTIFICATE_OF_OTHER_CONNECTION))
                    }
                    _ => Ok(Proof::Assertion),
                }
            }
        }
    }

    /// The certificate of the connection; nothing on an ordinary one.
    fn connection_certificate(&self) -> Result<Option<&CertificateChain>, AuthorityError> {
        let Some(mutual_tls) = self.mutual_tls else { return Ok(None) };
        if !self.settings.mutual_tls {
            return Err(AuthorityError::from(&error::MUTUAL_TLS_DISABLED));
        }
        let missing = || AuthorityError::from(&error::CLIENT_CERTIFICATE_MISSING);
        mutual_tls.chain.as_deref().map(Some).ok_or_else(missing)
    }

    /// Whether the certificate of the connection is one of the application's: a registered one
    /// (`self_signed_tls_client_auth`), or one of a name that it trusts (`tls_client_auth`; RFC 8705 section 2).
    fn check_certificate(
        &self,
        application: &Application,
        chain: &CertificateChain,
    ) -> Result<(), AuthorityError> {
        let registered = self.keys(application)?;
        let mut registered = registered.iter().flat_map(|it| it.iter());
        if let Some(credential) = registered.find(|it| it.certificate == chain.leaf()) {
            return self.check_validity(credential.starts_at, credential.ends_at);
        }
        let trusted = self.store.trusted_subjects(application.id())?;
        if trusted.is_empty() {
            let thumbprint = hexadecimal(&chain.thumbprint_sha1());
            return Err(certificate_unknown(
                application,
                &format!(", Thumbprint of key used by client: '{thumbprint}'"),
            ));
        }
        chain.check_trusted(&trusted, self.now)
    }

    fn keys(&self, application: &Application) -> Result<Vec<Arc<[KeyCredential]>>, StoreError> {
        self.of_both(application, |holder| self.store.key_credentials(holder))
    }

    /// What the application and its service principal have of something.
    fn of_both<T>(
        &self,
        application: &Application,
        of: impl Fn(Holder<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let principal = self.principal.map(|principal| Holder::ServicePrincipal(principal.id()));
        [Holder::Application(application.id())].into_iter().chain(principal).map(of).collect()
    }

    fn check_validity(&self, starts_at: i64, ends_at: i64) -> Result<(), AuthorityError> {
        match (starts_at..ends_at).contains(&self.now) {
            true => Ok(()),
            false => Err(AuthorityError::from(&error::CERTIFICATE_NOT_IN_TIME)),
        }
    }

    /// Returns the thumbprint of the certificate whose key signed it, as `x5t#S256` has it.
    fn check_assertion(
        &self,
        application: &Application,
        assertion: &Assertion<'_>,
    ) -> Result<String, AuthorityError> {
        let claims = assertion.claims();
        if !claims.iss.eq_ignore_ascii_case(&claims.sub) {
            return Err(AuthorityError::from(&error::ASSERTION_SUBJECT));
        }
        if !claims.iss.eq_ignore_ascii_case(application.app_id()) {
            return Err(AuthorityError::from(&error::ASSERTION_OF_OTHER_CLIENT));
        }
        let thumbprint = self.check_signature(application, assertion)?;
        if !claims.audiences().any(|audience| self.origin.is_audience(audience, self.tenant)) {
            return Err(AuthorityError::from(&error::ASSERTION_AUDIENCE));
        }
        self.check_times(claims.nbf, claims.exp)?;
        Ok(thumbprint)
    }

    /// Whether a registered certificate signed it, or else one that came along and has a trusted name.
    fn check_signature(
        &self,
        application: &Application,
        assertion: &Assertion<'_>,
    ) -> Result<String, AuthorityError> {
        let registered = self.keys(application)?;
        let mut registered = registered.iter().flat_map(|it| it.iter());
        let named = registered.find(|it| assertion.names(&it.thumbprint_sha1, &it.thumbprint_sha256));
        if let Some(credential) = named {
            if !assertion.is_signed_by(&credential.certificate)? {
                return Err(signature_invalid(assertion, (credential.starts_at, credential.ends_at)));
            }
            self.check_validity(credential.starts_at, credential.ends_at)?;
            return Ok(URL_SAFE_NO_PAD.encode(&credential.thumbprint_sha256));
        }
        let trusted = self.store.trusted_subjects(application.id())?;
        let chain = if trusted.is_empty() { None } else { assertion.chain() };
        let Some(chain) = chain else {
            return Err(certificate_unknown(application, &assertion.thumbprint_note()));
        };
        if !assertion.is_signed_by(chain.leaf())? {
            return Err(signature_invalid(assertion, chain.validity()));
        }
        chain.check_trusted(&trusted, self.now)?;
        Ok(chain.confirmation())
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

fn certificate_unknown(application: &Application, thumbprint: &str) -> AuthorityError {
    error::CERTIFICATE_UNKNOWN.with("thumbprint", thumbprint).with("app", application.app_id())
}

fn signature_invalid(assertion: &Assertion<'_>, (start, end): (i64, i64)) -> AuthorityError {
    error::SIGNATURE_INVALID
        .with("thumbprint", &assertion.thumbprint_note())
        .with("start", &round_trip_time(start))
        .with("end", &round_trip_time(end))
}
