//! From HTTP to a handler and back.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::any;
use unattended_core::{Entropy, SystemEntropy};
use unattended_protect::{Caller, Rejection, RejectionKind};

use super::exchange::{Answer, Body, Call, Request};
use super::fault::Fault;
use super::throttle::{Cost, Payer, Usage};
use super::{Directory, batch, routes, uploads};
use crate::admission::{Made, Refusal, Shown, claims_of_challenge};
use crate::control::settings::TenantSize;
use crate::form;
use crate::host::host;
use crate::mutual_tls::MutualTls;
use crate::store::{GRAPH_APP_ID, Tenant, timestamp};

/// The path of the directory below its origin.
pub(crate) const MOUNT: &str = "/graph";

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
const AGS_DIAGNOSTIC: HeaderName = HeaderName::from_static("x-ms-ags-diagnostic");
const RESOURCE_UNIT: HeaderName = HeaderName::from_static("x-ms-resource-unit");

/// More headers than an answer usually has.
const MANY_HEADERS: usize = 16;

/// The routes `/v1.0` and `/beta`, to be nested at the path of the directory's base URL.
pub(crate) fn router(directory: Arc<Directory>) -> Router {
    Router::new().route(uploads::ROUTE, any(uploads::serve)).fallback(serve).with_state(directory)
}

async fn serve(State(directory): State<Arc<Directory>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await;
    let uri = parts.uri;
    let mut headers = parts.headers;
    let certificate = parts.extensions.get::<MutualTls>().and_then(|it| it.chain.as_ref());
    let certificate = certificate.map(|chain| chain.confirmation());
    let host = host(&uri, &headers).to_owned();
    let ids = identify(&mut headers, &*directory.entropy);
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let answer = if is_brief(&parts.method, &uri) && directory.store.is_free() {
        let shown = (certificate.as_deref(), &*host);
        directory.receive(parts.method, path, query, headers, shown, body.ok())
    } else {
        // SQLite blocks, so that everything after the body does.
        let (answering, uri) = (Arc::clone(&directory), uri.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let query = uri.query().unwrap_or_default();
            let shown = (certificate.as_deref(), &*host);
            answering.receive(parts.method, uri.path(), query, headers, shown, body.ok())
        });
        answer.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a handler of the directory did not end");
            Answer { status: StatusCode::INTERNAL_SERVER_ERROR, headers: Vec::new(), body: Body::Empty }
        })
    };
    render(answer, ids)
}

/// Gives a request one pair of ids, for the header, the error body and the log.
fn identify(headers: &mut HeaderMap, entropy: &dyn Entropy) -> [(HeaderName, HeaderValue); 2] {
    let request_id = entropy.uuid();
    let request_id = HeaderValue::from_str(&request_id).unwrap_or(HeaderValue::from_static("unknown"));
    if !headers.get(&CLIENT_REQUEST_ID).is_some_and(is_plain) {
        headers.insert(CLIENT_REQUEST_ID, request_id.clone());
    }
    headers.insert(REQUEST_ID, request_id);
    [REQUEST_ID, CLIENT_REQUEST_ID].map(|name| (name.clone(), headers[&name].clone()))
}

