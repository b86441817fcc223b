//! Which connection a request goes out on, and what it leaves behind.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use unattended_core::{BoxFuture, HttpClient as _, HttpErrorKind, ManualClock, RequestBody};
use unattended_transport::{Resolver, Transport, TransportBuilder};

use crate::support::{Pki, chain, get, read_head, serve_plain};

/// Which connection each request came on, and the head of the request.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(usize, String)>>>, Arc<AtomicUsize>);

impl Seen {
    fn connections(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(|(connection, _)| *connection).collect()
    }

    fn first_line(&self) -> String {
        self.0.lock().unwrap().last().unwrap().1.lines().next().unwrap_or_default().to_owned()
    }

    /// Where they were noted as paths.
    fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, head)| head.trim_end().to_owned()).collect()
    }

    fn open(&self) -> usize {
        self.1.fetch_add(1, Ordering::Relaxed)
    }

    fn note(&self, connection: usize, head: String) {
        self.0.lock().unwrap().push((connection, head));
    }

    /// One request after the other, answered by their paths, until there are no more.
    async fn answer(&self, mut connection: impl AsyncRead + AsyncWrite + Unpin) {
        let number = self.open();
        loop {
            let head = read_head(&mut connection).await;
            if head.is_empty() {
                return;
            }
            let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            self.note(number, head);
            let answer = match path.as_str() {
                "/unwell" => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy".to_owned(),
                "/none" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                "/long" => {
                    format!("HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n{}", "x".repeat(500_000))
                }
                "/pieces" => {
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned()
                }
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            };
            if connection.write_all(answer.as_bytes()).await.is_err() || path == "/last" {
                return;
            }
        }
    }
}

/// A transport that trusts an authority of its own, for servers without TLS.
fn builder() -> TransportBuilder {
    Transport::builder().extra_ca_pem(Pki::new().ca_pem.as_bytes()).unwrap()
}

async fn plain() -> (String, Seen) {
    let seen = Seen::default();
    let answers = seen.clone();
    let address = serve_plain(move |connection| {
        let seen = answers.clone();
        async move { seen.answer(connection).await }
    })
    .await;
    (format!("http://{address}"), seen)
}

async fn read(transport: &Transport, url: &str) -> (u16, Bytes) {
    let response = transport.send(get(url)).await.unwrap();
    (response.status().as_u16(), response.into_body().collect(1 << 20).await.unwrap())
}

// RT-9, HP-1
#[tokio::test]
async fn a_connection_whose_answer_was_read_is_used_again_and_one_that_answered_503_is_not() {
    let (url, seen) = plain().await;
    let transport = builder().build().unwrap();
    for path in ["/a", "/pieces", "/none", "/long", "/unwell", "/b", "/c"] {
        read(&transport, &format!("{url}{path}")).await;
    }
    assert_eq!(seen.connections(), [0, 0, 0, 0, 0, 1, 1]);
}

// RT-9: not even one that was idle while the server became unwell.
#[tokio::test]
async fn after_a_503_no_connection_of_the_time_before_is_used() {
    let (url, seen) = plain().await;
    let transport = builder().build().unwrap();
    let urls = ["/a", "/b", "/c"].map(|path| format!("{url}{path}"));
    join_all(urls.iter().map(|url| read(&transport, url))).await;
    assert_eq!(read(&transport, &format!("{url}/unwell")).await.0, 503);
    join_all(urls.iter().map(|url| read(&transport, url))).await;
    let connections = seen.connections();
    assert!(connections[4..].iter().all(|connection| *connection >= 3), "{connections:?}");
}

// RT-9
#[tokio::test]
async fn an_answer_that_is_dropped_unread_takes_its_connection_with_it() {
    let (url, seen) = plain().await;
    let transport = builder().build().unwrap();
    drop(transport.send(get(&format!("{url}/long"))).await.unwrap());
    drop(transport.send(get(&format!("{url}/none"))).await.unwrap());
    read(&transport, &format!("{url}/a")).await;
    assert_eq!(seen.connections(), [0, 1, 1], "where there is nothing to read nothing is lost");
}

