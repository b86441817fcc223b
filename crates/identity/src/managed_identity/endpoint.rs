//! One token over the wire, with the patience that each host needs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::StatusCode;
use tracing::debug;
use unattended_core::{Clock, Entropy, HttpClient, Secret};
use zeroize::Zeroize;

use super::host::{ManagedIdentityHost, ManagedIdentityId};
use super::{arc, request, response};
use crate::deadline::{timed_out, within};
use crate::error::Error;
use crate::token_response::Issued;

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const RETRIES: u32 = 3;
/// While the platform of a virtual machine is updated its metadata service answers 410, for up to 70 seconds.
const UPDATE_RETRIES: u32 = 7;
const UPDATE_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_BODY: usize = 1024 * 1024;

/// Whom to ask for what, and by which means.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: ManagedIdentityHost,
    pub(super) id: ManagedIdentityId,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Why it was asked again last.
    pub(super) trouble: ArcSwapOption<Error>,
}

/// A token, and how many requests it took.
pub(super) struct Fetched {
    pub(super) issued: Issued,
    pub(super) attempts: u16,
}

impl Endpoint {
    pub(super) async fn fetch(&self, resource: &str) -> Result<Fetched, Error> {
        self.trouble.store(None);
        let (mut failures, mut updates, mut attempts) = (0, 0, 0);
        loop {
            attempts += 1;
            let sent = pin!(self.ask(resource));
            let error = match within(&*self.clock, ATTEMPT_TIMEOUT, sent).await {
                Some(Ok(issued)) => return Ok(Fetched { issued, attempts }),
                Some(Err(error)) => error,
                None => timed_out(&format!("{} did not answer", self.host.name()), ATTEMPT_TIMEOUT),
            };
            let is_update = error.status() == Some(410);
            let tried = if is_update { &mut updates } else { &mut failures };
            *tried += 1;
            let limit = if is_update { UPDATE_RETRIES } else { RETRIES };
            if !error.is_transient() || *tried > limit {
                return Err(error);
            }
            let now = self.clock.now();
            let asked = error.retry_at().and_then(|at| at.duration_since(now).ok());
            let wait = match asked {
                Some(asked) if asked > LONGEST_WAIT => return Err(error),
                Some(asked) => asked,
                None if is_update => UPDATE_PAUSE,
                None => self.pause(*tried),
            };
            debug!(attempts, wait_ms = wait.as_millis() as u64, %error, "managed identity will be asked again");
            self.trouble.store(Some(Arc::new(error)));
            self.clock.sleep(wait).await;
        }
    }

    /// For who cannot wait as long as the host is asked.
    pub(super) fn asked_on(&self) -> Error {
        let trouble = self.trouble.load_full().map(|error| Box::new(Error::clone(&error)) as _);
        Error::of_outage(format!("{} has not given a token yet, and is asked on", self.host.name()), trouble)
    }

    /// 1, 2 and 4 seconds at the metadata service, which counts requests; one second elsewhere.
    fn pause(&self, failures: u32) -> Duration {
        let seconds = match self.host {
            ManagedIdentityHost::Imds { .. } => 1 << (failures - 1),
            _ => 1,
        };
        Duration::from_secs(seconds).mul_f64(1.0 + self.entropy.unit() / 4.0)
    }

    async fn ask(&self, resource: &str) -> Result<Issued, Error> {
        match (self.exchange(resource, None).await?, &self.host) {
            (Answer::Token(issued), _) => Ok(issued),
            (Answer::Challenge(headers), ManagedIdentityHost::Arc { tokens_directory, .. }) => {
                let proof = arc::proof(&headers, tokens_directory)?;
                match self.exchange(resource, Some(&proof)).await? {
                    Answer::Token(issued) => Ok(issued),
                    Answer::Challenge(_) => Err(Error::credential(
                        "the Arc agent does not accept the answer to its own challenge",
                    )),
                }
            }
            (Answer::Challenge(_), host) => {
                Err(Error::credential(format!("{} answered HTTP 401", host.name())).with_status(401))
            }
        }
    }

    async fn exchange(&self, resource: &str, proof: Option<&Secret>) -> Result<Answer, Error> {
        let name = self.host.name();
        let request = request::build(&self.host, &self.id, resource, proof)?;
        let unreachable = |cause: unattended_core::HttpError| {
            Error::of_outage(
                format!("{name} cannot be reached; is this machine in Azure?"),
                Some(Box::new(cause)),
            )
        };
        let (parts, body) = self.http.send(request).await.map_err(unreachable)?.into_parts();
        let body = body.collect(LONGEST_BODY).await.map_err(unreachable)?;
        let answer = match parts.status {
            StatusCode::OK => response::success(name, &body, self.clock.now()).map(Answer::Token),
            StatusCode::UNAUTHORIZED if matches!(self.host, ManagedIdentityHost::Arc { .. }) => {
                Ok(Answer::Challenge(parts.headers))
            }
            status => Err(response::failure(name, status.as_u16(), &parts.headers, &body, self.clock.now())),
        };
        if let Ok(mut body) = body.try_into_mut() {
            body.zeroize();
        }
        answer
    }
}

enum Answer {
    Token(Issued),
    Challenge(http::HeaderMap),
}
