//! reqwest behind the port: what the port promises holds for it, too.

use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use unattended_core::{HttpClient as _, HttpError, HttpErrorKind, RequestBody};
use unattended_transport::ReqwestClient;

use crate::exchange::answer_all_with;
use crate::reserved_port::ReservedPort;
use crate::support::{chain, get, read_head, serve_plain};

fn client() -> ReqwestClient {
    // Nothing of these tests is encrypted; who builds it chooses the cryptography of rustls, as reqwest wants it.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    ReqwestClient::build(reqwest::Client::builder().no_proxy()).unwrap()
}

// RD-1
#[tokio::test]
async fn reqwest_follows_no_redirect_and_adds_no_referer() {
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nok";
    let (url, heads) = answer_all_with(redirect).await;
    let response = client().send(get(&url)).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
        (302, "/elsewhere")
    );
    assert_eq!(response.into_body().collect(10).await.unwrap(), "ok");
    let heads = heads.lock().unwrap();
    assert!(heads.len() == 1 && !heads[0].to_ascii_lowercase().contains("referer"), "{heads:?}");
}

// RT-2
#[tokio::test]
async fn reqwest_tells_a_request_that_never_left_from_one_that_may_have_been_carried_out() {
    let silent = ReservedPort::new();
    let nobody = format!("http://127.0.0.1:{}/?code=canary", silent.number);
    let error = client().send(get(&nobody)).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Connect);
    assert!(!chain(&error).contains("canary"), "{}", chain(&error));

    let address = serve_plain(async |mut connection| {
        read_head(&mut connection).await;
    })
    .await;
    let error = client().send(get(&format!("http://{address}/?code=canary"))).await.unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Interrupted, "{}", chain(&error));
    assert!(!chain(&error).contains("canary"), "{}", chain(&error));

    let (url, _) = answer_all_with(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour").await;
    let cut = client().send(get(&url)).await.unwrap().into_body().collect(100).await.unwrap_err();
    assert_eq!(cut.kind(), HttpErrorKind::Interrupted);
}

// RT-8
#[tokio::test]
async fn reqwest_streams_a_body_with_its_length() {
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let address = serve_plain(move |mut connection| {
        let sender = sender.clone();
        async move {
            let head = read_head(&mut connection).await;
            let mut body = [0; 6];
            connection.read_exact(&mut body).await.unwrap();
            sender.send((head.to_ascii_lowercase(), body)).unwrap();
            connection.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let chunks = stream::iter(["abc", "def"].map(|chunk| Ok::<_, HttpError>(chunk.into())));
    let request = http::Request::put(format!("http://{address}/")).body(RequestBody::new(chunks, Some(6)));
    let response = client().send_streaming(request.unwrap()).await.unwrap();
    let (head, body) = received.recv().await.unwrap();
    assert_eq!((response.status().as_u16(), &body), (201, b"abcdef"));
    assert!(head.contains("content-length: 6") && !head.contains("chunked"), "{head}");
}
