//! From HTTP to a handler and back.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use unattended_protect::{Rejection, RejectionKind};

use super::address::Address;
use super::call::{Answer, Call};
use super::fault::Fault;
use super::objects::{CERTIFICATES, SECRETS};
use super::{Vaults, certificates, secrets};
use crate::admission::{Admitted, Refusal, Shown, claims_of_challenge};
use crate::host::host;
use crate::mutual_tls::MutualTls;
use crate::store::{Tenant, VAULT_RESOURCE};
use crate::tenants::DOMAIN_SUFFIX;

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 1024 * 1024;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// The routes, to be nested at `address::PATH`.
pub(crate) fn router(vaults: Arc<Vaults>) -> Router {
    Router::new().fallback(serve).with_state(vaults)
}

async fn serve(State(vaults): State<Arc<Vaults>>, request: Request) -> Response {
    let host = host(request.uri(), request.headers()).to_owned();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.ok();
    let client_request_id = parts.headers.get(CLIENT_REQUEST_ID).cloned();
    let request_id = vaults.entropy.uuid();
    // SQLite blocks, so that everything after the body does.
    let answer = tokio::task::spawn_blocking(move || vaults.receive(&parts, &host, body));
    let answer = answer.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a handler of the vault did not end");
        let message = "An internal error occurred.";
        Err(Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message))
    });
    let mut response = render(answer);
    let headers = response.headers_mut();
    headers.extend(client_request_id.map(|id| (CLIENT_REQUEST_ID, id)));
    headers.extend(HeaderValue::from_str(&request_id).map(|id| (X_MS_REQUEST_ID, id)));
    response
}

const X_MS_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");

impl Vaults {
    fn receive(&self, parts: &Parts, host: &str, body: Option<Bytes>) -> Result<Answer, Fault> {
        let path = parts.uri.path().trim_start_matches('/');
        let (vault, path) = path.split_once('/').unwrap_or((path, ""));
        let vault = vault.to_ascii_lowercase();
        let tenant = self.store.tenant(&format!("{vault}{DOMAIN_SUFFIX}"))?.ok_or_else(|| {
            let message = "There is no vault of this name: each is named as its tenant.";
            Fault::new(StatusCode::NOT_FOUND, "VaultNotFound", message)
        })?;
        let now = self.clock.now();
        let address = Address::of(host, &vault);
        let admitted = self.authenticate(parts, &tenant, &address, now)?;
        let body = body.ok_or_else(|| {
            let message = "The request body is larger than 1 MiB.";
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
        })?;
        let call = Call {
            vaults: self,
            tenant: &tenant,
            vault: &vault,
            caller: &admitted.caller,
            address: &address,
            query: parts.uri.query().unwrap_or_default(),
            body: &body,
            now: i64::try_from(since_epoch(now).as_secs()).unwrap_or(i64::MAX),
        };
        check_version(&call)?;
        self.throttle.renew(self.store.restores());
        self.throttle.pay(self.control.settings().throttling, &tenant.id, since_epoch(now).as_secs_f64())?;
        route(&call, &method(parts), path)
    }

