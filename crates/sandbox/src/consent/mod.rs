//! An administrator's consent, as pages that a person uses.
//!
//! | path | means |
//! |---|---|
//! | `/{tenant}/adminconsent`, `/common/adminconsent` | everything that the application lists (v1) |
//! | `/{tenant}/v2.0/adminconsent`, `/organizations/v2.0/adminconsent` | the same, asked for with `scope={resource}/.default` |
//!
//! A request is checked before anybody signs in; the administrator signs in, sees what is asked for, and accepts or
//! cancels; the browser then goes back to the application. Accepting writes what `appRoleAssignedTo` of the directory
//! API writes, through the same functions. The address of a page is the whole request, so that nothing is kept between
//! two pages but who is signed in.

pub(crate) mod error;
mod page;
mod proposal;
mod redirect;
mod request;
mod sessions;

use std::fmt;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{Method, StatusCode};
use unattended_core::Secret;
use url::{Url, form_urlencoded};

use self::proposal::{Proposal, approve};
use self::request::{ConsentRequest, Endpoint};
use self::sessions::{Sessions, Visitor};
use crate::authority::error::AuthorityError;
use crate::authority::{Authority, Exchange};
use crate::store::{Holder, StoreError, Tenant};

/// The largest form: a token, a password and some words.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// What an account needs to be allowed to consent.
const MAY_CONSENT: &str = "AppRoleAssignment.ReadWrite.All";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The pages and who is signed in to them.
pub(crate) struct Consent {
    authority: Arc<Authority>,
    sessions: Sessions,
}

impl Consent {
    pub(crate) fn new(authority: Arc<Authority>) -> Result<Self, StoreError> {
        Ok(Self { sessions: Sessions::new(authority.origin.port())?, authority })
    }
}

