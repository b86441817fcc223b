//! Metadata of an authorization server (RFC 8414, OpenID Connect Discovery 1.0), fetched once and remembered, also
//! when there is none.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::Uri;
use serde::Deserialize;
use tokio::sync::Mutex;
use unattended_core::{Clock, HttpClient};

use super::metadata::Metadata;
use crate::deadline::{timed_out, within};
use crate::error::{Error, ErrorKind};

/// How long metadata is used before it is asked for again. Servers change it when they move, which is rare and
/// announced.
const FRESH: Duration = Duration::from_secs(24 * 3_600);

/// How long a failure is remembered that somebody has to mend, and one that passes.
const REFUSED_FOR: Duration = Duration::from_secs(30);
const UNREACHABLE_FOR: Duration = Duration::from_secs(5);

const TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of one issuer.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    known: ArcSwapOption<Known>,
    /// Held by the one who asks, so that the others ask nobody.
    asking: Mutex<()>,
}

/// The last answer and until when, on the monotonic clock, it is taken without asking.
#[derive(Clone, Debug)]
struct Known {
    outcome: Result<Arc<Metadata>, Error>,
    until: Duration,
}

#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    mtls_endpoint_aliases: Option<Aliases>,
}

/// RFC 8705 section 5.
#[derive(Deserialize)]
struct Aliases {
    token_endpoint: Option<String>,
}

impl Discovery {
    /// The metadata of `issuer`. Any number of callers cause one request; a failure is told to all who ask within the
    /// next seconds; metadata that once was good is kept when the server cannot be asked again.
    pub(super) async fn metadata(
        &self,
        issuer: &str,
        http: &dyn HttpClient,
        clock: &dyn Clock,
    ) -> Result<Arc<Metadata>, Error> {
        if let Some(outcome) = self.current(clock) {
            return outcome;
        }
        let _asking = self.asking.lock().await;
        if let Some(outcome) = self.current(clock) {
            return outcome;
        }
        let fetched = within(clock, TIMEOUT, pin!(fetch(issuer, http)))
            .await
            .unwrap_or_else(|| Err(timed_out("the metadata of the issuer did not arrive", TIMEOUT)));
        let before = self.known.load().as_ref().and_then(|known| known.outcome.clone().ok());
        let (outcome, valid) = match (fetched, before) {
            (Ok(metadata), _) => (Ok(Arc::new(metadata)), FRESH),
            (Err(error), Some(before)) if error.is_transient() => (Ok(before), UNREACHABLE_FOR),
            (Err(error), _) if error.is_transient() => (Err(error), UNREACHABLE_FOR),
            (Err(error), _) => (Err(error), REFUSED_FOR),
        };
        self.known.store(Some(Arc::new(Known { outcome: outcome.clone(), until: clock.elapsed() + valid })));
        outcome
    }

    /// The token endpoint, if the metadata has been read.
    pub(super) fn known_endpoint(&self) -> Option<String> {
        let known = self.known.load();
        Some(known.as_ref()?.outcome.as_ref().ok()?.token_endpoint.clone())
    }

    fn current(&self, clock: &dyn Clock) -> Option<Result<Arc<Metadata>, Error>> {
        let known = self.known.load();
        known.as_ref().filter(|known| clock.elapsed() < known.until).map(|known| known.outcome.clone())
    }
}

/// Where OpenID Connect servers keep their metadata: below the issuer.
pub(super) fn openid_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Where plain OAuth 2.0 servers keep it: between host and path (RFC 8414 section 3.1).
fn oauth_url(issuer: &str) -> String {
    let path =
        issuer.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let origin = issuer.trim_end_matches('/').strip_suffix(&path).unwrap_or(issuer);
    format!("{origin}/.well-known/oauth-authorization-server{path}")
}

async fn fetch(issuer: &str, http: &dyn HttpClient) -> Result<Metadata, Error> {
    let openid = get(&openid_url(issuer), http).await;
    let document = match openid {
        Err(error) if error.status() == Some(404) => get(&oauth_url(issuer), http).await?,
        other => other?,
    };
    if document.issuer.as_deref() != Some(issuer) {
        return Err(Error::configuration(format!(
            "the metadata of `{issuer}` says that its issuer is `{}`",
            document.issuer.unwrap_or_default().chars().take(200).collect::<String>().escape_debug()
        )));
    }
    let token_endpoint = document
        .token_endpoint
        .ok_or_else(|| Error::protocol(format!("the metadata of `{issuer}` names no token endpoint")))?;
    // A server without an alias takes such clients at its ordinary endpoint.
    let mutual_tls_endpoint = document
        .mtls_endpoint_aliases
        .and_then(|aliases| aliases.token_endpoint)
        .unwrap_or_else(|| token_endpoint.clone());
    if [&token_endpoint, &mutual_tls_endpoint].iter().any(|endpoint| !endpoint.starts_with("https://")) {
        return Err(Error::protocol(format!("a token endpoint of `{issuer}` is not https")));
    }
    Ok(Metadata {
        token_endpoint,
        mutual_tls_endpoint: Some(mutual_tls_endpoint),
        secret_methods: document.token_endpoint_auth_methods_supported,
    })
}

async fn get(url: &str, http: &dyn HttpClient) -> Result<Document, Error> {
    let request = http::Request::get(url)
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|cause| Error::configuration(format!("`{url}` cannot be requested")).caused_by(cause))?;
    let response = http.send(request).await.map_err(|cause| Error::unreachable(url, cause))?;
    let status = response.status();
    if !status.is_success() {
        let passes = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let kind = if passes { ErrorKind::Transient } else { ErrorKind::Configuration };
        return Err(
            Error::new(kind, format!("no metadata at {url}: HTTP {status}")).with_status(status.as_u16())
        );
    }
    let body =
        response.into_body().collect(256 * 1024).await.map_err(|cause| Error::unreachable(url, cause))?;
    serde_json::from_slice(&body).map_err(|cause| {
        Error::protocol(format!("the metadata at {url} is not what RFC 8414 describes")).caused_by(cause)
    })
}

