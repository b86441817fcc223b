//! Faults on purpose: what clients meet in a cloud on a bad day.
//!
//! A layer above authority, directory and vault asks [`Faults`] whether the request meets a fault. Some faults are an answer
//! of their own, some cut the connection, and some change what the sandbox would have answered; where there is nothing
//! to change, the answer passes as it is and no fault is told of.

mod answers;
mod bodies;
mod challenges;
mod kind;
mod pages;
mod script;

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};

use self::answers::Met;
pub(crate) use self::kind::FaultKind;
use self::kind::Target;
use self::script::Candidate;
pub(crate) use self::script::{FaultScript, Faults, OneShot};
use crate::control::Control;
use crate::directory::is_batch;
use crate::journal::FOREIGN_PATH;

/// The longest answer that is changed.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// In the extensions of an answer: the fault that made it what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Injected(pub(crate) &'static str);

/// In the extensions of an answer: cut the connection instead of sending it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset;

/// What the layer needs.
#[derive(Debug)]
pub(crate) struct FaultLayer {
    pub(crate) control: Arc<Control>,
    pub(crate) faults: Arc<Faults>,
    /// `https://localhost:PORT`.
    pub(crate) base: String,
}

/// Holds the answer back for the latency, and lets the request meet its fault.
pub(crate) async fn inject(
    State(layer): State<Arc<FaultLayer>>,
    mut request: Request,
    next: Next,
) -> Response {
    let settings = layer.control.settings();
    let path = request.uri().path();
    if path.starts_with(FOREIGN_PATH) {
        return answers::foreign();
    }
    if !settings.latency.is_zero() {
        layer.control.clock().sleep(settings.latency).await;
    }
    let is_again = pages::strip_again(request.uri_mut());
    let Some(kind) = layer.choose(&settings.faults, &request, is_again) else {
        return next.run(request).await;
    };
    let mut response = layer.meet(kind, request, next).await;
    if let Some(response) = &mut response.1 {
        response.extensions_mut().insert(Injected(kind.name()));
    }
    match response {
        (_, Some(changed)) => changed,
        (Some(unchanged), None) => unchanged,
        (None, None) => reset(),
    }
}

impl FaultLayer {
    fn choose(&self, script: &FaultScript, request: &Request, is_again: bool) -> Option<FaultKind> {
        let path_and_query = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let target = Target::of(path_and_query);
        // A page that is shown again was at fault before; once is enough.
        if is_again {
            return None;
        }
        self.faults.choose(script, Candidate { target, method: request.method(), path_and_query })
    }

    /// The answer as it is, or a changed one.
    async fn meet(
        &self,
        kind: FaultKind,
        request: Request,
        next: Next,
    ) -> (Option<Response>, Option<Response>) {
        let target = Target::of(request.uri().path());
        let now = self.control.clock().now();
        let instead = answers::instead(kind, &Met { request: &request, target, now, base: &self.base });
        if instead.is_some() {
            return (None, instead);
        }
        if challenges::is_one(kind) {
            let response = challenges::refused(kind, request, next, now).await;
            return match response.status() {
                StatusCode::UNAUTHORIZED => (None, Some(response)),
                // What needs no token.
                _ => (Some(response), None),
            };
        }
        if kind == FaultKind::ResetBefore {
            return (None, Some(reset()));
        }
        let Some((request, batch)) = read_batch(request).await else {
            return (None, Some(reset()));
        };
        let asked = request.uri().clone();
        let response = next.run(request).await;
        if kind == FaultKind::ResetAfter {
            return (None, Some(reset()));
        }
        if kind == FaultKind::Late {
            self.control.clock().sleep(answers::WAIT).await;
            return (None, Some(response));
        }
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            return (None, Some(reset()));
        };
        let whole = |body| Some(Response::from_parts(parts.clone(), Body::from(body)));
        if let Some(body) = pages::changed(kind, &asked, &self.base, parts.status, &body, &batch) {
            let mut response = Response::from_parts(parts, Body::from(body));
            response.headers_mut().remove(http::header::CONTENT_LENGTH);
            return (None, Some(response));
        }
        match bodies::spoiled(kind, &body, self.control.clock()) {
            Some(spoiled) => {
                let mut response = Response::from_parts(parts, spoiled);
                response.headers_mut().remove(http::header::CONTENT_LENGTH);
                (None, Some(response))
            }
            None => (whole(body), None),
        }
    }
}

/// The request with its body, if it is a batch; nothing if the body broke off.
async fn read_batch(request: Request) -> Option<(Request, Bytes)> {
    if !is_batch(request.uri().path()) {
        return Some((request, Bytes::new()));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.ok()?;
    Some((Request::from_parts(parts, Body::from(body.clone())), body))
}

/// An answer that the server replaces by the end of the connection.
fn reset() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(Reset);
    response
}

/// The URL of a request below the origin of the sandbox.
fn absolute(base: &str, asked: &Uri) -> String {
    format!("{base}{}", asked.path_and_query().map_or("/", PathAndQuery::as_str))
}
