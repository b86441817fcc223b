//! One acquisition over the wire: credentials in order of preference, a few attempts each, one deadline over all.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tracing::debug;
use unattended_core::{ClientId, Clock, Entropy, HttpClient, Secret};
use zeroize::Zeroize;

use crate::authority::Authority;
use crate::bound::{BEARER, Binding, Bond, MTLS_POP, Prover, Shown};
use crate::credential::{AuthenticationContext, Credential, Roster};
use crate::deadline::{timed_out, within};
use crate::error::Error;
use crate::profile::Profile;
use crate::server_clock::ServerClock;
use crate::token_request::TokenRequest;
use crate::token_response::{self, Issued};

const ATTEMPTS: u32 = 3;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// For credentials that ask others; less than an attempt, so that it is known what took so long.
const CREDENTIAL_TIMEOUT: Duration = Duration::from_secs(8);
const DEADLINE: Duration = Duration::from_secs(30);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);
const LONGEST_BODY: usize = 1024 * 1024;

/// What an exchange works with.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) client_id: ClientId,
    pub(crate) credentials: Roster,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) server_clock: ServerClock,
}

/// What one exchange is to bring, and what it cost.
#[derive(Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) profile: &'a Profile,
    pub(crate) scope: &'a str,
    /// All claims together, as JSON.
    pub(crate) claims: Option<&'a str>,
    /// What the server gave last time for this time; of use once.
    pub(crate) refresh_token: Option<&'a Secret>,
    pub(crate) correlation_id: &'a str,
    pub(crate) cost: Cost,
}

/// What an exchange cost so far.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    attempts: AtomicU16,
    network_nanoseconds: AtomicU64,
}

impl Cost {
    pub(crate) fn attempts(&self) -> u16 {
        self.attempts.load(Relaxed)
    }

    pub(crate) fn network(&self) -> Duration {
        Duration::from_nanos(self.network_nanoseconds.load(Relaxed))
    }

    fn add_network(&self, took: Duration) {
        self.network_nanoseconds.fetch_add(took.as_nanos() as u64, Relaxed);
    }
}

impl Exchange {
    /// Changes when any credential does.
    pub(crate) fn credential_epoch(&self) -> u64 {
        self.credentials.credentials().fold(0, |all, one| all.rotate_left(7) ^ one.epoch())
    }

    /// Whether a credential shows this very certificate, and not the one before or after.
    pub(crate) fn shows(&self, shown: &Shown) -> bool {
        self.credentials.credentials().any(|one| one.shown_certificate() == Some(shown.thumbprint))
    }

    pub(crate) async fn acquire(&self, errand: &Errand<'_>) -> Result<Issued, Error> {
        let until = self.clock.elapsed() + DEADLINE;
        let issued = self.first_that_works(errand, until).await?;
        let Errand { scope, correlation_id, .. } = errand;
        debug!(scope, correlation_id, lifetime = issued.lifetime.as_secs(), "token acquired");
        Ok(issued)
    }

    /// The next credential is tried when the server does not accept one, which is the overlap during a rotation, and when
    /// one cannot be had, such as a managed identity outside of Azure. If none works, the failure of the preferred one is
    /// told, and a refusal rather than that there was nothing to refuse.
    async fn first_that_works(&self, errand: &Errand<'_>, until: Duration) -> Result<Issued, Error> {
        let mut told: Option<((bool, usize), Error)> = None;
        let mut order = self.credentials.in_order(self.clock.elapsed()).into_iter().peekable();
        while let Some((rank, member)) = order.next() {
            let credential = member.credential();
            let is_last = order.peek().is_none();
            let ahead = self.server_clock.ahead();
            let mut outcome = self.attempts(credential, errand, until, is_last).await;
            if let Err(error) = &outcome
                && error.may_be_mended_by_reloading()
                && (within(&*self.clock, self.left(until), credential.reload()).await == Some(true)
                    || self.server_clock.ahead() != ahead)
            {
                let ahead = self.server_clock.ahead();
                debug!(credential = credential.describe(), ahead, %error, "worth another attempt with what is new");
                outcome = self.attempts(credential, errand, until, is_last).await;
            }
            member.give_notice(self.clock.now());
            match outcome {
                Err(error) if error.is_of_this_credential_alone() => {
                    debug!(credential = credential.describe(), %error, "not with this credential");
                    // What failed here at once may be there the next time.
                    let costs = error.oauth_error().is_some() || error.is_outage_of_credential();
                    if costs && self.credentials.is_choice() {
                        member.steps_back(self.clock.elapsed(), error.clone());
                    }
                    let place = (error.is_transient(), rank);
                    if told.as_ref().is_none_or(|(before, _)| place < *before) {
                        told = Some((place, error));
                    }
                }
                other => {
                    if other.is_ok() {
                        member.was_accepted();
                    }
                    return other;
                }
            }
        }
        Err(told.map_or_else(|| Error::credential("no credential is configured"), |(_, error)| error))
    }

