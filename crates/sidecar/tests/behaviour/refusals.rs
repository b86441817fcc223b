//! What is not passed on. Nothing of it ever reaches the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::StreamBody;
use hyper::body::Frame;
use unattended_core::ManualClock;
use unattended_sidecar::{Policy, ReservedName, Sidecar};

use crate::world::{Network, STRANGER, US, World, api, grant, request};

/// Asserts the refusal, and that it is the sidecar's own.
async fn refused(
    world: &World,
    request: http::request::Builder,
    status: u16,
    code: &str,
) -> serde_json::Value {
    let answer = world.ask(US, request, "").await;
    assert_eq!(answer.error(), (status, code.to_owned()), "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(world.network.asked().is_empty(), "{code}");
    let error = answer.json()["error"].clone();
    assert_eq!(error["by"], "sidecar");
    error
}

fn get(target: &str) -> http::request::Builder {
    request(Method::GET, target)
}

#[tokio::test]
async fn another_user_may_call_nothing_and_learns_nothing() {
    let world = World::new();
    for target in ["/", "/graph/users", "/token/graph", "/nothing/here"] {
        let answer = world.ask(STRANGER, get(target), "").await;
        assert_eq!(answer.error(), (403, "caller_not_allowed".to_owned()), "{target}");
        assert_eq!(answer.json()["error"]["caller"], "uid 4711");
        assert!(!answer.text.contains("billing"));
    }
    assert!(world.network.asked().is_empty());
}

#[tokio::test]
async fn the_superuser_may_call_where_nobody_is_named_and_only_who_is_named_where_somebody_is() {
    let root = unattended_sidecar::Peer { uid: 0, pid: None };
    assert_eq!(World::new().ask(root, get("/"), "").await.status, 200);
    let world = World::granting(vec![grant(&["graph"], None, false)]);
    assert_eq!(world.ask(root, get("/"), "").await.status, 403);
}

#[tokio::test]
async fn a_route_that_is_not_allowed_is_refused_with_those_that_are() {
    let world = World::granting(vec![grant(&["graph"], Some(&["GET /users*", "GET /groups/**"]), false)]);
    for (method, target) in [
        (Method::POST, "/graph/users"),
        (Method::GET, "/graph/applications"),
        (Method::GET, "/graph/users/1/messages"),
        (Method::GET, "/graph/users%2F1%2Fmessages"),
        (Method::GET, "/graph/USERS"),
        (Method::GET, "/graph"),
    ] {
        let error = refused(&world, request(method, target), 403, "route_not_allowed").await;
        assert_eq!(error["allowed"], serde_json::json!(["GET /users*", "GET /groups/**"]), "{target}");
        assert_eq!(error["caller"], "uid 1000");
    }
}

#[tokio::test]
async fn an_api_that_does_not_exist_is_refused_with_the_nearest_of_the_callers_own() {
    let world = World::granting(vec![grant(&["graph"], None, false)]);
    let error = refused(&world, get("/grpah/users"), 404, "unknown_api").await;
    assert_eq!(error["hint"], "did you mean /graph/?");
    let error = refused(&world, get("/bililng/invoices"), 404, "unknown_api").await;
    assert!(!error.to_string().contains("billing\""), "{error}");
    refused(&world, get("/billing/invoices"), 403, "api_not_allowed").await;
    refused(&world, get("/%67raph/users"), 404, "unknown_api").await;
}

// S9
#[tokio::test]
async fn a_request_that_came_through_a_proxy_or_from_a_browser_is_refused() {
    let world = World::new();
    for (name, code) in [
        ("Forwarded", "forwarded_request"),
        ("X-Forwarded-For", "forwarded_request"),
        ("X-Forwarded-Host", "forwarded_request"),
        ("X-Forwarded-Proto", "forwarded_request"),
        ("X-Real-IP", "forwarded_request"),
        ("Via", "forwarded_request"),
        ("Origin", "browser_request"),
        ("Sec-Fetch-Mode", "browser_request"),
        ("Sec-Fetch-Site", "browser_request"),
    ] {
        refused(&world, get("/graph/users").header(name, "x"), 403, code).await;
    }
}

#[tokio::test]
async fn a_request_that_brings_its_own_credentials_or_means_another_method_is_refused() {
    let world = World::new();
    for name in ["Authorization", "Proxy-Authorization"] {
        refused(&world, get("/graph/users").header(name, "Bearer x"), 400, "credentials_not_taken").await;
    }
    for name in ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"] {
        refused(&world, get("/graph/users").header(name, "DELETE"), 400, "method_override").await;
    }
}

