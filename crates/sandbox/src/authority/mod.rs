//! The identity platform: instance discovery, OpenID metadata, keys, tokens.
//!
//! Paths are matched ignoring case, as clients write them in several ways. `{tenant}` is a GUID or a domain.
//!
//! | path | method | file |
//! |---|---|---|
//! | `/common/discovery/instance` | GET | `discovery` |
//! | `/{tenant}[/v2.0]/.well-known/openid-configuration` | GET | `discovery` |
//! | `/{tenant}/discovery[/v2.0]/keys` | GET | `keys` |
//! | `/{tenant}/oauth2[/v2.0]/token` | POST | `token` |
//! | `/error?code=N` | GET | `error` |

mod assertion;
pub(crate) mod certificate;
mod claims;
mod claims_request;
mod client_authentication;
mod discovery;
pub(crate) mod error;
mod errors_on_request;
mod exchange;
mod federation;
mod issuers;
mod keys;
mod limits;
mod origin;
mod public_keys;
mod response;
mod scope;
mod signing_key;
#[cfg(test)]
mod tests;
mod token;
mod token_request;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use unattended_core::{Clock, Entropy};

use self::claims::{Version, issuer};
use self::error::AuthorityError;
use self::token_request::{Endpoint, TokenRequest};
use crate::control::Control;
use crate::form::Field;
use crate::store::{Store, Tenant};

pub(crate) use self::assertion::decoded_parts;
pub(crate) use self::certificate::{CertificateChain, check_authorities};
pub(crate) use self::discovery::TenantSegment;
pub(crate) use self::exchange::{Exchange, unix_seconds};
pub(crate) use self::issuers::Issuers;
pub(crate) use self::keys::SigningKeys;
pub(crate) use self::limits::Limits;
pub(crate) use self::origin::Origin;
pub(crate) use self::response::refusal;

/// The largest body of a request.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What the authority needs.
pub(crate) struct Authority {
    pub(crate) store: Arc<Store>,
    pub(crate) control: Arc<Control>,
    /// The time in the sandbox.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) origin: Origin,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) issuers: Issuers,
    pub(crate) limits: Limits,
}

/// Everything below the authority's origin that no other part of the sandbox answers.
pub(crate) fn router(authority: Arc<Authority>) -> Router {
    Router::new().fallback(answer).with_state(authority)
}

/// The issuers of this authority's tokens, with `{tenantid}` for the tenant.
pub(crate) fn issuers(origin: &Origin) -> [String; 2] {
    [Version::V1, Version::V2].map(|version| issuer(origin, "{tenantid}", version))
}

async fn answer(State(authority): State<Arc<Authority>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_ascii_lowercase();
    let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["common", "discovery", "instance"] => {
            let known = authority.control.settings().instance_discovery;
            authority.document(&parts, |query| discovery::instance(&authority.origin, known, query))
        }
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            authority.metadata(parts, tenant, Version::V2).await
        }
        [tenant, ".well-known", "openid-configuration"] => {
            authority.metadata(parts, tenant, Version::V1).await
        }
        [_, "discovery", "v2.0", "keys"] => {
            let issuer = issuer(&authority.origin, "{tenantid}", Version::V2);
            authority.document(&parts, |_| Ok(authority.keys.jwks(Some(&issuer))))
        }
        [_, "discovery", "keys"] => authority.document(&parts, |_| Ok(authority.keys.jwks(None))),
        [tenant, "oauth2", "v2.0", "token"] => authority.token(parts, body, tenant, Endpoint::V2).await,
        [tenant, "oauth2", "token"] => authority.token(parts, body, tenant, Endpoint::V1).await,
        ["error"] => response::error_page(parts.uri.query().unwrap_or_default()),
        [_, "oauth2", "v2.0", "authorize" | "logout" | "devicecode"]
        | [_, "oauth2", "authorize" | "logout" | "devicecode" | "checksession"]
        | [_, "kerberos"] => response::text(
            StatusCode::NOT_IMPLEMENTED,
            "The sandbox has no user sign-in: applications act as themselves here.\n",
        ),
        _ => response::text(StatusCode::NOT_FOUND, "There is nothing here.\n"),
    }
}