/// Answers the two paths, ignoring case as the authority does, and leaves every other to what comes next.
pub(crate) async fn answer(State(consent): State<Arc<Consent>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_ascii_lowercase();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (endpoint, tenant) = match segments.as_slice() {
        [tenant, "adminconsent"] => (Endpoint::V1, (*tenant).to_owned()),
        [tenant, "v2.0", "adminconsent"] => (Endpoint::V2, (*tenant).to_owned()),
        _ => return next.run(request).await,
    };
    let (parts, body) = request.into_parts();
    let form = match form(&parts, body).await {
        Ok(form) => form,
        Err(status) => return plain(status),
    };
    let work = move || consent.respond(&parts, endpoint, &tenant, form.as_ref());
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a consent page was not answered");
        plain(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

/// The form of a POST.
async fn form(parts: &Parts, body: Body) -> Result<Option<Form>, StatusCode> {
    match parts.method {
        Method::GET | Method::HEAD => Ok(None),
        Method::POST => {
            let body = to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
            Ok(Some(Form(form_urlencoded::parse(&body).into_owned().collect())))
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// What a page sent. It may hold a password: it is not for printing.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// One request on its way to a page.
struct Visit<'a> {
    consent: &'a Consent,
    exchange: &'a Exchange,
    visitor: Visitor,
    request: &'a ConsentRequest,
    now: i64,
}

const STALE: &str = "This page was out of date, and nothing was done. Look again, then decide.";
const WRONG_PASSWORD: &str = "The password is wrong. It is the secret of the administrator’s application.";

impl Consent {
    fn respond(&self, parts: &Parts, endpoint: Endpoint, tenant: &str, form: Option<&Form>) -> Response {
        let Authority { store: _, clock, entropy, .. } = &*self.authority;
        let query = parts.uri.query().unwrap_or_default();
        let exchange = Exchange::new(&parts.headers, query, &[], clock.now(), &**entropy);
        let response = ConsentRequest::read(&self.authority, endpoint, tenant, query).and_then(|request| {
            let visitor = self.sessions.visitor(&parts.headers)?;
            let visit =
                Visit { consent: self, exchange: &exchange, visitor, request: &request, now: exchange.now() };
            match form {
                None => visit.show(None),
                Some(_) if !self.is_own_page(parts) => visit.show(Some(STALE)).map(forbidden),
                Some(form) => visit.submit(form, query),
            }
        });
        let mut response = response.unwrap_or_else(|error| {
            tracing::debug!(code = error.entry.code, trace_id = %exchange.trace_id(), "no consent");
            html(error.status(), page::failure(&error, &exchange), None)
        });
        if let Ok(trace_id) = HeaderValue::from_str(&exchange.trace_id()) {
            response.headers_mut().insert(REQUEST_ID, trace_id);
        }
        response
    }

    /// Whether a form was sent from a page of this origin, by what the browser says about it.
    fn is_own_page(&self, parts: &Parts) -> bool {
        let Some(origin) = parts.headers.get(ORIGIN) else { return true };
        let url = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        let own = &self.authority.origin;
        url.is_some_and(|url| own.owns(&url) && url.port_or_known_default() == Some(own.port()))
    }

    fn checks_password(&self, tenant: &Tenant, password: &str, now: i64) -> Result<bool, StoreError> {
        let store = &self.authority.store;
        let Some(administrator) = store.administrator_of(&tenant.id)? else { return Ok(false) };
        // What is copied from the file may bring its line end along.
        let password = Secret::from(password.trim());
        let credentials = store.password_credentials(Holder::Application(administrator.id()))?;
        Ok(credentials.iter().any(|credential| credential.is_valid_at(now) && credential.matches(&password)))
    }

    /// Whether the administrator of a tenant is one: what the directory API would ask of it too.
    fn may_consent(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let store = &self.authority.store;
        let Some(administrator) = store.administrator_of(&tenant.id)? else { return Ok(false) };
        let principal = store.service_principal_by_app_id(&tenant.id, administrator.app_id())?;
        let graph = store.service_principal_by_app_id(&tenant.id, crate::store::GRAPH_APP_ID)?;
        let (Some(principal), Some(graph)) = (principal, graph) else { return Ok(false) };
        let roles = store.application_role_values(&tenant.id, principal.id(), graph.id())?;
        Ok(principal.account_enabled() && roles.iter().any(|role| role == MAY_CONSENT))
    }
}

impl Visit<'_> {
    /// The page that comes next: signing in, or deciding.
    fn show(&self, problem: Option<&str>) -> Result<Response, AuthorityError> {
        match self.signed_in() {
            None => Ok(self.sign_in_page(problem, None)),
            Some(tenant) => self.ask_page(tenant, problem),
        }
    }

    fn submit(self, form: &Form, query: &str) -> Result<Response, AuthorityError> {
        match (form.get("action"), self.signed_in()) {
            ("sign-in", _) => self.sign_in(form, query),
            ("sign-out", Some(_)) if self.is_from(&["sign-out"], form) => {
                self.consent.sessions.sign_out(&self.visitor);
                Ok(again(query, None))
            }
            ("accept", Some(tenant)) => self.accept(tenant, form),
            ("cancel", Some(tenant)) => self.cancel(tenant, form),
            _ => self.show(Some(STALE)).map(forbidden),
        }
    }

    fn sign_in(&self, form: &Form, query: &str) -> Result<Response, AuthorityError> {
        let account = form.get("account");
        let Some(tenant) = self.request.tenants.iter().find(|tenant| tenant.id == account) else {
            return Ok(forbidden(self.sign_in_page(Some(STALE), None)));
        };
        if !self.is_from(&["sign-in"], form) {
            return Ok(forbidden(self.sign_in_page(Some(STALE), Some(account))));
        }
        if let Err(seconds) = self.consent.sessions.attempt(&tenant.id, self.now) {
            let problem = format!("Too many attempts. Try again in {seconds} seconds.");
            let mut response = self.sign_in_page(Some(&problem), Some(account));
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
            return Ok(response);
        }
        if !self.consent.checks_password(tenant, form.get("password"), self.now)? {
            return Ok(forbidden(self.sign_in_page(Some(WRONG_PASSWORD), Some(account))));
        }
        let visitor = self.consent.sessions.sign_in(&tenant.id, self.now)?;
        Ok(again(query, Some(&self.consent.sessions.set_cookie(&visitor))))
    }

    fn accept(&self, tenant: &Tenant, form: &Form) -> Result<Response, AuthorityError> {
        self.require_administrator(tenant)?;
        let Authority { store, entropy, .. } = &*self.consent.authority;
        let was_shown = |proposal: &Proposal| self.is_decision(tenant, proposal, form);
        match approve(store, self.request, tenant, self.now, &**entropy, was_shown)? {
            Some(granted) => Ok(found(&self.request.accepted(&tenant.id, &granted))),
            None => self.ask_page(tenant, Some(STALE)).map(forbidden),
        }
    }

    fn cancel(&self, tenant: &Tenant, form: &Form) -> Result<Response, AuthorityError> {
        if self.is_decision(tenant, &self.proposal(tenant)?, form) {
            return Ok(found(&self.request.declined(self.exchange)));
        }
        self.ask_page(tenant, Some(STALE)).map(forbidden)
    }

    /// The tenant that is signed in to, if its administrator may answer this request.
    fn signed_in(&self) -> Option<&Tenant> {
        let id = self.consent.sessions.signed_in(&self.visitor, self.now)?;
        self.request.tenants.iter().find(|tenant| tenant.id == id)
    }

    fn require_administrator(&self, tenant: &Tenant) -> Result<(), AuthorityError> {
        if self.consent.may_consent(tenant)? {
            return Ok(());
        }
        let name = self.request.application.object.text("displayName");
        Err(error::NEEDS_ADMINISTRATOR.with("tenant", &tenant.display_name).with("name", name))
    }

    fn proposal(&self, tenant: &Tenant) -> Result<Proposal, AuthorityError> {
        let store = &self.consent.authority.store;
        store.read(|connection| Proposal::read(connection, self.request, tenant))
    }

    fn sign_in_page(&self, problem: Option<&str>, tried: Option<&str>) -> Response {
        let page = page::SignIn {
            application: &self.request.application,
            tenants: &self.request.tenants,
            tried,
            token: &self.token(&["sign-in"]),
            problem,
        };
        self.with_cookie(html(StatusCode::OK, page.html(), None))
    }

    fn ask_page(&self, tenant: &Tenant, problem: Option<&str>) -> Result<Response, AuthorityError> {
        self.require_administrator(tenant)?;
        let proposal = self.proposal(tenant)?;
        let origin = self.request.return_address.origin();
        let page = page::Ask {
            application: &self.request.application,
            tenant,
            proposal: &proposal,
            returns_to: &origin,
            decision_token: &self.token(&self.decision(tenant, &proposal.fingerprint())),
            sign_out_token: &self.token(&["sign-out"]),
            problem,
        };
        Ok(html(StatusCode::OK, page.html(), Some(&origin)))
    }

    /// A decision is about one application, in one tenant, on exactly the permissions that were shown.
    fn decision<'a>(&'a self, tenant: &'a Tenant, fingerprint: &'a str) -> [&'a str; 4] {
        ["decide", &tenant.id, self.request.application.app_id(), fingerprint]
    }

    fn is_decision(&self, tenant: &Tenant, proposal: &Proposal, form: &Form) -> bool {
        self.is_from(&self.decision(tenant, &proposal.fingerprint()), form)
    }

    fn token(&self, purpose: &[&str]) -> String {
        self.consent.sessions.form_token(&self.visitor, purpose)
    }

    fn is_from(&self, purpose: &[&str], form: &Form) -> bool {
        self.consent.sessions.is_form_token(&self.visitor, purpose, form.get("token"))
    }

    fn with_cookie(&self, mut response: Response) -> Response {
        let cookie = self.consent.sessions.set_cookie(&self.visitor);
        if let Ok(cookie) = HeaderValue::from_str(&cookie)
            && self.visitor.is_new
        {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").finish_non_exhaustive()
    }
}

/// A page that nobody keeps, frames or adds to.
fn html(status: StatusCode, html: String, answer_goes_to: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Browsers name the origin of a form only if something of the address may be told at all.
        (REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    match HeaderValue::from_str(&page::content_security_policy(answer_goes_to)) {
        Ok(policy) => {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Sends the browser to the application.
fn found(location: &str) -> Response {
    redirect(StatusCode::FOUND, location)
}

/// Sends the browser to the page it came from, so that reloading sends no form twice.
fn again(query: &str, cookie: Option<&str>) -> Response {
    let mut response = redirect(StatusCode::SEE_OTHER, &format!("?{query}"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn redirect(status: StatusCode, location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn forbidden(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(format!("{status}\n")));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}