// S9
#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let world = World::new();
    let with_host = |host: &str| Request::builder().uri("/graph/users").header("host", host.to_owned());
    for host in
        ["evil.example", "unattended.evil.example", "graph.example", "127.0.0.1", "localhost:8080", ""]
    {
        refused(&world, with_host(host), 421, "wrong_host").await;
    }
    refused(&world, Request::builder().uri("/graph/users"), 421, "wrong_host").await;
    refused(&world, get("/graph/users").header("host", "localhost"), 421, "wrong_host").await;
    for host in ["Unattended", "localhost"] {
        assert_eq!(world.ask(US, with_host(host).uri("/"), "").await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_target_that_is_no_plain_path_is_refused() {
    let world = World::new();
    refused(&world, get("http://unattended/graph/users"), 400, "absolute_target").await;
    refused(&world, get("https://graph.example/v1.0/users"), 400, "absolute_target").await;
    refused(&world, get("/graph/users/../applications"), 400, "ambiguous_path").await;
    refused(&world, get("/graph/%2e%2e/%2e%2e/beta/users"), 400, "ambiguous_path").await;
}

#[tokio::test]
async fn a_method_that_is_not_passed_on_is_refused_with_those_that_are() {
    let world = World::new();
    for method in [Method::OPTIONS, Method::HEAD, Method::TRACE, Method::CONNECT] {
        let answer = world.ask(US, request(method, "/graph/users"), "").await;
        assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()));
        assert_eq!(answer.header("allow"), Some("GET, POST, PATCH, PUT, DELETE"));
    }
    refused(&world, request(Method::POST, "/"), 405, "method_not_allowed").await;
}

#[tokio::test]
async fn a_body_of_four_mebibytes_is_taken_and_one_byte_more_is_not() {
    let world = World::new();
    world.network.answers(http::Response::builder(), "{}");
    let post = || request(Method::POST, "/graph/users").header("content-type", "text/plain");
    assert_eq!(world.ask(US, post(), vec![b'x'; 4 << 20]).await.status, 200);
    let answer = world.ask(US, post(), vec![b'x'; (4 << 20) + 1]).await;
    assert_eq!(answer.error(), (413, "body_too_long".to_owned()));
    assert_eq!(world.network.asked().len(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for_without_end() {
    let world = World::impatient();
    let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
    let request = request(Method::POST, "/graph/users").body(never).unwrap();
    assert_eq!(world.sidecar.answer(US, request).await.status(), 408);

    let broken = [Ok(Frame::data(Bytes::from("{"))), Err(std::io::Error::other("gone"))];
    let broken = StreamBody::new(futures_util::stream::iter(broken));
    let request = crate::world::request(Method::POST, "/graph/users").body(broken).unwrap();
    assert_eq!(World::new().sidecar.answer(US, request).await.status(), 400);
    assert!(world.network.asked().is_empty());
}

#[tokio::test]
async fn a_header_that_two_readers_could_read_differently_is_refused() {
    let world = World::new();
    let post = || request(Method::POST, "/graph/users");
    let twice = post().header("content-type", "text/plain").header("content-type", "application/json");
    refused(&world, twice, 400, "invalid_header").await;
    refused(&world, post().header("prefer", b"\xff".as_slice()), 400, "invalid_header").await;
}

#[test]
fn an_api_cannot_be_called_as_the_place_where_tokens_are_lent() {
    let clock = Arc::new(ManualClock::at(0));
    let apis = BTreeMap::from([("token".to_owned(), api("https://a.example", &Network::default(), None))]);
    assert_eq!(Sidecar::new(apis, Policy::for_user(1), clock).unwrap_err(), ReservedName);
}
