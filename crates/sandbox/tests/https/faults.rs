//! Faults on purpose, as clients meet them: in the shape of the service that they come from.

use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use unattended_core::Clock;
use unattended_sandbox::Ready;

use crate::{administrator_token, builder, client, client_builder, clock, start};

const CORRELATION: &str = "5b3b4e0e-6a1c-4b7e-9d5b-2f0c6a7d8e9f";

/// Has a fault happen to the next request to a path.
async fn lay_out(ready: &Ready, kind: &str, path: &str) {
    let fault = json!({ "kind": kind, "path": path });
    control(ready, Method::POST, "faults", &fault).await;
}

async fn control(ready: &Ready, method: Method, path: &str, body: &Value) {
    let token = fs::read_to_string(ready.ca_file.with_file_name("control.token")).unwrap();
    let url = format!("{}/sandbox/{path}", ready.authority);
    let answer =
        client(ready).request(method, url).bearer_auth(token.trim()).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// A read of the directory by its administrator.
async fn read(ready: &Ready, path: &str) -> RequestBuilder {
    let token = administrator_token(ready).await;
    let token = token["access_token"].as_str().unwrap().to_owned();
    let url = if path.starts_with('/') { format!("{}{path}", ready.graph) } else { path.to_owned() };
    client(ready).get(url).bearer_auth(token)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

// AC-13, CH-1
#[tokio::test]
async fn a_fault_of_the_authority_has_the_shape_of_all_its_errors() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let path = format!("/{}/oauth2/v2.0/token", ready.tenant_id);
    for (kind, status, code, wait) in [
        ("throttled", 429, 90055, "1"),
        ("throttled-bare", 429, 90055, ""),
        ("unavailable", 503, 90033, "1"),
        ("gateway-timeout", 504, 90033, ""),
        ("server-error", 500, 50000, ""),
    ] {
        lay_out(ready, kind, &path).await;
        let url = format!("{}{path}?client-request-id={CORRELATION}", ready.authority);
        let response = client(ready).post(url).header("client-request-id", "none").send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (status, wait), "{kind}");
        assert_eq!(header(&response, "cache-control"), "no-store, no-cache", "{kind}");
        let trace = header(&response, "x-ms-request-id").to_owned();
        let body: Value = response.json().await.unwrap();
        assert!(trace.ends_with("00") && body["trace_id"] == *trace, "{kind}: {body}");
        assert_eq!(body["correlation_id"], CORRELATION, "{kind}");
        let description = body["error_description"].as_str().unwrap();
        let start = format!("AADSTS{code}: ");
        assert!(description.starts_with(&start) && description.contains(&trace), "{description}");
        assert_eq!(body["error_uri"], format!("{}/error?code={code}", ready.authority), "{kind}");
    }
    sandbox.shutdown().await;
}

// directory 1, CH-1
#[tokio::test]
async fn a_fault_of_the_directory_tells_the_ids_of_the_request() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    for kind in ["throttled", "unavailable", "server-error", "error-in-success"] {
        lay_out(ready, kind, "/graph/").await;
        let request = read(ready, "/users").await.header("client-request-id", CORRELATION);
        let response = request.send().await.unwrap();
        let id = header(&response, "request-id").to_owned();
        assert_eq!(header(&response, "client-request-id"), CORRELATION, "{kind}");
        assert_eq!(header(&response, "odata-version"), "4.0", "{kind}");
        let body: Value = response.json().await.unwrap();
        let inner = &body["error"]["innerError"];
        assert_eq!((&inner["request-id"], &inner["client-request-id"]), (&json!(id), &json!(CORRELATION)));
    }
    sandbox.shutdown().await;
}

// CH-1, AU-2, directory 9.1
#[tokio::test]
async fn a_refused_token_is_challenged_in_the_words_of_the_service() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let challenge = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", \
         client_id=\"00000003-0000-0000-c000-000000000000\"",
        ready.authority
    );
    lay_out(ready, "unauthorized", "/graph/").await;
    let response = read(ready, "/users").await.send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "www-authenticate")), (401, &*challenge));

    lay_out(ready, "claims-challenge", "/graph/").await;
    let response = read(ready, "/users").await.send().await.unwrap();
    assert_eq!(response.status(), 401);
    let rest = header(&response, "www-authenticate").strip_prefix(&*challenge).unwrap();
    assert!(rest.starts_with(r#", error="insufficient_claims", claims="ey"#), "{rest}");

    lay_out(ready, "unauthorized", "/vault/").await;
    let url = format!("{}/secrets/x?api-version=7.4", ready.vault);
    let response = client(ready).get(url).bearer_auth("whatever").send().await.unwrap();
    let challenge = format!(
        "Bearer authorization=\"{}/{}\", resource=\"https://vault.azure.net\"",
        ready.authority, ready.tenant_id
    );
    assert_eq!((response.status().as_u16(), header(&response, "www-authenticate")), (401, &*challenge));
    sandbox.shutdown().await;
}

// CH-1
#[tokio::test]
async fn a_body_that_is_cut_has_begun() {
    let clock = clock();
    let sandbox = builder().users(99).clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let token = administrator_token(ready).await;
    for client in [client_builder(ready).http1_only(), client_builder(ready)] {
        lay_out(ready, "reset-in-body", "/graph/").await;
        let request = client.build().unwrap().get(format!("{}/users", ready.graph));
        let request = request.bearer_auth(token["access_token"].as_str().unwrap());
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let begun = response.chunk().await.unwrap().unwrap();
        assert!(begun.starts_with(b"{\"@odata.context\""), "{begun:?}");
        let mut cut = pin!(async {
            loop {
                match response.chunk().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return false,
                    Err(_) => return true,
                }
            }
        });
        // The cut comes after a pause, whenever that begins.
        let is_cut = loop {
            tokio::select! {
                is_cut = cut.as_mut() => break is_cut,
                () = tokio::task::yield_now() => clock.advance(Duration::from_secs(1)),
            }
        };
        assert!(is_cut);
    }
    sandbox.shutdown().await;
}

