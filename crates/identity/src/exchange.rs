//! One acquisition over the wire: credentials in order of preference, a few attempts each, one deadline over all.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use tracing::debug;
use unattended_core::{ClientId, Clock, Entropy, HttpClient};
use zeroize::Zeroize;

use crate::authority::Authority;
use crate::cache::TokenKey;
use crate::credential::{AuthenticationContext, Credential};
use crate::error::{Error, ErrorKind};
use crate::refresh::refresh_after;
use crate::token::{AccessToken, Kept};
use crate::token_request::TokenRequest;
use crate::token_response::{self, Issued};

const ATTEMPTS: u32 = 3;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(30);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);
const LONGEST_BODY: usize = 1024 * 1024;

/// What an exchange works with.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) authority: Authority,
    pub(crate) client_id: ClientId,
    pub(crate) credentials: Vec<Arc<dyn Credential>>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Exchange {
    pub(crate) async fn acquire(
        &self,
        key: &TokenKey,
        scope: &str,
        claims: Option<&str>,
    ) -> Result<Kept, Error> {
        let correlation_id = self.entropy.uuid();
        let issued =
            within(&*self.clock, DEADLINE, self.first_that_works(key, scope, claims, &correlation_id))
                .await
                .unwrap_or_else(|| Err(timed_out("the token could not be acquired", DEADLINE)))?;
        let (now, since) = (self.clock.now(), self.clock.elapsed());
        let refresh_after = refresh_after(issued.lifetime, issued.refresh_in, key);
        debug!(scope, correlation_id, lifetime = issued.lifetime.as_secs(), "token acquired");
        let (expires_at, refresh_at) = (now + issued.lifetime, now + refresh_after);
        let token = AccessToken::new(issued.authorization, expires_at, refresh_at, correlation_id);
        Ok(Kept { token, since, lifetime: issued.lifetime, refresh_after })
    }

    /// The next credential is tried when the server does not accept one: that is the overlap during a rotation. If
    /// none works, the failure of the preferred one is told.
    async fn first_that_works(
        &self,
        key: &TokenKey,
        scope: &str,
        claims: Option<&str>,
        correlation_id: &str,
    ) -> Result<Issued, Error> {
        let mut preferred = None;
        for credential in &self.credentials {
            match self.attempts(&**credential, key, scope, claims, correlation_id).await {
                Err(error) if error.is_credential() => {
                    debug!(credential = credential.describe(), %error, "credential not accepted");
                    preferred.get_or_insert(error);
                }
                other => return other,
            }
        }
        Err(preferred.unwrap_or_else(|| Error::credential("no credential is configured")))
    }

    async fn attempts(
        &self,
        credential: &dyn Credential,
        key: &TokenKey,
        scope: &str,
        claims: Option<&str>,
        correlation_id: &str,
    ) -> Result<Issued, Error> {
        let began = self.clock.elapsed();
        let mut attempt = 1;
        loop {
            let sent = self.attempt(credential, key, scope, claims, correlation_id);
            let error = match within(&*self.clock, ATTEMPT_TIMEOUT, sent).await {
                Some(Ok(issued)) => return Ok(issued),
                Some(Err(error)) => error,
                None => timed_out("the token endpoint did not answer", ATTEMPT_TIMEOUT),
            };
            let now = self.clock.now();
            let asked = error.retry_at().and_then(|at| at.duration_since(now).ok());
            let backoff =
                LONGEST_BACKOFF.min(Duration::from_secs(1 << attempt.min(8))).mul_f64(self.entropy.unit());
            let wait =
                asked.map_or(backoff, |asked| asked + backoff.min(asked / 10).min(Duration::from_secs(1)));
            let left = DEADLINE.saturating_sub(self.clock.elapsed().saturating_sub(began));
            if !error.is_transient() || attempt == ATTEMPTS || wait + ATTEMPT_TIMEOUT / 2 > left {
                return Err(error);
            }
            debug!(attempt, wait_ms = wait.as_millis() as u64, %error, "token request will be repeated");
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        credential: &dyn Credential,
        key: &TokenKey,
        scope: &str,
        claims: Option<&str>,
        correlation_id: &str,
    ) -> Result<Issued, Error> {
        let metadata = self.authority.metadata(&*self.http).await?;
        let endpoint = &metadata.token_endpoint;
        let mut request = TokenRequest::client_credentials(scope);
        if let Some(resource) = &key.resource {
            request.field("resource", resource);
        }
        if let Some(claims) = claims {
            request.field("claims", claims);
        }
        let context = AuthenticationContext {
            client_id: self.client_id.as_str(),
            token_endpoint: endpoint,
            secret_methods: metadata.secret_methods.as_deref(),
            is_microsoft: self.authority.is_microsoft(),
            now: self.clock.now(),
            unique_id: &self.entropy.uuid(),
        };
        credential.authenticate(&context, &mut request).await?;
        let request = request.into_http(endpoint, correlation_id)?;
        let response = self.http.send(request).await.map_err(|cause| Error::unreachable(endpoint, cause))?;
        let (parts, body) = response.into_parts();
        let body = body.collect(LONGEST_BODY).await.map_err(|cause| Error::unreachable(endpoint, cause))?;
        let result = match parts.status.as_u16() {
            200 => token_response::success(&body),
            status => Err(token_response::failure(status, &parts.headers, &body, self.clock.now())),
        };
        if let Ok(mut body) = body.try_into_mut() {
            body.zeroize();
        }
        result
    }
}

/// How long a server wants to be left alone, as the error says.
pub(crate) fn retry_in(error: &Error, now: SystemTime) -> Option<Duration> {
    error.retry_at()?.duration_since(now).ok().filter(|wait| !wait.is_zero())
}

fn timed_out(what: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Transient, format!("{what} within {} s", limit.as_secs()))
}

async fn within<T>(clock: &dyn Clock, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(std::pin::pin!(work), clock.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