#[cfg(test)]
mod tests {
    use unattended_core::{HttpErrorKind, ManualClock};

    use super::*;
    use crate::test_support::Server;

    const ISSUER: &str = "https://idp.example/oidc";

    fn document(issuer: &str) -> String {
        format!(r#"{{"issuer":"{issuer}","token_endpoint":"https://idp.example/oidc/token"}}"#)
    }

    // D18
    #[tokio::test]
    async fn another_issuers_metadata_is_refused_every_time_and_never_kept() {
        let (server, clock, discovery) = (Server::new(), ManualClock::at(0), Discovery::default());
        for expected_requests in [1, 1, 2] {
            if expected_requests > server.requests().len() {
                clock.advance(REFUSED_FOR);
                server.answer(200, &document("https://evil.example"));
            }
            let error = discovery.metadata(ISSUER, &server, &clock).await.unwrap_err();
            assert!(error.to_string().contains("https://evil.example"), "{error}");
            assert_eq!(server.requests().len(), expected_requests);
        }
        clock.advance(REFUSED_FOR);
        server.answer(200, &document(ISSUER));
        for _ in 0..2 {
            let metadata = discovery.metadata(ISSUER, &server, &clock).await.unwrap();
            assert_eq!(metadata.token_endpoint, "https://idp.example/oidc/token");
        }
        assert_eq!(server.requests().len(), 3);
    }

    // D18; 62 (section 3.5)
    #[tokio::test]
    async fn metadata_that_names_no_issuer_or_no_safe_endpoint_is_refused_twice() {
        let of = |issuer: &str, endpoint: &str| format!(r#"{{{issuer}"token_endpoint":"{endpoint}"}}"#);
        let mine = r#""issuer":"https://idp.example/oidc","#;
        for (body, complaint) in [
            (of("", "https://idp.example/token"), "says that its issuer is ``"),
            (of(r#""issuer":null,"#, "https://idp.example/token"), "says that its issuer is ``"),
            (of(r#""issuer":"","#, "https://idp.example/token"), "says that its issuer is ``"),
            (
                of(r#""issuer":"https://idp.example/oidc/","#, "https://idp.example/token"),
                "is `https://idp.example/oidc/`",
            ),
            (
                of(r#""issuer":"https://IDP.example/oidc","#, "https://idp.example/token"),
                "is `https://IDP.example/oidc`",
            ),
            (
                of(r#""issuer":"http://idp.example/oidc","#, "https://idp.example/token"),
                "is `http://idp.example/oidc`",
            ),
            (of(mine, "http://idp.example/token"), "is not https"),
            (of(mine, "//idp.example/token"), "is not https"),
            (format!("{{{}}}", mine.trim_end_matches(',')), "names no token endpoint"),
            ("<html>".to_owned(), "not what RFC 8414 describes"),
        ] {
            let (server, clock, discovery) = (Server::new(), ManualClock::at(0), Discovery::default());
            for _ in 0..2 {
                server.answer(200, &body);
                let error = discovery.metadata(ISSUER, &server, &clock).await.unwrap_err();
                assert!(error.to_string().contains(complaint), "{body}: {error}");
                assert_eq!(discovery.known_endpoint(), None);
                clock.advance(REFUSED_FOR);
            }
            assert_eq!(server.requests().len(), 2);
        }
    }

    // D19
    #[tokio::test]
    async fn a_failed_or_silent_discovery_is_remembered_for_seconds() {
        let (server, discovery) = (Server::new(), Discovery::default());
        let clock = ManualClock::self_advancing_at(0);
        assert!(discovery.metadata(ISSUER, &server, &clock).await.unwrap_err().is_transient(), "silent");
        assert!(discovery.metadata(ISSUER, &server, &clock).await.unwrap_err().is_transient());
        assert_eq!(server.requests().len(), 1, "the second caller asks nobody");
        clock.advance(UNREACHABLE_FOR);
        server.answer(200, &document(ISSUER));
        discovery.metadata(ISSUER, &server, &clock).await.unwrap();
    }

    #[tokio::test]
    async fn metadata_that_once_was_good_outlives_a_server_that_is_away() {
        let (server, clock, discovery) = (Server::new(), ManualClock::at(0), Discovery::default());
        server.answer(200, &document(ISSUER));
        discovery.metadata(ISSUER, &server, &clock).await.unwrap();
        clock.advance(FRESH);
        server.fail(HttpErrorKind::Connect);
        discovery.metadata(ISSUER, &server, &clock).await.unwrap();
        assert_eq!(server.requests().len(), 2);
    }

    // Case 63 of the peers' suites.
    #[tokio::test]
    async fn many_first_callers_fetch_one_document() {
        let (server, clock, discovery) = (Server::new(), ManualClock::at(0), Discovery::default());
        let callers = (0..50).map(|_| discovery.metadata(ISSUER, &server, &clock));
        let answer = async { server.answer(200, &document(ISSUER)) };
        let (all, ()) = futures_util::future::join(futures_util::future::join_all(callers), answer).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_server_without_openid_metadata_is_asked_for_its_oauth_metadata() {
        let server = Server::new();
        server.answer(404, "");
        server.answer(200, &document(ISSUER));
        fetch(ISSUER, &server).await.unwrap();
        assert_eq!(
            server.requests()[1].uri,
            "https://idp.example/.well-known/oauth-authorization-server/oidc"
        );
    }
}
