//! From HTTP to a token and back.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::host::{Host, Hosts};
use crate::authority::Authority;
use crate::form;
use crate::store::managed_identities::Which;

/// What hands out the tokens.
#[derive(Debug)]
struct Machine {
    authority: Arc<Authority>,
    hosts: Hosts,
}

/// The paths of the hosts.
pub(crate) fn router(authority: Arc<Authority>, hosts: Hosts) -> Router {
    let machine = Arc::new(Machine { authority, hosts });
    Host::ALL.into_iter().fold(Router::new(), |router, host| {
        let machine = Arc::clone(&machine);
        router.route(host.path(), any(move |request| serve(State(machine), host, request)))
    })
}

async fn serve(State(machine): State<Arc<Machine>>, host: Host, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    // SQLite blocks, and so does signing.
    let answer = tokio::task::spawn_blocking(move || machine.answer(host, &parts)).await;
    answer.unwrap_or_else(|error| {
        tracing::error!(%error, "a request for a managed identity was not answered");
        refusal(host, StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The sandbox failed.")
    })
}

impl Machine {
    fn answer(&self, host: Host, parts: &Parts) -> Response {
        let refuse = |error, message: &str| refusal(host, StatusCode::BAD_REQUEST, error, message);
        if parts.method != Method::GET {
            return refusal(
                host,
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Only GET is served.",
            );
        }
        if let Some(refused) = self.turn_away(host, parts) {
            return refused;
        }
        let query = parts.uri.query().unwrap_or_default();
        let given = |name: &str| {
            form::fields(query.as_bytes())
                .find(|(known, value)| known == name && !value.is_empty())
                .map(|(_, value)| value.into_owned())
        };
        // Versions are dates, so that their texts are in the order of the times.
        if given("api-version").is_none_or(|version| *version < *host.first_version()) {
            let message = format!(
                "api-version is invalid or was not specified in the request; the first one served here is {}.",
                host.first_version()
            );
            return refuse("bad_request_102", &message);
        }
        let Some(resource) = given("resource") else {
            return refuse("invalid_request", "Required query variable 'resource' is missing");
        };
        let which = match wanted(host, given) {
            Ok(which) => which,
            Err(message) => return refuse("invalid_request", message),
        };
        let identity = match self.authority.store.managed_identity(&which) {
            Ok(Some(identity)) => identity,
            Ok(None) => return refuse("invalid_request", "Identity not found"),
            Err(error) => {
                return failed(host, &error);
            }
        };
        match self.authority.issue_to_identity(&identity, &resource, parts) {
            Ok(mut token) => {
                token["client_id"] = identity.client_id.into();
                json_answer(StatusCode::OK, &token)
            }
            Err((error, description)) => refusal(host, StatusCode::BAD_REQUEST, error, &description),
        }
    }

    /// The refusal for who may not ask: a request that somebody was made to send, as by a redirect of a program that
    /// fetches what others name, has not the header that each host wants.
    fn turn_away(&self, host: Host, parts: &Parts) -> Option<Response> {
        let has_metadata =
            parts.headers.get("metadata").is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"true"));
        let is_forwarded = parts.headers.contains_key("x-forwarded-for");
        if host != Host::AppService && (!has_metadata || is_forwarded) {
            let message = "Required metadata header not specified";
            return Some(refusal(host, StatusCode::BAD_REQUEST, "invalid_request", message));
        }
        match host {
            Host::VirtualMachine => None,
            Host::AppService => match self.hosts.knows_header(&parts.headers) {
                Ok(true) => None,
                Ok(false) => Some(refusal(
                    host,
                    StatusCode::UNAUTHORIZED,
                    "Unauthorized",
                    "X-IDENTITY-HEADER is missing or wrong.",
                )),
                Err(error) => Some(failed(host, &error)),
            },
            Host::Arc => {
                let proof = parts.headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
                let proof = proof
                    .split_at_checked("Basic ".len())
                    .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "));
                let is_known = proof.map_or(Ok(false), |(_, proof)| self.hosts.knows_file(proof));
                match is_known {
                    Ok(true) => None,
                    Ok(false) => Some(self.challenge().unwrap_or_else(|error| failed(host, &error))),
                    Err(error) => Some(failed(host, &error)),
                }
            }
        }
    }

    fn challenge(&self) -> Result<Response, crate::SandboxError> {
        let file = self.hosts.challenge_file()?;
        let mut response = refusal(
            Host::Arc,
            StatusCode::UNAUTHORIZED,
            "unauthorized_client",
            "Missing Basic Authorization header",
        );
        if let Ok(realm) = HeaderValue::from_str(&format!("Basic realm={}", file.display())) {
            response.headers_mut().insert(WWW_AUTHENTICATE, realm);
        }
        Ok(response)
    }
}

/// Which identity is asked for: each host has its own names, and the Arc agent none.
fn wanted(host: Host, given: impl Fn(&str) -> Option<String>) -> Result<Which, &'static str> {
    type Name = (&'static str, fn(String) -> Which);
    const NAMES: &[Name] = &[
        ("client_id", Which::ClientId),
        ("clientid", Which::ClientId),
        ("object_id", Which::ObjectId),
        ("principal_id", Which::ObjectId),
        ("msi_res_id", Which::ResourceId),
        ("mi_res_id", Which::ResourceId),
    ];
    let mut named: Vec<Which> = NAMES.iter().filter_map(|(name, which)| Some(which(given(name)?))).collect();
    match (host, named.len()) {
        (_, 0) => Ok(Which::System),
        (Host::Arc, _) => Err("User assigned managed identities are not supported on this machine"),
        (_, 1) => Ok(named.remove(0)),
        _ => Err("More than one identity is named"),
    }
}

fn failed(host: Host, error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a managed identity got no token");
    refusal(host, StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The sandbox failed.")
}

fn refusal(host: Host, status: StatusCode, error: &str, message: &str) -> Response {
    let body = match host {
        Host::AppService => json!({ "statusCode": status.as_u16(), "message": message }),
        _ => json!({ "error": error, "error_description": message }),
    };
    json_answer(status, &body)
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