// directory 6, CH-1
#[tokio::test]
async fn a_round_of_changes_that_is_gone_says_where_to_begin_again() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    let latest = read(ready, "/users/delta?$deltatoken=latest").await.send().await.unwrap();
    let latest: Value = latest.json().await.unwrap();
    lay_out(ready, "gone", "/graph/").await;
    let response = read(ready, latest["@odata.deltaLink"].as_str().unwrap()).await.send().await.unwrap();
    assert_eq!(response.status(), 410);
    let anew = header(&response, "location").to_owned();
    assert_eq!(anew, format!("{}/users/delta?$deltatoken=", ready.graph));
    assert_eq!(read(ready, &anew).await.send().await.unwrap().status(), 200);
    sandbox.shutdown().await;
}

// CH-1: A, B, A
#[tokio::test]
async fn a_later_page_leads_back_to_the_first() {
    let sandbox = builder().users(9).start().await.unwrap();
    let ready = sandbox.ready();
    let page =
        async |link: &str| -> Value { read(ready, link).await.send().await.unwrap().json().await.unwrap() };
    lay_out(ready, "loop-to-first", "/graph/").await;
    let first = page("/users?$top=3&$select=id").await;
    let second = page(first["@odata.nextLink"].as_str().unwrap()).await;
    assert_ne!(first["value"], second["value"]);
    let again = page(second["@odata.nextLink"].as_str().unwrap()).await;
    assert_eq!(first["value"], again["value"]);
    sandbox.shutdown().await;
}

// CH-1, CH-2: what was written stays told, and what depends on a request failed with it
#[tokio::test]
async fn in_a_batch_only_a_read_that_nothing_depends_on_meets_a_fault() {
    let sandbox = builder().users(9).start().await.unwrap();
    let ready = sandbox.ready();
    let batch = json!({ "requests": [
        { "id": "secret", "method": "POST", "url": format!("/applications(appId='{}')/addPassword", ready.administrator.client_id),
          "headers": { "Content-Type": "application/json" }, "body": {} },
        { "id": "First", "method": "GET", "url": "/users?$top=1" },
        { "id": "second", "method": "GET", "url": "/users?$top=2", "dependsOn": ["first"] },
    ] });
    for (kind, status) in [("inner-throttled", 429), ("inner-failed-dependency", 424)] {
        for name in ["$batch", "%24batch"] {
            lay_out(ready, kind, "/graph/").await;
            let token = administrator_token(ready).await;
            let request = client(ready).post(format!("{}/{name}", ready.graph)).json(&batch);
            let request = request.bearer_auth(token["access_token"].as_str().unwrap());
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            let mut met: Vec<_> = answer["responses"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| (it["id"].as_str().unwrap(), it["status"].as_u64().unwrap()))
                .collect();
            met.sort_unstable();
            assert_eq!(met, [("First", 200), ("second", status), ("secret", 200)]);
        }
    }
    sandbox.shutdown().await;
}

// Time travel: clients learn from `Date` how far their clocks are off.
#[tokio::test]
async fn every_answer_tells_the_time_of_the_sandbox() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    control(ready, Method::PATCH, "settings", &json!({ "clock-offset": "+8d" })).await;
    let ahead = clock.now() + Duration::from_secs(8 * 86_400);
    let date = jiff::Timestamp::try_from(ahead).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let get = async |url: String| client(ready).get(url).send().await.unwrap();
    for url in [
        format!("{}/{}/v2.0/.well-known/openid-configuration", ready.authority, ready.tenant_id),
        format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id),
        format!("{}/users", ready.graph),
        format!("{}/secrets", ready.vault),
        format!("{}/nowhere", ready.authority),
    ] {
        assert_eq!(header(&get(url.clone()).await, "date"), date, "{url}");
    }
    lay_out(ready, "throttled-date", "/graph/").await;
    let throttled = get(format!("{}/users", ready.graph)).await;
    assert_eq!(header(&throttled, "date"), date);
    // The date to wait for is compared with the server's, whatever the client's clock says.
    let wait = unattended_core::retry_after(throttled.headers(), clock.now());
    assert_eq!(wait, Some(Duration::from_secs(2)));
    sandbox.shutdown().await;
}