#[tokio::test]
async fn a_request_whose_connection_the_server_has_closed_goes_out_on_a_new_one() {
    let ((url, seen), (other, _)) = (plain().await, plain().await);
    let transport = builder().build().unwrap();
    read(&transport, &format!("{url}/last")).await;
    read(&transport, &other).await;
    let post = http::Request::post(format!("{url}/create")).body(Bytes::from_static(b"once")).unwrap();
    assert_eq!(transport.send(post).await.unwrap().status(), 200);
    assert_eq!(seen.connections(), [0, 1]);
}

#[tokio::test]
async fn whoever_loses_interest_ends_the_exchange() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let address = serve_plain(move |mut connection| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(read_head(&mut connection).await);
            let ends = connection.read(&mut [0]).await.is_ok_and(|read| read == 0);
            let _ = sender.send(format!("ends: {ends}"));
        }
    })
    .await;
    let transport = builder().build().unwrap();
    let mut waiting = transport.send(get(&format!("http://{address}/")));
    tokio::select! {
        _ = &mut waiting => unreachable!("it is not answered"),
        head = seen.recv() => assert!(head.unwrap().starts_with("GET /")),
    }
    drop(waiting);
    assert_eq!(seen.recv().await.unwrap(), "ends: true");
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_left() {
    let (url, seen) = plain().await;
    let transport = builder().build().unwrap();
    let endless = futures_util::stream::pending();
    let request =
        http::Request::put(format!("{url}/too-much")).body(RequestBody::new(endless, Some(9))).unwrap();
    let answer = transport.send_streaming(request).await.unwrap();
    assert_eq!(answer.into_body().collect(9).await.unwrap(), "ok");
    read(&transport, &format!("{url}/a")).await;
    assert_eq!(seen.connections(), [0, 1], "the rest of the request would be read as the next one");
}

// PG-1
#[tokio::test]
async fn the_target_of_a_request_arrives_byte_for_byte() {
    let (url, seen) = plain().await;
    let transport = builder().build().unwrap();
    let mut refused = String::new();
    for byte in '!'..='~' {
        let target = format!("/v1.0/a{byte}b/../c//d%2f?$skiptoken=m~%2bO%2B=='x'&a{byte}b={byte}{byte}");
        let Ok(uri) = format!("{url}{target}").parse::<http::Uri>() else {
            refused.push(byte);
            continue;
        };
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = uri;
        transport.send(request).await.unwrap().into_body().collect(2).await.unwrap();
        // What is behind a `#` is for the client alone (RFC 9110 section 4.2.5).
        let target = target.split('#').next().unwrap();
        assert_eq!(seen.first_line(), format!("GET {target} HTTP/1.1"));
    }
    assert_eq!(refused, "\"<>`", "RFC 3986 does not allow these anywhere, and a `Uri` cannot hold them");
}

#[tokio::test]
async fn an_address_with_a_user_name_is_not_connected_to() {
    let (url, seen) = plain().await;
    let error =
        builder().build().unwrap().send(get(&url.replace("//", "//user:hunter2@"))).await.unwrap_err();
    assert_eq!((error.kind(), seen.connections()), (HttpErrorKind::Connect, vec![]));
    assert!(chain(&error).contains("user name") && !chain(&error).contains("hunter2"), "{}", chain(&error));
}

// RFC 9110 section 8.6
#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let (url, seen) = plain().await;
    let post = http::Request::post(&url).body(Bytes::new()).unwrap();
    builder().build().unwrap().send(post).await.unwrap();
    assert!(seen.0.lock().unwrap()[0].1.to_ascii_lowercase().contains("content-length: 0\r\n"));
}

/// Leads to a loopback address that a test changes.
#[derive(Debug, Default)]
struct Moving(AtomicUsize);

impl Resolver for Moving {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        assert_eq!(host, "api.invalid");
        let address = [127, 0, 0, self.0.load(Ordering::Relaxed) as u8];
        Box::pin(async move { Ok(vec![IpAddr::from(address)]) })
    }
}

