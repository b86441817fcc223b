//! A call is passed on, and its answer comes back.

use http::{Method, Response};
use unattended_core::TokenSourceError;

use crate::world::{TOKEN, US, World, request};

#[tokio::test]
async fn a_call_is_sent_with_the_token_that_the_caller_never_sees() {
    let world = World::new();
    world.network.answers(
        Response::builder()
            .status(201)
            .header("content-type", "application/json;odata.metadata=minimal")
            .header("etag", "W/\"1\"")
            .header("request-id", "r1")
            .header("set-cookie", "a=b"),
        r#"{"id":"1"}"#,
    );
    let request = request(Method::POST, "/graph/users?$select=id")
        .header("content-type", "application/json")
        .header("consistencylevel", "eventual")
        .header("prefer", "a")
        .header("prefer", "b")
        .header("cookie", "c=d")
        .header("client-request-id", "mine");
    let answer = world.ask(US, request, r#"{"displayName":"Zoë"}"#).await;
    assert_eq!((answer.status, answer.text.as_str()), (201, r#"{"id":"1"}"#));
    assert_eq!(answer.header("content-type"), Some("application/json;odata.metadata=minimal"));
    assert_eq!((answer.header("etag"), answer.header("request-id")), (Some("W/\"1\""), Some("r1")));
    assert_eq!((answer.header("set-cookie"), answer.header("authorization")), (None, None));

    let asked = world.network.asked().remove(0);
    assert_eq!(asked.uri(), "https://graph.example/v1.0/users?$select=id");
    assert_eq!(asked.body(), r#"{"displayName":"Zoë"}"#);
    assert_eq!(asked.headers()["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(
        (&asked.headers()["consistencylevel"], &asked.headers()["prefer"]),
        (&"eventual".parse().unwrap(), &"a, b".parse().unwrap())
    );
    assert!(!asked.headers().contains_key("cookie") && !asked.headers().contains_key("host"));
    assert_ne!(asked.headers()["client-request-id"], "mine");
}

#[tokio::test]
async fn a_body_that_is_not_text_comes_through_unchanged() {
    let world = World::new();
    world.network.answers(Response::builder().header("content-type", "image/jpeg"), "\u{0}\u{1}ÿ");
    let request = request(Method::PUT, "/graph/me/photo/$value").header("content-type", "image/jpeg");
    let answer = world.ask(US, request, b"\x00\xff\xfe".as_slice()).await;
    assert_eq!((answer.text.as_str(), answer.header("content-type")), ("\u{0}\u{1}ÿ", Some("image/jpeg")));
    assert_eq!(world.network.asked()[0].body().as_ref(), b"\x00\xff\xfe");
}

#[tokio::test]
async fn an_error_of_the_api_keeps_its_status_and_its_code() {
    let world = World::new();
    let body = r#"{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges","innerError":{"request-id":"r7"}}}"#;
    world.network.answers(Response::builder().status(403), body);
    let answer = world.get("/graph/users").await;
    let error = &answer.json()["error"];
    assert_eq!(answer.error(), (403, "Authorization_RequestDenied".to_owned()));
    assert_eq!((&error["by"], &error["request_id"]), (&"api".into(), &"r7".into()), "{error}");
}

#[tokio::test]
async fn throttling_is_waited_for_and_passed_on_with_its_time_when_that_is_too_long() {
    let world = World::new();
    world
        .network
        .answers(Response::builder().status(429).header("retry-after", "2"), "")
        .answers(Response::builder(), "{}");
    assert_eq!(world.get("/graph/users").await.status, 200);

    world.network.answers(Response::builder().status(429).header("retry-after", "900"), "");
    let answer = world.get("/graph/users").await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 900, "{:?}", answer.headers);
    // The gate is shut now: nothing is sent, and the caller is told the same.
    let sent = world.network.asked().len();
    let answer = world.get("/graph/groups").await;
    assert_eq!((answer.error(), world.network.asked().len()), ((429, "throttled".to_owned()), sent));
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn what_is_no_answer_of_the_api_is_a_bad_gateway() {
    let world = World::new();
    let answer = world.get("/graph/users").await;
    assert_eq!(answer.error(), (502, "no_answer".to_owned()));
    world.network.answers(Response::builder().status(302).header("location", "https://evil.example/"), "");
    let answer = world.get("/graph/users").await;
    assert_eq!((answer.error(), answer.header("location")), ((502, "unexpected_answer".to_owned()), None));
}

#[tokio::test]
async fn a_deletion_that_was_done_before_its_answer_was_lost_is_a_deletion() {
    let world = World::new();
    world.network.answers(Response::builder().status(503), "").answers(Response::builder().status(404), "{}");
    let answer = world.ask(US, request(Method::DELETE, "/graph/users/1"), "").await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

#[tokio::test]
async fn no_token_is_told_apart_from_a_refusal_of_the_api() {
    let passing = World::giving(|| Err(TokenSourceError::transient("the authority has a fault", None)));
    assert_eq!(passing.get("/graph/users").await.error(), (503, "no_token".to_owned()));
    let lasting = World::giving(|| Err(TokenSourceError::permanent("the secret has expired")));
    let answer = lasting.get("/graph/users").await;
    assert_eq!(answer.error(), (502, "no_token".to_owned()));
    assert!(answer.text.contains("the secret has expired") && answer.text.contains("\"authority\""));
}