    /// Ends at `until`, since each attempt does: one timer is enough for both limits. Unless it is the last one, a
    /// credential that cannot be had is not waited for.
    async fn attempts(
        &self,
        credential: &dyn Credential,
        errand: &Errand<'_>,
        until: Duration,
        is_last: bool,
    ) -> Result<Issued, Error> {
        let mut attempt = 1;
        let mut nonce_was_demanded = false;
        let mut before: Option<Error> = None;
        loop {
            let sent = pin!(self.attempt(credential, errand));
            let limit = ATTEMPT_TIMEOUT.min(self.left(until));
            let error = match within(&*self.clock, limit, sent).await {
                Some(Ok(issued)) => return Ok(issued),
                Some(Err(error)) => error,
                None if limit == ATTEMPT_TIMEOUT => timed_out("the token endpoint did not answer", limit),
                None => {
                    let late = timed_out("the token could not be acquired", DEADLINE);
                    match before.take() {
                        Some(attempt_before) => late.caused_by(attempt_before),
                        None => late,
                    }
                }
            };
            // The server's way to say which nonce it wants in the proof (RFC 9449 section 8).
            if error.oauth_error() == Some("use_dpop_nonce") && !nonce_was_demanded {
                nonce_was_demanded = true;
                continue;
            }
            let now = self.clock.now();
            let asked = error.retry_at().and_then(|at| at.duration_since(now).ok());
            let backoff =
                LONGEST_BACKOFF.min(Duration::from_secs(1 << attempt.min(8))).mul_f64(self.entropy.unit());
            let wait =
                asked.map_or(backoff, |asked| asked + backoff.min(asked / 10).min(Duration::from_secs(1)));
            let is_late = wait + ATTEMPT_TIMEOUT / 2 > self.left(until);
            let is_left = error.is_outage_of_credential() && !is_last;
            if !error.is_transient() || attempt == ATTEMPTS || is_late || is_left {
                return Err(error);
            }
            debug!(attempt, wait_ms = wait.as_millis() as u64, %error, "token request will be repeated");
            self.clock.sleep(wait).await;
            before = Some(error);
            attempt += 1;
            nonce_was_demanded = false;
        }
    }

    fn left(&self, until: Duration) -> Duration {
        until.saturating_sub(self.clock.elapsed())
    }

    async fn attempt(&self, credential: &dyn Credential, errand: &Errand<'_>) -> Result<Issued, Error> {
        let metadata = errand.authority.metadata(&*self.http, &*self.clock).await?;
        let mut request = errand.request();
        let (now, leeway) = self.server_clock.read(self.clock.now());
        let context = AuthenticationContext {
            client_id: self.client_id.as_str(),
            tenant: errand.authority.tenant(),
            token_endpoint: &metadata.token_endpoint,
            secret_methods: metadata.secret_methods.as_deref(),
            is_microsoft: errand.authority.is_microsoft(),
            now,
            leeway,
            correlation_id: errand.correlation_id,
            claims: errand.claims,
            parameters: &errand.profile.parameters,
            entropy: &*self.entropy,
        };
        let authenticated = credential.authenticate(&context, &mut request);
        let proven = within(&*self.clock, CREDENTIAL_TIMEOUT, authenticated).await.unwrap_or_else(|| {
            Err(timed_out(&format!("no proof by {} came", credential.describe()), CREDENTIAL_TIMEOUT))
        });
        proven.map_err(Error::without_proof)?;
        let shown = request.shown().cloned();
        let for_certificate = match &shown {
            Some(_) => Some(errand.authority.mutual_tls_endpoint(&metadata).ok_or_else(|| {
                Error::configuration("no host of the authority is known that asks for a client certificate")
            })?),
            None => None,
        };
        let endpoint = for_certificate.as_ref().unwrap_or(&metadata.token_endpoint);
        let bond = self.bond(credential, errand, shown)?;
        let proof = match &bond.prover {
            Some(prover) => Some(prover.proof(&http::Method::POST, &address(endpoint)?, None)?),
            None => None,
        };
        let request = request.into_http(endpoint, errand.correlation_id, proof)?;
        errand.cost.attempts.fetch_add(1, Relaxed);
        let sent_at = self.clock.elapsed();
        let answered = self.answer(endpoint, request, &bond).await;
        errand.cost.add_network(self.clock.elapsed().saturating_sub(sent_at));
        answered
    }

