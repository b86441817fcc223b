//! Serves the pages to whoever has logged in.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use unattended_core::{Clock, Secret};

use crate::error::ConsoleError;
use crate::guard::{self, Refusal};
use crate::pages;
use crate::server;
use crate::session::Session;
use crate::source::{SourceError, StatusSource};

/// How many runs the page of a job shows.
const RUNS: u32 = 50;

/// A console that is not served yet.
#[derive(Debug)]
pub struct Console {
    source: Arc<dyn StatusSource>,
    clock: Arc<dyn Clock>,
    listen: SocketAddr,
    time_zone: TimeZone,
}

impl Console {
    /// A console on a free port of 127.0.0.1 that shows what `source` tells, with times in the zone of the machine.
    pub fn new(source: Arc<dyn StatusSource>, clock: Arc<dyn Clock>) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { source, clock, listen, time_zone: TimeZone::system() }
    }

    /// Another address of this machine; port 0 is a free one.
    #[must_use]
    pub fn listen(self, listen: SocketAddr) -> Self {
        Self { listen, ..self }
    }

    /// Another zone for the times on the pages.
    #[must_use]
    pub fn time_zone(self, time_zone: TimeZone) -> Self {
        Self { time_zone, ..self }
    }

    /// Serves on tasks of the current tokio runtime.
    ///
    /// # Errors
    /// The address is not one of this machine alone ([`ConsoleError::is_not_loopback`]), or it is taken.
    pub async fn start(self) -> Result<RunningConsole, ConsoleError> {
        if !self.listen.ip().is_loopback() {
            return Err(ConsoleError::not_loopback(self.listen));
        }
        let failed = |error| ConsoleError::listen(self.listen, error);
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (session, key) = Session::new(address.port())?;
        let login_url =
            format!("http://{address}/login?key={}", key.expose_text().unwrap_or_default()).into();
        let router = router(Shared { source: self.source, time_zone: self.time_zone, address, session });
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server::serve(listener, router, self.clock, stop.clone()));
        Ok(RunningConsole { address, login_url, stop: stop.drop_guard(), serving })
    }
}

/// A console that is served until it is shut down or dropped.
pub struct RunningConsole {
    address: SocketAddr,
    login_url: Secret,
    stop: DropGuard,
    serving: JoinHandle<()>,
}

impl RunningConsole {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The one way in: whoever opens it first. It is for the terminal of the administrator and no other place.
    #[must_use]
    pub fn login_url(&self) -> &Secret {
        &self.login_url
    }

    /// Takes no new connections, and returns when requests under way have ended.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::warn!(%error, "the console did not end well");
        }
    }
}

impl fmt::Debug for RunningConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningConsole").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What every request needs.
pub(crate) struct Shared {
    pub(crate) source: Arc<dyn StatusSource>,
    pub(crate) time_zone: TimeZone,
    pub(crate) address: SocketAddr,
    pub(crate) session: Session,
}

pub(crate) fn router(shared: Shared) -> Router {
    let shared = Arc::new(shared);
    Router::new()
        .route("/", get(overview))
        .route("/job", get(job))
        .route("/application", get(application))
        .route("/api/status", get(api_status))
        .route("/login", get(login))
        .fallback(async |uri: Uri| refuse(Refusal::NotFound, &uri))
        .layer(from_fn_with_state(Arc::clone(&shared), admit))
        .with_state(shared)
}

/// Every request and every answer comes through here.
async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let uri = parts.uri.clone();
    let admitted = guard::check(&parts, shared.address).and_then(|()| {
        let may_pass = uri.path() == "/login" || shared.session.admits(&parts.headers);
        may_pass.then_some(()).ok_or(Refusal::NoSession)
    });
    let mut response = match admitted {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => {
            tracing::debug!(?refusal, path = uri.path(), "a request was refused");
            refuse(refusal, &uri)
        }
    };
    let content_security_policy = content_security_policy();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, content_security_policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Nothing at all, save the one style sheet.
fn content_security_policy() -> String {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, pages::STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

async fn login(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let uri = request.uri();
    if guard::is_prefetch(request.headers()) {
        return refuse(Refusal::Prefetch, uri);
    }
    // A HEAD request asks what a GET would do. It must not do it.
    let offered = parameter(uri, "key").filter(|_| request.method() == http::Method::GET);
    match offered.and_then(|key| shared.session.redeem(&key)) {
        Some(cookie) => {
            let headers = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        None => refuse(Refusal::WrongKey, uri),
    }
}

async fn overview(State(shared): State<Arc<Shared>>) -> Response {
    match shared.source.status().await {
        Ok(status) => html(StatusCode::OK, pages::overview(&status, &shared.time_zone)),
        Err(error) => unavailable(error, false),
    }
}

async fn job(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let name = parameter(&uri, "name").unwrap_or_default();
    let found = async {
        let status = shared.source.status().await?;
        let runs = shared.source.runs(&name, RUNS).await?;
        Ok((status, runs))
    };
    match found.await {
        Ok((status, runs)) => match status.jobs.iter().find(|job| job.name == name) {
            Some(job) => html(StatusCode::OK, pages::job(job, &runs, status.at, &shared.time_zone)),
            None => refuse(Refusal::NotFound, &uri),
        },
        Err(error) => unavailable(error, false),
    }
}

async fn application(State(shared): State<Arc<Shared>>) -> Response {
    match shared.source.status().await {
        Ok(status) => html(StatusCode::OK, pages::application(&status, &shared.time_zone)),
        Err(error) => unavailable(error, false),
    }
}

async fn api_status(State(shared): State<Arc<Shared>>) -> Response {
    match shared.source.status().await {
        Ok(status) => axum::Json(status).into_response(),
        Err(error) => unavailable(error, true),
    }
}

fn refuse(refusal: Refusal, uri: &Uri) -> Response {
    let mut response = if uri.path().starts_with("/api/") {
        json_error(refusal.status(), refusal.message())
    } else {
        html(refusal.status(), pages::message(refusal.title(), refusal.message()))
    };
    let header = match refusal {
        Refusal::NoSession | Refusal::WrongKey => {
            // RFC 9110 section 15.5.2 wants a challenge; browsers show the page when they do not know the scheme.
            Some((header::WWW_AUTHENTICATE, "LoginUrl realm=\"unattended console\""))
        }
        Refusal::Method => Some((header::ALLOW, "GET, HEAD")),
        _ => None,
    };
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn unavailable(error: SourceError, as_json: bool) -> Response {
    let told: Vec<String> =
        std::iter::successors(Some(&*error as &(dyn std::error::Error + 'static)), |error| error.source())
            .map(ToString::to_string)
            .collect();
    let told = told.join(": ");
    tracing::warn!(error = told, "the status cannot be read");
    match as_json {
        true => json_error(StatusCode::SERVICE_UNAVAILABLE, &told),
        false => html(StatusCode::SERVICE_UNAVAILABLE, pages::message("The status cannot be read", &told)),
    }
}

fn json_error(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": { "message": message } }))).into_response()
}

fn html(status: StatusCode, page: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, headers, Body::from(page)).into_response()
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