impl Authority {
    /// A public document of the authority.
    fn document(
        &self,
        parts: &Parts,
        read: impl FnOnce(&str) -> Result<serde_json::Value, AuthorityError>,
    ) -> Response {
        if parts.method == Method::OPTIONS {
            return response::preflight();
        }
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            return response::text(StatusCode::METHOD_NOT_ALLOWED, "This document is for reading.\n");
        }
        let query = parts.uri.query().unwrap_or_default();
        let exchange = self.exchange(parts, &[]);
        match read(query) {
            Ok(document) => response::document(&document, &exchange),
            Err(error) => response::failure(&error, &exchange, self.origin.base(), false),
        }
    }

    async fn metadata(self: &Arc<Self>, parts: Parts, tenant: &str, version: Version) -> Response {
        let (authority, tenant) = (Arc::clone(self), tenant.to_owned());
        blocking(move || {
            authority.document(&parts, |query| {
                let not_found = |error: AuthorityError| match error.entry.code {
                    code if code == error::TENANT_NOT_FOUND.code => {
                        error::METADATA_TENANT_NOT_FOUND.with("tenant", &tenant)
                    }
                    _ => error,
                };
                let tenant = authority.tenant_segment(&tenant).map_err(not_found)?;
                Ok(discovery::metadata(&authority.origin, &tenant, version, query))
            })
        })
        .await
    }

    async fn token(self: &Arc<Self>, parts: Parts, body: Body, tenant: &str, endpoint: Endpoint) -> Response {
        let (authority, tenant) = (Arc::clone(self), tenant.to_owned());
        let body = to_bytes(body, MAX_BODY_BYTES).await;
        let fields = body.as_ref().map(|body| token_request::fields(body));
        let exchange = self.exchange(&parts, fields.as_deref().unwrap_or_default());
        let request = match fields {
            _ if parts.method != Method::POST => Err(error::POST_ONLY.with("method", parts.method.as_str())),
            Ok(fields) => TokenRequest::parse(&parts.headers, &fields),
            Err(_) => Err(error::REQUEST_MALFORMED.with("reason", "The body could not be read.")),
        };
        let used_basic = request.as_ref().is_ok_and(TokenRequest::used_basic);
        // Handed over are requests that wait: for the keys of another issuer, or for the database. All that the others
        // take long for is the signature, for which every core is as good.
        let may_wait = request.as_ref().is_ok_and(TokenRequest::is_federated) || !self.store.is_free();
        let work = move || {
            let issue = |request: TokenRequest| {
                authority.issue(endpoint, &tenant, &request, parts.extensions.get(), &exchange)
            };
            match request.and_then(issue) {
                Ok(token) => response::token(&token, &exchange),
                Err(error) => {
                    tracing::debug!(code = error.entry.code, trace_id = %exchange.trace_id(), "no token");
                    response::failure(&error, &exchange, authority.origin.base(), used_basic)
                }
            }
        };
        if may_wait { blocking(work).await } else { work() }
    }

    fn exchange(&self, parts: &Parts, fields: &[Field<'_>]) -> Exchange {
        let query = parts.uri.query().unwrap_or_default();
        Exchange::new(&parts.headers, query, fields, self.clock.now(), &*self.entropy)
    }

    /// Which tenant a path means.
    pub(crate) fn tenant_segment(&self, name: &str) -> Result<TenantSegment, AuthorityError> {
        if matches!(name, "common" | "organizations" | "consumers") {
            return Ok(TenantSegment::Crowd(name.to_owned()));
        }
        if uuid::Uuid::try_parse(name).is_ok_and(|guid| guid.is_nil()) {
            return Err(error::TENANT_EMPTY_GUID.with("tenant", name));
        }
        if unattended_core::TenantId::parse(name).is_err() {
            return Err(error::TENANT_MALFORMED.with("tenant", name));
        }
        self.tenant(name).map(|tenant| TenantSegment::Tenant(tenant.id.clone()))
    }

    fn tenant(&self, name: &str) -> Result<Arc<Tenant>, AuthorityError> {
        self.store.tenant(name)?.ok_or_else(|| error::TENANT_NOT_FOUND.with("tenant", name))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Runs what reads the database or signs where it delays no other connection.
async fn blocking(work: impl FnOnce() -> Response + Send + 'static) -> Response {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not answered");
        response::text(StatusCode::INTERNAL_SERVER_ERROR, "The sandbox failed.\n")
    })
}
