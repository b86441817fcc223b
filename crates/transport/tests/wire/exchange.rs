//! What the transport does with a real connection.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use unattended_core::{HttpClient as _, HttpError, HttpErrorKind, RequestBody};
use unattended_transport::Transport;

use crate::reserved_port::ReservedPort;
use crate::support::{HTTP_1, Pki, chain, get, read_head, serve_plain};

pub(crate) fn trusting(pki: &Pki) -> Transport {
    Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap().build().unwrap()
}

/// A transport that trusts an authority of its own, for servers without TLS.
fn any() -> Transport {
    trusting(&Pki::new())
}

pub(crate) async fn answer_all_with(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let address = serve_plain(move |mut connection| {
        let seen = Arc::clone(&seen);
        async move {
            let head = read_head(&mut connection).await;
            seen.lock().unwrap().push(head);
            connection.write_all(answer).await.unwrap();
            connection.shutdown().await.unwrap();
        }
    })
    .await;
    (format!("http://{address}"), heads)
}

// HP-1
#[tokio::test]
async fn a_server_of_the_extra_authority_is_believed_and_of_an_unknown_one_is_not() {
    let pki = Pki::new();
    let port = pki
        .serve(HTTP_1, async |mut connection| {
            read_head(&mut connection).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            connection.write_all(answer).await.unwrap();
        })
        .await;
    let url = format!("https://localhost:{port}/");

    let response = trusting(&pki).send(get(&url)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect(10).await.unwrap(), "ok");

    let stranger = any().send(get(&url)).await.unwrap_err();
    assert_eq!(stranger.kind(), HttpErrorKind::Connect);
    assert!(chain(&stranger).contains("invalid peer certificate"), "{}", chain(&stranger));
}

fn thumbprint(pki: &Pki) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &pki.certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

// Case 95 of the peers' suites: the secret of Service Fabric stays here when another server answers.
#[tokio::test]
async fn a_pinned_server_is_believed_by_its_certificate_and_another_one_sees_nothing() {
    let (pki, other) = (Pki::new(), Pki::new());
    let seen = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&seen);
    let port = pki
        .serve(HTTP_1, move |mut connection| {
            let counter = Arc::clone(&counter);
            async move {
                read_head(&mut connection).await;
                *counter.lock().unwrap() += 1;
                let answer =
                    b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n";
                connection.write_all(answer).await.unwrap();
            }
        })
        .await;
    // By address and not by a name in the certificate, as such services are reached.
    let url = format!("https://127.0.0.1:{port}/");
    let pinned = |pki: &Pki| Transport::builder().pinned_to_sha1(&thumbprint(pki)).unwrap().build().unwrap();
    let error = pinned(&other).send(get(&url)).await.unwrap_err();
    assert_eq!((error.kind(), *seen.lock().unwrap()), (HttpErrorKind::Connect, 0));
    let answer = pinned(&pki).send(get(&url)).await.unwrap();
    assert_eq!((answer.status().as_u16(), *seen.lock().unwrap()), (302, 1), "and no redirect is followed");
    assert!(Transport::builder().pinned_to_sha1("no thumbprint").is_err());
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_one_that_is_configured() {
    let (pki, clients) = (Pki::new(), Pki::new());
    let port = pki
        .serve_known(&clients, async |mut connection| {
            let shown = connection.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
            read_head(&mut connection).await;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{shown}");
            connection.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
    let url = format!("https://localhost:{port}/");
    let known = Transport::builder()
        .extra_ca_pem(pki.ca_pem.as_bytes())
        .unwrap()
        .client_identity_pem(clients.identity_pem().as_bytes())
        .unwrap()
        .build()
        .unwrap();
    let answer = known.send(get(&url)).await.unwrap();
    assert_eq!(answer.into_body().collect(10).await.unwrap(), "1");
    assert!(trusting(&pki).send(get(&url)).await.is_err(), "nobody gets in without one");
    for pem in ["", &clients.ca_pem] {
        assert!(Transport::builder().client_identity_pem(pem.as_bytes()).is_err());
    }
}

// RD-1
#[tokio::test]
async fn a_redirect_is_an_answer_and_a_cookie_is_not_kept() {
    let redirect =
        b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n";
    let (url, heads) = answer_all_with(redirect).await;
    let transport = any();
    for _ in 0..2 {
        let response = transport.send(get(&url)).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
            (302, "/elsewhere")
        );
    }
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 2);
    let head = heads[1].to_ascii_lowercase();
    assert!(head.starts_with("get / http/1.1\r\n") && head.contains("user-agent: unattended/"), "{head}");
    assert!(
        !head.contains("cookie") && !head.contains("referer") && !head.contains("authorization"),
        "{head}"
    );
}

