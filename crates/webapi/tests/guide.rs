//! What the guide `test-with-faults.md` shows: a function of somebody's own, over many seeds of faults.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use unattended_core::{
    Authorization, BoxFuture, HttpClient, HttpError, ManualClock, ResponseBody, SeededEntropy, TokenDemand,
    TokenSource, TokenSourceError,
};
use unattended_webapi::fault::FaultyHttp;
use unattended_webapi::{Client, Error, RetryPolicy};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    account_enabled: bool,
}

/// What is to be tested.
async fn count_enabled(client: &Client) -> Result<usize, Error> {
    let mut pages = client.pages("/users?$select=id,accountEnabled").unique();
    let mut enabled = 0;
    while let Some(page) = pages.next().await? {
        enabled += page.parse::<User>()?.iter().filter(|user| user.account_enabled).count();
    }
    Ok(enabled)
}

/// An API with thirty users in three pages, of whom every third is disabled.
#[derive(Debug)]
struct Directory;

impl HttpClient for Directory {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        let page: u32 =
            request.uri().query().and_then(|it| it.strip_prefix("page=")?.parse().ok()).unwrap_or(0);
        let users: Vec<_> = (page * 10..page * 10 + 10)
            .map(|number| serde_json::json!({ "id": number.to_string(), "accountEnabled": number % 3 != 0 }))
            .collect();
        let mut body = serde_json::json!({ "value": users });
        if page < 2 {
            body["@odata.nextLink"] = format!("https://graph.example/v1.0/users?page={}", page + 1).into();
        }
        Box::pin(async move { Ok(Response::new(ResponseBody::full(body.to_string()))) })
    }
}

#[derive(Debug)]
struct Token;

impl TokenSource for Token {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async { Ok(Authorization::bearer("for-the-test").unwrap()) })
    }
}

#[tokio::test]
async fn the_count_is_right_or_there_is_none() {
    for seed in 0..200 {
        // Waits are over at once, and are counted.
        let clock = Arc::new(ManualClock::self_advancing_at(1_800_000_000));
        let entropy = Arc::new(SeededEntropy::new(seed));
        let network = FaultyHttp::new(Arc::new(Directory), clock.clone(), entropy.clone(), 0.3);
        let client = Client::builder("https://graph.example/v1.0")
            .http(Arc::new(network))
            .token_source(Arc::new(Token))
            .clock(clock)
            .entropy(entropy)
            .retry(RetryPolicy::job())
            .build()
            .unwrap();
        match count_enabled(&client).await {
            Ok(enabled) => assert_eq!(enabled, 20, "seed {seed}"),
            Err(error) => assert!(error.is_transient() || error.is_unauthorized(), "seed {seed}: {error}"),
        }
    }
}
