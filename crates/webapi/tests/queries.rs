//! What is added to a request, and only where it was asked for.

mod support;

use std::io::Read as _;

use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::support::{Api, bench, json, reply, status};

// AQ-1
#[tokio::test]
async fn an_advanced_query_gets_what_it_needs_when_that_was_asked_for() {
    let page = |link: Option<&str>| {
        let mut page = json!({ "value": [{}] });
        if let Some(link) = link {
            page["@odata.nextLink"] = json!(format!("https://graph.example/v1.0/users?$skiptoken={link}"));
        }
        json(&page)
    };
    let api = Api::answering([page(Some("2")), page(None)]);
    let client = bench(&api).client.with_advanced_queries();
    let mut pages = client.pages("/users?$filter=endsWith(mail,'x')&$select=id");
    while pages.next().await.unwrap().is_some() {}
    client.get("/groups?$search=\"displayName:a\"").send().await.unwrap();
    client.get("/users?$select=id").send().await.unwrap();
    client.get("/users/$count").header("ConsistencyLevel", "session").send().await.unwrap();
    client.patch("/users/1?$filter=a ne b").json(&json!({})).send().await.unwrap();
    bench(&api).client.get("/users?$count=true").send().await.unwrap();
    assert_eq!(api.header("consistencylevel"), ["eventual", "eventual", "eventual", "", "session", "", ""]);
    let counts: Vec<bool> =
        api.requests().iter().map(|it| it.uri().to_string().contains("$count=true")).collect();
    assert_eq!(counts, [true, false, false, false, false, false, true]);
}

// AQ-1
#[tokio::test]
async fn a_query_that_is_refused_says_what_it_lacks() {
    let refused = || {
        let body = r#"{"error":{"code":"Request_UnsupportedQuery","message":"Unsupported Query."}}"#;
        reply(400, &[], body)
    };
    let api = Api::answering([refused(), refused()]);
    let client = bench(&api).client;
    let path = "/users?$filter=endsWith(mail,'x')";
    let error = client.get(path).send().await.unwrap_err();
    let said = error.remedy().unwrap();
    assert!(
        said.contains("`endsWith`")
            && said.contains("ConsistencyLevel: eventual")
            && said.contains("$count=true")
    );
    let advanced = client.with_advanced_queries().get(path).send().await.unwrap_err();
    assert!(advanced.remedy().unwrap().contains("not even as an advanced one"));
}

/// Takes compressed bodies or not, and hands back what it understood.
fn api(takes_gzip: bool) -> Api {
    Api::by(move |request| {
        let is_small = request.headers().get("content-encoding").is_some_and(|it| it == "gzip");
        match (is_small, takes_gzip) {
            (true, false) => status(415),
            (true, true) => {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&request.body()[..]).read_to_end(&mut plain).unwrap();
                reply(200, &[], plain)
            }
            _ => reply(200, &[], request.body().clone()),
        }
    })
}

// CP-2
#[tokio::test]
async fn bodies_are_compressed_only_where_that_was_asked_for_and_helps() {
    let long = Bytes::from("many people ".repeat(1_000));
    let api = api(true);
    let plain = bench(&api).client;
    let client = plain.with_compressed_requests();
    let post = |client: &unattended_webapi::Client, body: &Bytes| {
        client.request(Method::POST, "/x").body(body.clone(), "text/plain")
    };
    assert_eq!(post(&client, &long).send().await.unwrap().body(), &long);
    post(&plain, &long).send().await.unwrap();
    post(&client, &Bytes::from("short")).send().await.unwrap();
    post(&client, &long).header("content-range", "bytes 0-11999/12000").send().await.unwrap();
    post(&client, &long).header("content-encoding", "br").send().await.unwrap();
    assert_eq!(api.header("content-encoding"), ["gzip", "", "", "", "br"]);
    assert!(api.requests()[0].body().len() < 200);
}

// CP-2
#[tokio::test]
async fn an_api_that_refuses_compressed_bodies_gets_them_plain_from_then_on() {
    let long = Bytes::from("many people ".repeat(1_000));
    let api = api(false);
    let client = bench(&api).client.with_compressed_requests();
    for _ in 0..2 {
        let response = client.post("/x").body(long.clone(), "text/plain").send().await.unwrap();
        assert_eq!((response.body(), response.attempts()), (&long, 1));
    }
    assert_eq!(api.header("content-encoding"), ["gzip", "", ""]);
}