// CP-1
#[tokio::test]
async fn a_compressed_body_arrives_unpacked() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 25\r\n\r\n\
        \x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let (url, heads) = answer_all_with(answer).await;
    let response = any().send(get(&url)).await.unwrap();
    assert_eq!(response.into_body().collect(100).await.unwrap(), "hello");
    assert!(heads.lock().unwrap()[0].to_ascii_lowercase().contains("accept-encoding: gzip"));
}

// RT-8
#[tokio::test]
async fn a_body_is_streamed_with_its_length_and_one_that_fails_is_no_request() {
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    let address = serve_plain(move |mut connection| {
        let sender = sender.clone();
        async move {
            let head = read_head(&mut connection).await.to_ascii_lowercase();
            let mut body = Vec::new();
            while body.len() < 8 && connection.read_buf(&mut body).await.is_ok_and(|read| read > 0) {}
            let _ = sender.send((head, body));
            let _ = connection.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let put = |chunks: Vec<Result<Bytes, HttpError>>| {
        let body = RequestBody::new(futures_util::stream::iter(chunks), Some(8));
        http::Request::put(format!("http://{address}/file")).body(body).unwrap()
    };
    let good = put(vec![Ok(Bytes::from_static(b"four")), Ok(Bytes::from_static(b"more"))]);
    assert_eq!(any().send_streaming(good).await.unwrap().status().as_u16(), 201);
    let (head, body) = received.recv().await.unwrap();
    assert!(head.contains("content-length: 8\r\n") && body == b"fourmore", "{head}");

    let failing = put(vec![
        Ok(Bytes::from_static(b"four")),
        Err(HttpError::new(HttpErrorKind::Interrupted, "the disk is gone")),
    ]);
    let error = any().send_streaming(failing).await.unwrap_err();
    assert!(error.kind() == HttpErrorKind::Interrupted && chain(&error).contains("the disk is gone"));
}

// RT-2
#[tokio::test]
async fn how_far_a_failed_exchange_got_is_told_apart() {
    let silent = ReservedPort::new();
    let nobody = format!("http://127.0.0.1:{}/?code=hunter2", silent.number);
    let nobody = any().send(get(&nobody)).await.unwrap_err();
    assert_eq!(nobody.kind(), HttpErrorKind::Connect);
    assert!(chain(&nobody).contains("refused") && !chain(&nobody).contains("hunter2"), "{}", chain(&nobody));

    let (silent, _) = answer_all_with(b"").await;
    let cut = any().send(get(&format!("{silent}/?code=hunter2"))).await.unwrap_err();
    assert_eq!(cut.kind(), HttpErrorKind::Interrupted);
    assert!(!chain(&cut).contains("hunter2"), "{}", chain(&cut));

    let (half, _) = answer_all_with(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour").await;
    let body = any().send(get(&half)).await.unwrap().into_body();
    assert_eq!(body.collect(100).await.unwrap_err().kind(), HttpErrorKind::Interrupted);
}

// HP-1, RT-2
#[tokio::test]
async fn http_2_is_spoken_where_the_server_has_it_and_a_refused_stream_was_not_sent() {
    let pki = Pki::new();
    let port = pki
        .serve(&[b"h2", b"http/1.1"], async |connection| {
            let mut connection = h2::server::handshake(connection).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                if request.uri().path() == "/refused" {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                } else {
                    respond.send_response(http::Response::new(()), true).unwrap();
                }
            }
        })
        .await;
    let transport = trusting(&pki);
    let response = transport.send(get(&format!("https://localhost:{port}/"))).await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 200));
    let refused = transport.send(get(&format!("https://localhost:{port}/refused"))).await.unwrap_err();
    assert_eq!(refused.kind(), HttpErrorKind::Connect, "{}", chain(&refused));
}

#[test]
fn a_bundle_without_a_usable_certificate_is_refused_with_its_remedy() {
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let half_good = Pki::new().ca_pem + not_a_certificate;
    for (bundle, said) in [
        ("", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "not valid PEM"),
        (not_a_certificate, "certificate 1 "),
        (half_good.as_str(), "certificate 2 "),
    ] {
        let error = Transport::builder().extra_ca_pem(bundle.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.remedy().contains("PEM"), "{}", error.remedy());
    }
}
