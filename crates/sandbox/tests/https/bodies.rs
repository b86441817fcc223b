//! Bodies that nobody waits for, and bodies that do not end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use unattended_sandbox::Ready;

use crate::{administrator_token, builder, client, clock};

/// A body that says it has so many bytes, and stops after the first.
fn begun(first: &'static [u8]) -> reqwest::Body {
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(first))]);
    reqwest::Body::wrap_stream(first.chain(stream::pending()))
}

/// A client of the first version of HTTP that has bodies with a length.
fn client_of_http1(ready: &Ready) -> reqwest::Client {
    let _ = client(ready);
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().http1_only();
    builder.timeout(Duration::from_secs(20)).build().unwrap()
}

// UP-3
#[tokio::test]
async fn a_slice_for_no_session_is_answered_while_its_body_is_still_to_come() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let address = format!("{}/graph/uploads/none?tempauth=none", ready.authority);
    for client in [client(ready), client_of_http1(ready)] {
        let length = 59 * 1024 * 1024;
        let request = client.put(&address).header("content-length", length.to_string());
        let request = request.header("content-range", format!("bytes 0-{}/{length}", length - 1));
        let answer = request.body(begun(&[7; 1024])).send().await.unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"]["code"], "itemNotFound");
    }
    // What is still to come is waited for, but not for long.
    let stopping = tokio::spawn(sandbox.shutdown());
    while !stopping.is_finished() {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up_in_time_and_harms_nobody_else() {
    let clock = clock();
    let sandbox = builder().clock(Arc::new(clock.clone())).start().await.unwrap();
    let ready = sandbox.ready();
    let users = format!("{}/users", ready.graph);
    let client = client_of_http1(ready);
    // The connection stands, so that nothing but the body is waited for; and it is free, as its answer is read.
    let refused = client.get(&users).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.bytes().await.unwrap().is_empty()), (401, false));
    let before = clock.sleepers();
    let request = client.post(users).header("content-length", "4000000");
    let unfinished = tokio::spawn(request.body(begun(b"{")).send());
    while clock.sleepers() <= before {
        tokio::task::yield_now().await;
    }
    administrator_token(ready).await;
    clock.advance(Duration::from_secs(120));
    assert_eq!(unfinished.await.unwrap().unwrap().status(), 408);
    sandbox.shutdown().await;
}