/// A refusal that comes before the directory has seen the request, in the shape of its own.
pub(crate) fn refusal(
    status: StatusCode,
    (code, message): (&'static str, &str),
    mut headers: HeaderMap,
    now: SystemTime,
) -> Response {
    let ids = identify(&mut headers, &SystemEntropy);
    render(refused(&Fault::new(status, code, message), &headers, &SystemEntropy, seconds(now)), ids)
}

/// Whether a request is answered from a few pages of the database: then handing it to another thread and back would
/// take longer than answering it here.
fn is_brief(method: &Method, uri: &Uri) -> bool {
    let asked = uri.path_and_query().map_or("", PathAndQuery::as_str).to_ascii_lowercase();
    let may_go_through_all = |name: &str| asked.contains(name);
    // With the `$` encoded or not.
    let names = ["filter", "search", "count", "expand", "orderby", "delta", "deleteditems", "batch"];
    method == Method::GET && !names.into_iter().any(may_go_through_all)
}

impl Directory {
    fn receive(
        &self,
        method: Method,
        path: &str,
        query: &str,
        mut headers: HeaderMap,
        (certificate, host): (Option<&str>, &str),
        body: Option<Bytes>,
    ) -> Answer {
        let now = self.clock.now();
        let whole_path = format!("{MOUNT}{path}");
        let made = Made { method: &method, host, path: &whole_path };
        let shown = Shown { certificate, made: Some(made) };
        let admission = self.admission.admit(&self.store, &mut headers, shown, now);
        let (version, path) = match path.trim_start_matches('/').split_once('/') {
            Some((version, path)) => (version, path),
            None => (path.trim_start_matches('/'), ""),
        };
        let fits = body.is_some();
        let known = VERSIONS.into_iter().find(|known| known.eq_ignore_ascii_case(version));
        let request = Request {
            method,
            version: known.unwrap_or(VERSIONS[0]),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.unwrap_or_default(),
        };
        let admission = admission.map_err(|refusal| self.turn_away(refusal, now));
        let result = admission.and_then(|admitted| {
            let (caller, tenant) = (&admitted.caller, &*admitted.tenant);
            if !fits {
                let message = "The request body is larger than 4 MB.";
                return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message));
            }
            if known.is_none() {
                let version: String = version.chars().take(60).collect();
                return Err(Fault::bad_query(format!("Invalid version: {version}")));
            }
            if !batch::is_name(path) {
                return Ok(self.answer(&request, caller, tenant));
            }
            if request.method != Method::POST {
                let message = "Specified HTTP method is not allowed for the request target.";
                return Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message));
            }
            let call = self.call(&request, caller, tenant, seconds(now));
            batch::answer(&call).map(Answer::ok)
        });
        result.unwrap_or_else(|fault| self.refuse(&fault, &request, seconds(now)))
    }

    fn turn_away(&self, refusal: Refusal, now: SystemTime) -> Fault {
        match refusal {
            Refusal::Rejected(rejection) => self.challenge(&rejection),
            Refusal::NotTheHolder => {
                let message = "The token is bound to a certificate that the connection did not show, or to a key that did not \
                               sign this request.";
                self.unauthorized(message, r#", error="invalid_token""#)
            }
            Refusal::Challenged { since } => self.claims_challenge(since.unwrap_or_else(|| seconds(now))),
            Refusal::NoTenant | Refusal::NoPrincipal => Fault::unknown_identity(),
            Refusal::Store(error) => error.into(),
        }
    }

    /// 401 for a client that asks the authority again, where it learns what is wrong.
    fn claims_challenge(&self, not_before: i64) -> Fault {
        let message = "Continuous access evaluation resulted in challenge with result: InteractionRequired and \
                       code: TokenIssuedBeforeRevocationTimestamp";
        self.unauthorized(
            message,
            &format!(
                r#", errorDescription="{message}", error="insufficient_claims", claims="{}""#,
                claims_of_challenge(not_before)
            ),
        )
    }

    fn challenge(&self, rejection: &Rejection) -> Fault {
        let message = match rejection.kind() {
            RejectionKind::MissingToken => "Access token is empty.",
            RejectionKind::Expired | RejectionKind::NotYetValid => {
                "Access token has expired or is not yet valid."
            }
            RejectionKind::WrongAudience => "Access token validation failure. Invalid audience.",
            RejectionKind::WrongIssuer => "Access token validation failure. Invalid issuer.",
            RejectionKind::InvalidSignature | RejectionKind::UnknownKey => {
                "Access token validation failure. Invalid signature."
            }
            RejectionKind::NotAppOnly => "Access token validation failure.",
            _ => "CompactToken parsing failed with error code: 80049217",
        };
        self.unauthorized(message, "")
    }

    /// 401 with a challenge and further parameters of it.
    fn unauthorized(&self, message: &str, parameters: &str) -> Fault {
        let mut fault = Fault::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
        let origin = self.base_url.strip_suffix(MOUNT).unwrap_or(&self.base_url);
        let challenge = format!(
            r#"Bearer realm="", authorization_uri="{origin}/common/oauth2/authorize", client_id="{GRAPH_APP_ID}"{parameters}"#
        );
        fault.headers.extend(HeaderValue::from_str(&challenge).map(|value| (WWW_AUTHENTICATE, value)));
        fault
    }

    /// Answers one request of a caller who is known; refusals are answers, too.
    pub(super) fn answer(&self, request: &Request, caller: &Caller, tenant: &Tenant) -> Answer {
        let now = seconds(self.clock.now());
        let result = routes::find(&request.method, &request.path).and_then(|(route, keys)| {
            let own_objects_only = route.access.admit(caller)?;
            let units = resource_units(route.cost, &request.query);
            let is_write = route.is_write();
            let usage = self.pay(caller, Cost { units, is_write })?;
            let behind = match is_write {
                true => self.fall_behind(now).map(|()| None)?,
                false => self.behind(now),
            };
            let seen = behind.as_deref().unwrap_or(self);
            let call = Call { keys, own_objects_only, ..seen.call(request, caller, tenant, now) };
            let mut answer = (route.handler)(&call)?;
            answer.headers.push((RESOURCE_UNIT, units.into()));
            answer.headers.extend(usage.header());
            if self.control.settings().rate_limit_headers {
                answer.headers.extend(usage.rate_limit());
            }
            Ok(answer)
        });
        result.unwrap_or_else(|fault| self.refuse(&fault, request, now))
    }

    /// Each request of a batch pays for itself.
    fn pay(&self, caller: &Caller, cost: Cost) -> Result<Usage, Fault> {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let throttling = self.control.settings().throttling;
        if throttling.size == TenantSize::Off {
            return Ok(Usage::NONE);
        }
        let app_id = caller.client_id().as_str();
        let application = self.store.application_by_app_id(app_id)?;
        let is_personal =
            application.is_some_and(|it| it.sign_in_audience().contains("PersonalMicrosoftAccount"));
        let payer = Payer { app_id, tenant_id: &caller.tenant_id().to_string(), is_personal };
        self.throttle.renew(self.store.restores());
        self.throttle.pay(throttling, payer, cost, now)
    }

    /// The answer that a refusal is.
    pub(super) fn refuse(&self, fault: &Fault, request: &Request, now: i64) -> Answer {
        refused(fault, &request.headers, &*self.entropy, now)
    }

    fn call<'a>(
        &'a self,
        request: &'a Request,
        caller: &'a Caller,
        tenant: &'a Tenant,
        now: i64,
    ) -> Call<'a> {
        Call { directory: self, request, caller, tenant, keys: Vec::new(), own_objects_only: false, now }
    }
}

