//! The tower layer.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use unattended_core::ManualClock;
use unattended_protect::{Caller, ProtectLayer, Rejection};

use crate::{ISSUER, NOW, v2_claims, validator};

fn problem(rejection: &Rejection, headers: &HeaderMap) -> Response<String> {
    let request_id = headers.get("request-id").and_then(|id| id.to_str().ok()).unwrap_or("none");
    Response::builder()
        .status(rejection.status())
        .header(WWW_AUTHENTICATE, rejection.challenge())
        .body(format!("{request_id}: {rejection}"))
        .unwrap()
}

async fn call(role: &str, token: Option<&str>) -> Response<String> {
    let handler = service_fn(async |request: Request<()>| {
        let caller: &Caller = request.extensions().get().unwrap();
        Ok::<_, Infallible>(Response::new(format!("hello {}", caller.client_id())))
    });
    let layer = ProtectLayer::new(Arc::new(validator()), Arc::new(ManualClock::at(NOW)), problem);
    let mut service = layer.require_any_role([role]).layer(handler);
    let mut request = Request::builder().header("request-id", "r-1");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("bearer {token}"));
    }
    service.ready().await.unwrap().call(request.body(()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_handler_sees_the_caller() {
    let response = call("Orders.Read.All", Some(&ISSUER.sign(&v2_claims()))).await;
    assert_eq!(response.body(), "hello 22222222-2222-2222-2222-222222222222");
}

#[tokio::test]
async fn a_refusal_is_answered_in_the_apis_own_shape() {
    let response = call("Orders.Read.All", None).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.body(), "r-1: the request carries no bearer token");
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn a_caller_without_the_role_does_not_reach_the_handler() {
    let response = call("Orders.ReadWrite.All", Some(&ISSUER.sign(&v2_claims()))).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