    /// Who calls: a valid token for the vault, of an application in the vault's own tenant.
    fn authenticate(
        &self,
        parts: &Parts,
        tenant: &Tenant,
        address: &Address,
        now: SystemTime,
    ) -> Result<Arc<Admitted>, Fault> {
        let wrong_issuer = || {
            let expected = format!("{}/{}/", self.origin.base(), tenant.id);
            format!("AKV10032: Invalid issuer. Expected one of {expected}, found that of another tenant.")
        };
        let invalid = |why: &str| format!("[BearerTokenInvalid] Error validating token: '{why}'");
        let certificate = parts.extensions.get::<MutualTls>().and_then(|it| it.chain.as_ref());
        let certificate = certificate.map(|chain| chain.confirmation());
        // Vaults know tokens that are bound to certificates, and no signed requests.
        let shown = Shown { certificate: certificate.as_deref(), made: None };
        let mut headers = parts.headers.clone();
        let mut challenge = format!(
            r#"Bearer authorization="{}/{}", resource="{}""#,
            self.origin.base(),
            tenant.id,
            self.resource(address)
        );
        let message = match self.admission.admit(&self.store, &mut headers, shown, now) {
            Ok(admitted) if admitted.tenant.id == tenant.id => return Ok(admitted),
            Ok(_) => wrong_issuer(),
            Err(Refusal::Rejected(rejection)) => {
                self.message(&rejection, address).unwrap_or_else(wrong_issuer)
            }
            Err(Refusal::NotTheHolder) => invalid("The token is bound to what the request did not prove."),
            Err(Refusal::NoTenant | Refusal::NoPrincipal) => invalid("The service principal is not there."),
            Err(Refusal::Challenged { since }) => {
                let since =
                    since.unwrap_or_else(|| i64::try_from(since_epoch(now).as_secs()).unwrap_or(i64::MAX));
                let claims = claims_of_challenge(since);
                challenge = format!(r#"{challenge}, error="insufficient_claims", claims="{claims}""#);
                invalid("The token was revoked.")
            }
            Err(Refusal::Store(error)) => return Err(error.into()),
        };
        let mut fault = Fault::unauthorized(message);
        fault
            .headers
            .extend(HeaderValue::from_str(&challenge).map(|challenge| (WWW_AUTHENTICATE, challenge)));
        Err(fault)
    }

    fn message(&self, rejection: &Rejection, address: &Address) -> Option<String> {
        Some(match rejection.kind() {
            RejectionKind::MissingToken => "AKV10000: Request is missing a Bearer or PoP token.".to_owned(),
            RejectionKind::WrongAudience => {
                let expected = self.resource(address);
                format!("AKV10022: Invalid audience. Expected {expected}, found that of another resource.")
            }
            RejectionKind::WrongIssuer => return None,
            RejectionKind::Expired | RejectionKind::NotYetValid => {
                "[TokenExpired] Error validating token: 'The lifetime of the token is not now.'".to_owned()
            }
            RejectionKind::InvalidSignature | RejectionKind::UnknownKey => {
                "[BearerTokenInvalid] Error validating token: 'The signature of the token is not valid.'"
                    .to_owned()
            }
            _ => "[BearerTokenInvalid] Error validating token: 'The token cannot be read.'".to_owned(),
        })
    }

    /// What a client has to ask a token for: a parent domain of the host that it called, if there is one.
    fn resource(&self, address: &Address) -> String {
        match address.by_host {
            true => self.origin.vault_resource(),
            false => VAULT_RESOURCE.to_owned(),
        }
    }
}

/// The one handler of a method and a path. A trailing slash stands for a version that is not named.
fn route(call: &Call<'_>, method: &Method, path: &str) -> Result<Answer, Fault> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let set = segments.first().map_or_else(String::new, |set| set.to_ascii_lowercase());
    let kinds = [&SECRETS, &CERTIFICATES];
    let kind = kinds.into_iter().find(|kind| kind.name == set);
    let deleted = kinds.into_iter().find(|kind| kind.deleted == set);
    let is_secret = set == SECRETS.name;
    match (kind, deleted, method.as_str(), segments.get(1..).unwrap_or_default()) {
        (Some(kind), _, "GET", []) => kind.list(call),
        (Some(kind), _, "GET", [name, "versions"]) => kind.versions(call, name),
        (Some(kind), _, "DELETE", [name]) => kind.delete(call, name),
        (_, Some(kind), "GET", []) => kind.list_deleted(call),
        (_, Some(kind), "GET", [name]) => kind.get_deleted(call, name),
        (_, Some(kind), "DELETE", [name]) => kind.purge(call, name),
        (_, Some(kind), "POST", [name, "recover"]) => kind.recover(call, name),
        (Some(_), _, "PUT", [name]) if is_secret => secrets::set(call, name),
        (Some(_), _, "GET", [name, version @ ..]) if is_secret && version.len() < 2 => {
            secrets::get(call, name, version.first().copied())
        }
        (Some(_), _, "PATCH", [name, version @ ..]) if is_secret && version.len() < 2 => {
            secrets::update(call, name, version.first().copied())
        }
        (Some(_), _, "POST", [name, "import"]) if !is_secret => certificates::import(call, name),
        (Some(_), _, "GET", [name, "policy"]) if !is_secret => certificates::policy(call, name),
        (Some(_), _, "GET", [name, version @ ..]) if version.len() < 2 => {
            certificates::get(call, name, version.first().copied())
        }
        (Some(_), _, "PATCH", [name, version @ ..]) if version.len() < 2 => {
            certificates::update(call, name, version.first().copied())
        }
        (None, None, ..) => Err(Fault::new(StatusCode::NOT_FOUND, "NotFound", "There is nothing here.")),
        _ => Err(Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "The method is not one of this resource.",
        )),
    }
}

/// The method, or the one that a client could not send itself.
fn method(parts: &Parts) -> Method {
    let overriding = ["x-http-method", "x-http-request"].iter().find_map(|name| parts.headers.get(*name));
    let overriding = overriding.filter(|_| parts.method == Method::POST);
    let method = overriding.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    method.unwrap_or_else(|| parts.method.clone())
}

/// Versions have no default; those that are not known yet are answered as the last one.
fn check_version(call: &Call<'_>) -> Result<(), Fault> {
    let Some(version) = call.parameter("api-version") else {
        return Err(Fault::bad_parameter("api-version must be specified"));
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let plain = version.strip_suffix("-preview").unwrap_or(&version);
    let is_date = plain.split('-').map(str::len).eq([4, 2, 2]) && plain.split('-').all(is_digits);
    let is_number = plain.split_once('.').is_some_and(|(major, minor)| is_digits(major) && is_digits(minor));
    match is_date || is_number {
        true => Ok(()),
        false => {
            let version: String = version.chars().take(60).collect();
            Err(Fault::bad_parameter(format!("The specified version ({version}) is not recognized.")))
        }
    }
}

fn render(answer: Result<Answer, Fault>) -> Response {
    let (status, body, more) = match answer {
        Ok(Answer::Document(document)) => (StatusCode::OK, Some(document), Vec::new()),
        Ok(Answer::Nothing) => (StatusCode::NO_CONTENT, None, Vec::new()),
        Err(fault) => (fault.status, Some(fault.body()), fault.headers),
    };
    let mut response =
        Response::new(body.as_ref().map_or_else(Body::empty, |body| Body::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("x-ms-keyvault-region", HeaderValue::from_static("localhost"));
    headers.extend(more);
    response
}

fn since_epoch(now: SystemTime) -> std::time::Duration {
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}
