//! A token is lent to those who may have it, and to nobody else.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Uri};
use unattended_core::{Authorization, Possession, TokenSourceError};

use crate::world::{TOKEN, US, World, grant, request};

#[tokio::test]
async fn a_caller_that_may_borrow_gets_the_token_in_the_form_of_a_token_endpoint() {
    let world = World::granting(vec![grant(&["graph"], None, true), grant(&["billing"], None, false)]);
    let answer = world.get("/token/graph").await;
    assert_eq!(answer.json(), serde_json::json!({ "token_type": "Bearer", "access_token": TOKEN }));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert_eq!(world.get("/token/billing").await.error(), (403, "token_not_lent".to_owned()));
    assert_eq!(world.get("/token/grpah").await.error(), (404, "unknown_api".to_owned()));
    let answer = world.ask(US, request(Method::POST, "/token/graph"), "").await;
    assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()));
}

#[tokio::test]
async fn without_being_told_so_nobody_gets_a_token() {
    let answer = World::new().get("/token/graph").await;
    assert_eq!(answer.error(), (403, "token_not_lent".to_owned()));
    assert!(!answer.text.contains("eyJ"));
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_said_to_be_so() {
    let world = World::giving(|| Err(TokenSourceError::permanent("the secret has expired")));
    assert_eq!(world.get("/token/graph").await.error(), (502, "no_token".to_owned()));
}

#[derive(Debug)]
struct Key;

impl Possession for Key {
    fn prove(
        &self,
        _: &Method,
        _: &Uri,
        _: &str,
    ) -> Result<Option<(HeaderName, HeaderValue)>, TokenSourceError> {
        Ok(None)
    }
}

// D12
#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_not_lent() {
    let world = World::giving(|| Ok(Authorization::bound("DPoP", TOKEN, Arc::new(Key)).unwrap()));
    let answer = world.get("/token/graph").await;
    assert_eq!(answer.error(), (403, "bound_token".to_owned()));
    assert!(!answer.text.contains(TOKEN));
}

#[tokio::test]
async fn the_index_tells_each_caller_what_it_may_do() {
    let world = World::granting(vec![grant(&["graph"], Some(&["GET /users*"]), false)]);
    let expected = serde_json::json!({
        "caller": "uid 1000",
        "apis": { "graph": { "routes": ["GET /users*"], "lends_tokens": false } },
    });
    assert_eq!(world.get("/").await.json(), expected);
}