    /// What the token is going to be bound to.
    fn bond(
        &self,
        credential: &dyn Credential,
        errand: &Errand<'_>,
        shown: Option<Arc<Shown>>,
    ) -> Result<Bond, Error> {
        let mut bond = Bond { shown, ..Bond::default() };
        match &errand.profile.binding {
            Binding::Bearer => {}
            Binding::Certificate if bond.shown.is_none() => {
                return Err(Error::credential(format!(
                    "a token cannot be bound to a certificate that no connection shows, as with {}",
                    credential.describe()
                )));
            }
            Binding::Certificate if errand.authority.is_microsoft() => bond.demanded = Some(MTLS_POP),
            Binding::Certificate => bond.demanded = Some(BEARER),
            Binding::Key(key) => {
                let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
                bond.prover = Some(Prover { key: key.clone(), clock, entropy });
            }
        }
        Ok(bond)
    }

    async fn answer(
        &self,
        endpoint: &str,
        request: http::Request<bytes::Bytes>,
        bond: &Bond,
    ) -> Result<Issued, Error> {
        let connections = bond.shown.as_ref().map_or(&self.http, |shown| &shown.connections);
        let proved = bond.prover.as_ref().map(|prover| (prover, request.uri().clone()));
        // Dropped once the token has its place. The allocator would cut that from this one's, and neither the next
        // exchange nor another token fits into what is left: a tenth of a kilobyte for each tenant.
        let mut exchange = connections.send(request);
        let response = (&mut exchange).await.map_err(|cause| Error::unreachable(endpoint, cause))?;
        let (parts, body) = response.into_parts();
        if let Some((prover, uri)) = proved {
            prover.heed_authority(&uri, &parts.headers);
        }
        let body = body.collect(LONGEST_BODY).await.map_err(|cause| Error::unreachable(endpoint, cause))?;
        let now = self.clock.now();
        let result = match parts.status.as_u16() {
            status @ 200..=299 => token_response::success(status, &body, bond),
            status => Err(token_response::failure(status, &parts.headers, &body, now)),
        };
        if result.as_ref().is_err_and(Error::may_be_mended_by_reloading) {
            self.server_clock.heed(&parts.headers, now);
        }
        if let Ok(mut body) = body.try_into_mut() {
            body.zeroize();
        }
        result
    }
}

impl Errand<'_> {
    /// The request without what proves the client.
    fn request(&self) -> TokenRequest {
        let mut request = match self.refresh_token.and_then(Secret::expose_text) {
            Some(refresh_token) => TokenRequest::refresh(refresh_token),
            None => TokenRequest::client_credentials(),
        };
        match self.profile.scope.strip_suffix("/.default") {
            // AD FS names the resource by itself and knows no `.default`.
            Some(resource) if self.authority.is_adfs() => request.field("resource", resource),
            _ => request.field("scope", self.scope),
        }
        if let Some(resource) = &self.profile.resource {
            request.field("resource", resource);
        }
        if self.profile.binding == Binding::Certificate && self.authority.is_microsoft() {
            request.field("token_type", MTLS_POP);
        }
        if let Some(claims) = self.claims {
            request.field("claims", claims);
        }
        for (name, value) in &self.profile.parameters {
            request.field(name, value);
        }
        request
    }
}

fn address(endpoint: &str) -> Result<http::Uri, Error> {
    endpoint.parse().map_err(|cause| {
        Error::configuration(format!("the token endpoint `{endpoint}` is no URL")).caused_by(cause)
    })
}

/// How long a server wants to be left alone, as the error says.
pub(crate) fn retry_in(error: &Error, now: SystemTime) -> Option<Duration> {
    error.retry_at()?.duration_since(now).ok().filter(|wait| !wait.is_zero())
}