// HP-1
#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed_within_a_minute() {
    let (first, second) = (Seen::default(), Seen::default());
    let here = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = here.local_addr().unwrap().port();
    let there = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    for (listener, seen) in [(here, first.clone()), (there, second.clone())] {
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                seen.answer(connection).await;
            }
        });
    }
    let (clock, moving) = (ManualClock::at(1_000), Arc::new(Moving(AtomicUsize::new(1))));
    let resolver: Arc<dyn Resolver> = Arc::clone(&moving) as _;
    let transport = builder().clock(Arc::new(clock.clone())).resolver(resolver).build().unwrap();
    let url = format!("http://api.invalid:{port}/");
    read(&transport, &url).await;
    moving.0.store(2, Ordering::Relaxed);
    clock.advance(Duration::from_millis(59_999));
    read(&transport, &url).await;
    assert_eq!((first.connections(), second.connections()), (vec![0, 0], vec![]));
    clock.advance(Duration::from_millis(1));
    read(&transport, &url).await;
    assert_eq!((first.connections(), second.connections()), (vec![0, 0], vec![0]));
}

// HP-1
#[tokio::test]
async fn a_connection_that_nobody_wants_any_more_is_closed() {
    let (closed, mut is_closed) = mpsc::unbounded_channel();
    let seen = Seen::default();
    let address = serve_plain(move |connection| {
        let (seen, closed) = (seen.clone(), closed.clone());
        async move {
            seen.answer(connection).await;
            let _ = closed.send(());
        }
    })
    .await;
    let clock = ManualClock::at(1_000);
    let transport = builder().clock(Arc::new(clock.clone())).build().unwrap();
    read(&transport, &format!("http://{address}/")).await;
    for _ in 0..2 {
        assert!(is_closed.try_recv().is_err());
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(30));
        tokio::task::yield_now().await;
    }
    is_closed.recv().await.unwrap();
}

// TO-1
#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up_after_ten_seconds() {
    let address = serve_plain(async |mut connection| {
        // The handshake is never answered.
        let _ = connection.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let clock = ManualClock::at(1_000);
    let transport = builder().clock(Arc::new(clock.clone())).build().unwrap();
    let url = format!("https://{address}/");
    let waiting = tokio::spawn(async move { transport.send(get(&url)).await.map(drop) });
    // That of the connection, and that of the sweep.
    while clock.sleepers() < 2 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_millis(9_999));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    clock.advance(Duration::from_millis(1));
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::Connect);
    assert!(chain(&error).contains("10 seconds"), "{}", chain(&error));
}

/// An HTTP/2 server that answers by path.
async fn http_2(pki: &Pki) -> (String, Seen) {
    let seen = Seen::default();
    let answers = seen.clone();
    let port = pki
        .serve(&[b"h2"], move |connection| {
            let seen = answers.clone();
            async move {
                let number = seen.open();
                let mut connection = h2::server::handshake(connection).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    seen.note(number, format!("{}\n", request.uri()));
                    let status = if request.uri().path() == "/unwell" { 503 } else { 200 };
                    let response = http::Response::builder().status(status).body(()).unwrap();
                    respond.send_response(response, true).unwrap();
                    if request.uri().path() == "/last" {
                        connection.graceful_shutdown();
                    }
                }
            }
        })
        .await;
    (format!("https://localhost:{port}"), seen)
}

// HP-1, RT-9, PG-1
#[tokio::test]
async fn one_connection_is_enough_for_http_2_until_it_answers_503_or_is_shut_down() {
    let pki = Pki::new();
    let (url, seen) = http_2(&pki).await;
    let transport = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap().build().unwrap();
    let many = format!("{url}/many");
    join_all((0..32).map(|_| read(&transport, &many))).await;
    assert_eq!(seen.connections(), [0; 32]);
    let opaque = format!("{url}/a?$skiptoken='x'%2b/../b");
    read(&transport, &opaque).await;
    assert_eq!(seen.first_line(), opaque);
    assert_eq!(read(&transport, &format!("{url}/unwell")).await.0, 503);
    read(&transport, &format!("{url}/last")).await;
    for _ in 0..3 {
        read(&transport, &many).await;
    }
    assert_eq!(seen.connections()[33..], [0, 1, 2, 2, 2]);
}