const VERSIONS: [&str; 2] = ["v1.0", "beta"];

/// `$select` and a small `$top` make a request cheaper, never free; `$expand` makes it dearer.
fn resource_units(cost: u32, query: &str) -> u32 {
    let option = |name: &str| form::fields(query.as_bytes()).find(|(key, _)| key.eq_ignore_ascii_case(name));
    let is_selective = option("$select").is_some();
    let is_expanding = option("$expand").is_some();
    let is_small = option("$top").is_some_and(|(_, top)| top.parse().is_ok_and(|top: u32| top < 20));
    (cost + u32::from(is_expanding))
        .saturating_sub(is_selective.into())
        .saturating_sub(is_small.into())
        .max(1)
}

fn refused(fault: &Fault, headers: &HeaderMap, entropy: &dyn Entropy, now: i64) -> Answer {
    let id = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = id(&REQUEST_ID).unwrap_or_else(|| entropy.uuid());
    let client_request_id = id(&CLIENT_REQUEST_ID).unwrap_or_else(|| request_id.clone());
    let date = timestamp(now);
    let body = fault.body(date.trim_end_matches('Z'), &request_id, &client_request_id);
    Answer { status: fault.status, headers: fault.headers.clone(), body: Body::Json(body) }
}

/// No `Strict-Transport-Security`: a browser would remember it for every other server on this machine's `localhost`.
pub(super) fn render<const N: usize>(answer: Answer, ids: [(HeaderName, HeaderValue); N]) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.reserve(MANY_HEADERS);
    let content_type = match &answer.body {
        Body::Empty => None,
        Body::Json(_) | Body::Written(_) => Some(
            "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
        ),
        Body::Text(_) => Some("text/plain"),
    };
    headers.extend(content_type.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
    headers.insert(AGS_DIAGNOSTIC, HeaderValue::from_static(DIAGNOSTIC));
    headers.extend(ids);
    headers.extend(answer.headers);
    *response.body_mut() = match answer.body {
        Body::Empty => axum::body::Body::empty(),
        // Not by `Display`, which checks every fragment again and takes a third longer.
        Body::Json(body) => serde_json::to_vec(&body).expect("a JSON value can be written").into(),
        Body::Text(text) => text.into(),
        Body::Written(body) => axum::body::Body::new(body),
    };
    response
}

const DIAGNOSTIC: &str = r#"{"ServerInfo":{"DataCenter":"Sandbox","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"LOCALHOST"}}"#;

fn is_plain(value: &HeaderValue) -> bool {
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

pub(super) fn seconds(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
