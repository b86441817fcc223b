//! A service that hands out assertions over HTTP.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue, Method, Request};
use unattended_core::{BoxFuture, HttpClient, Secret, redact_tokens, redact_url};
use zeroize::Zeroizing;

use super::{AssertionSource, LONGEST};
use crate::credential::AuthenticationContext;
use crate::error::Error;

/// A URL that answers with an assertion, asked for every request that leaves.
#[derive(Clone)]
pub struct AssertionUrl {
    name: String,
    method: Method,
    url: String,
    headers: Vec<(HeaderName, Secret)>,
    member: Option<String>,
    http: Arc<dyn HttpClient>,
}

impl AssertionUrl {
    /// The assertion is the whole answer to a GET of `url`, unless [`json_member`](Self::json_member) says otherwise.
    ///
    /// # Errors
    /// The URL is neither `https` nor on this machine.
    pub fn new(url: &str, http: Arc<dyn HttpClient>) -> Result<Self, Error> {
        let shown = redact_url(url);
        let uri: http::Uri = url.parse().map_err(|cause| {
            Error::configuration(format!("the assertion's URL `{shown}` is no URL")).caused_by(cause)
        })?;
        let host = uri.host().unwrap_or_default();
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_here => {}
            _ => {
                return Err(Error::configuration(format!(
                    "the assertion's URL `{shown}` is neither https nor on this machine"
                )));
            }
        }
        Ok(Self {
            name: host.to_owned(),
            method: Method::GET,
            url: url.to_owned(),
            headers: Vec::new(),
            member: None,
            http,
        })
    }

    /// The identity of a job of GitHub Actions, by what the runner puts into `ACTIONS_ID_TOKEN_REQUEST_URL` and
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN` for a job with the permission `id-token: write`.
    ///
    /// # Errors
    /// The URL is none.
    pub fn github_actions(
        request_url: &str,
        request_token: Secret,
        audience: &str,
        http: Arc<dyn HttpClient>,
    ) -> Result<Self, Error> {
        let separator = if request_url.contains('?') { '&' } else { '?' };
        let audience: String = byte_serialize(audience.as_bytes()).collect();
        Ok(Self::new(&format!("{request_url}{separator}audience={audience}"), http)?
            .bearer(&request_token)?
            .json_member("value")
            .named("GitHub Actions"))
    }

    /// The identity of a service connection of Azure Pipelines, by `SYSTEM_OIDCREQUESTURI` and `SYSTEM_ACCESSTOKEN`; the
    /// latter has to be mapped into the step's environment.
    ///
    /// # Errors
    /// The URL is none.
    pub fn azure_pipelines(
        request_url: &str,
        access_token: Secret,
        service_connection_id: &str,
        http: Arc<dyn HttpClient>,
    ) -> Result<Self, Error> {
        let connection: String = byte_serialize(service_connection_id.as_bytes()).collect();
        let url = format!("{request_url}?api-version=7.1&serviceConnectionId={connection}");
        let mut this = Self::new(&url, http)?
            .bearer(&access_token)?
            .header("X-TFS-FedAuthRedirect", Secret::from("Suppress"))?
            .header("Content-Length", Secret::from("0"))?
            .json_member("oidcToken")
            .named("Azure Pipelines");
        this.method = Method::POST;
        Ok(this)
    }

    /// Sends a header along; its value is treated as a secret.
    ///
    /// # Errors
    /// The name is no header's.
    pub fn header(mut self, name: &str, value: Secret) -> Result<Self, Error> {
        let name = HeaderName::try_from(name).map_err(|cause| {
            Error::configuration(format!("`{}` is no name of a header", name.escape_debug())).caused_by(cause)
        })?;
        self.headers.push((name, value));
        Ok(self)
    }

    /// Sends `Authorization: Bearer`.
    ///
    /// # Errors
    /// The token is not text.
    pub fn bearer(self, token: &Secret) -> Result<Self, Error> {
        let token = token.expose_text().ok_or_else(|| Error::credential("the bearer token is not text"))?;
        let value = Zeroizing::new(format!("Bearer {token}"));
        self.header(AUTHORIZATION.as_str(), Secret::from(value.as_str()))
    }

    /// The answer is JSON, and the assertion one member of it.
    #[must_use]
    pub fn json_member(self, name: &str) -> Self {
        Self { member: Some(name.to_owned()), ..self }
    }

    fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    async fn fetch(&self) -> Result<Secret, Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.url)
            .header(ACCEPT, if self.member.is_some() { "application/json" } else { "*/*" });
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| {
                Error::credential(format!("the value of `{name}` cannot be sent in a header"))
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let request = request.body(Bytes::new()).map_err(|cause| {
            Error::configuration(format!("{} cannot be asked", self.name)).caused_by(cause)
        })?;
        let unreachable = |cause| Error::unreachable(&self.url, cause);
        let (parts, body) = self.http.send(request).await.map_err(unreachable)?.into_parts();
        let body = body.collect(LONGEST).await.map_err(unreachable)?;
        if !parts.status.is_success() {
            return Err(self.refused(&parts, &body));
        }
        let Some(member) = &self.member else { return Ok(Secret::new(body.to_vec())) };
        serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|mut answer| match answer.get_mut(member)?.take() {
                serde_json::Value::String(assertion) => Some(Secret::new(assertion.into_bytes())),
                _ => None,
            })
            .ok_or_else(|| {
                Error::credential(format!("the answer of {} has no member `{member}` with text", self.name))
            })
    }

    /// With what the service says, and the numbers that its support asks for.
    fn refused(&self, parts: &http::response::Parts, body: &[u8]) -> Error {
        let text = redact_tokens(&String::from_utf8_lossy(&body[..body.len().min(300)]));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut message = format!("{} answered HTTP {}", self.name, parts.status.as_u16());
        if !text.is_empty() {
            message.push_str(&format!(": {text}"));
        }
        for name in ["x-vss-e2eid", "x-msedge-ref"] {
            if let Some(value) = parts.headers.get(name).and_then(|value| value.to_str().ok()) {
                message.push_str(&format!(" ({name} {value})"));
            }
        }
        let status = parts.status;
        match status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
            true => Error::of_outage(message, None),
            false => Error::credential(message),
        }
    }
}

impl AssertionSource for AssertionUrl {
    fn assertion<'a>(&'a self, _: &'a AuthenticationContext<'a>) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(self.fetch())
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

impl fmt::Debug for AssertionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AssertionUrl").field(&self.name).finish()
    }
}
