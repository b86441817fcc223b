//! What becomes of a token that the API does not accept.

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use unattended_core::{Authorization, BoxFuture, ManualClock, TokenDemand, TokenSource, TokenSourceError};
use unattended_webapi::Client;

use crate::support::{Api, BASE, Reply, reply, status};

const SECOND: Duration = Duration::from_secs(1);

/// Tokens that say what is in them, each time the next.
#[derive(Debug)]
struct Issued(Mutex<VecDeque<Value>>);

impl TokenSource for Issued {
    fn authorization(&self, demand: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        let mut tokens = self.0.lock().unwrap();
        if matches!(demand, TokenDemand::Newer { .. }) && tokens.len() > 1 {
            tokens.pop_front();
        }
        let payload = URL_SAFE_NO_PAD.encode(tokens[0].to_string());
        Box::pin(
            async move { Ok(Authorization::bearer(&format!("eyJhbGciOiJub25lIn0.{payload}.c2ln")).unwrap()) },
        )
    }
}

/// A client at 1,800,000,000 whose tokens are these.
fn with_tokens(api: &Api, tokens: impl IntoIterator<Item = Value>) -> (Client, ManualClock) {
    let clock = ManualClock::self_advancing_at(1_800_000_000);
    let client = Client::builder(BASE)
        .http(Arc::new(api.clone()))
        .token_source(Arc::new(Issued(Mutex::new(tokens.into_iter().collect()))))
        .clock(Arc::new(clock.clone()))
        .build()
        .unwrap();
    (client, clock)
}

fn denial(_: &http::Request<Bytes>) -> Reply {
    reply(403, &[], r#"{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}"#)
}

// AU-1
#[tokio::test]
async fn a_token_that_is_refused_twice_is_described_and_not_shown() {
    let date = ("date", "Fri, 15 Jan 2027 08:05:00 GMT");
    let api = Api::by(move |_| reply(401, &[date], ""));
    let token = |number: u64| {
        json!({ "aud": "https://other.example", "iss": "https://sts.example/t/", "tid": "t", "exp": 1_800_003_600_u64,
                "roles": ["User.Read.All"], "jti": number })
    };
    let (client, _) = with_tokens(&api, [token(1), token(2)]);
    let error = client.get("/users").send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET https://graph.example/v1.0/users: refused with 401 Unauthorized; the token: aud https://other.example, iss \
         https://sts.example/t/, tid t, roles User.Read.All, exp Fri, 15 Jan 2027 09:00:00 GMT, the API's clock is 300 s \
         ahead"
    );
    assert_eq!((api.sent(), error.refused_token().unwrap().clock_ahead), (2, Some(300)));
    assert!(!format!("{error:?}").contains("eyJ"));
}

// AU-3
#[tokio::test]
async fn a_permission_that_was_granted_after_the_token_was_issued_is_found_in_the_next() {
    let api = Api::by(|request| {
        let header = request.headers()["authorization"].to_str().unwrap().to_owned();
        let payload = URL_SAFE_NO_PAD.decode(header.split('.').nth(1).unwrap()).unwrap();
        let granted = String::from_utf8(payload).unwrap().contains("User.ReadWrite.All");
        if granted { status(201) } else { denial(request) }
    });
    let old = json!({ "aud": "a", "iat": 1_799_999_700_u64, "roles": ["User.Read.All"] });
    let new = json!({ "aud": "a", "iat": 1_800_000_000_u64, "roles": ["User.ReadWrite.All"] });
    let (client, _) = with_tokens(&api, [old, new]);
    assert_eq!(client.post("/users").json(&json!({})).send().await.unwrap().status(), 201);
    assert_eq!(api.sent(), 2);
}

// AU-3
#[tokio::test]
async fn who_lacks_a_permission_for_good_does_not_ask_for_a_token_at_every_call() {
    let api = Api::by(denial);
    let issued =
        |jti: u64| json!({ "aud": "a", "iat": 1_799_990_000_u64, "roles": ["User.Read.All"], "jti": jti });
    let (client, clock) = with_tokens(&api, (0..9).map(issued));
    let sent = async || {
        let error = client.post("/users").json(&json!({})).send().await.unwrap_err();
        assert_eq!(
            error.remedy(),
            Some(
                "the token has User.Read.All; an administrator has to grant one of User.ReadWrite.All, Directory.ReadWrite.All"
            )
        );
        api.sent()
    };
    assert_eq!(sent().await, 2);
    assert_eq!(sent().await, 3, "nothing new in five minutes");
    clock.advance(300 * SECOND);
    assert_eq!(sent().await, 5);

    let fresh = json!({ "aud": "a", "iat": 1_799_999_990_u64 });
    let api = Api::by(denial);
    let (client, _) = with_tokens(&api, [fresh, json!({ "aud": "b" })]);
    let error = client.get("/users/1/memberOf").send().await.unwrap_err();
    assert_eq!(api.sent(), 1, "a token that is so new has what has been granted");
    assert_eq!(
        error.remedy(),
        Some(
            "the token has no application permission; an administrator has to grant one of Directory.Read.All, Directory.ReadWrite.All"
        )
    );
}

// AU-3
#[tokio::test]
async fn a_refusal_in_spite_of_the_permission_says_that_it_is_about_the_object() {
    let api = Api::by(denial);
    let owned = json!({ "aud": "a", "iat": 1_800_000_000_u64, "roles": ["Application.ReadWrite.OwnedBy"] });
    let (client, _) = with_tokens(&api, [owned]);
    let error = client.patch("/applications/1").json(&json!({})).send().await.unwrap_err();
    assert!(
        error.remedy().unwrap().ends_with("this object, or this property of it, takes more"),
        "{:?}",
        error.remedy()
    );
    let unknown = client.get("/unknown").send().await.unwrap_err();
    assert_eq!(unknown.remedy(), Some("the token has Application.ReadWrite.OwnedBy"));
}