// HP-1
#[tokio::test]
async fn those_who_wait_for_the_first_connection_go_on_whatever_becomes_of_it() {
    let pki = Pki::new();
    let seen = Seen::default();
    let answers = seen.clone();
    let port = pki
        .serve(&[b"http/1.1"], move |connection| {
            let seen = answers.clone();
            async move { seen.answer(connection).await }
        })
        .await;
    let transport = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap().build().unwrap();
    let url = format!("https://localhost:{port}/");
    let mut dropped = transport.send(get(&url));
    assert!(std::future::poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context).is_pending())).await);
    let all = join_all((0..8).map(|_| read(&transport, &url)));
    let (answers, ()) = tokio::join!(all, async { drop(dropped) });
    assert!(answers.iter().all(|answer| answer.0 == 200) && answers.len() == 8);

    let stranger = builder().build().unwrap();
    let refused = join_all((0..8).map(|_| stranger.send(get(&url)))).await;
    assert!(
        refused
            .iter()
            .all(|refused| refused.as_ref().is_err_and(|error| error.kind() == HttpErrorKind::Connect))
    );
}

/// An HTTP/2 server with one stream at a time, which answers nothing but `/first` and ends the connection when told.
async fn one_at_a_time(pki: &Pki, seen: &Seen, end: &Arc<Notify>, is_polite: bool) -> String {
    let (seen, end) = (seen.clone(), Arc::clone(end));
    let port = pki
        .serve(&[b"h2"], move |connection| {
            let (seen, end) = (seen.clone(), Arc::clone(&end));
            async move {
                let number = seen.open();
                let mut server = h2::server::Builder::new();
                let handshake = server.max_concurrent_streams(1).handshake::<_, Bytes>(connection);
                let mut connection = handshake.await.unwrap();
                let mut held = Vec::new();
                loop {
                    let accepted = tokio::select! {
                        accepted = connection.accept() => accepted,
                        () = end.notified() => {
                            if !is_polite {
                                return;
                            }
                            connection.abrupt_shutdown(h2::Reason::NO_ERROR);
                            continue;
                        }
                    };
                    let Some(Ok((request, mut respond))) = accepted else { return };
                    seen.note(number, format!("{}\n", request.uri().path()));
                    match request.uri().path() {
                        "/first" => drop(respond.send_response(http::Response::new(()), true).unwrap()),
                        _ => held.push(respond),
                    }
                }
            }
        })
        .await;
    format!("https://localhost:{port}")
}

// RT-2
#[tokio::test]
async fn a_request_that_waits_for_a_stream_when_the_connection_ends_was_not_sent() {
    let pki = Pki::new();
    for is_polite in [true, false] {
        let (seen, end) = (Seen::default(), Arc::new(Notify::new()));
        let url = one_at_a_time(&pki, &seen, &end, is_polite).await;
        let transport = Transport::builder().extra_ca_pem(pki.ca_pem.as_bytes()).unwrap().build().unwrap();
        assert_eq!(read(&transport, &format!("{url}/first")).await.0, 200);
        let post = |path: &str| {
            let request = http::Request::post(format!("{url}{path}")).body(Bytes::from("{}")).unwrap();
            let transport = transport.clone();
            tokio::spawn(async move { transport.send(request).await })
        };
        let held = post("/held");
        while seen.paths().len() < 2 {
            tokio::task::yield_now().await;
        }
        let waiting = post("/waiting");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        end.notify_one();
        let waiting = waiting.await.unwrap().unwrap_err();
        assert_eq!(waiting.kind(), HttpErrorKind::Connect, "{}", chain(&waiting));
        drop(held);
        assert_eq!(seen.paths(), ["/first", "/held"], "{is_polite}");
    }
}
