//! The client over real connections: what the layers promise, seen from the server.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use unattended_core::{Authorization, BoxFuture, Entropy, TokenDemand, TokenSource, TokenSourceError};
use unattended_transport::Transport;
use unattended_webapi::Client;

#[derive(Debug)]
struct Constant;

impl TokenSource for Constant {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(async { Ok(Authorization::bearer("token").unwrap()) })
    }
}

/// No jitter, so no wait that the server does not ask for.
#[derive(Debug)]
struct Never;

impl Entropy for Never {
    fn bits(&self) -> u128 {
        0
    }
}

/// Answers by the target of a request, and notes what comes on which connection.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Server {
    async fn start(answers: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, answers) = (Arc::clone(&seen), Arc::new(answers));
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, number, Arc::clone(&noted), Arc::clone(&answers)));
                number += 1;
            }
        });
        Self { url, seen }
    }

    fn client(&self) -> Client {
        Client::builder(&format!("{}/v1.0", self.url))
            .allow_insecure_loopback()
            .http(Arc::new(Transport::builder().build().unwrap()))
            .token_source(Arc::new(Constant))
            .entropy(Arc::new(Never))
            .build()
            .unwrap()
    }

    fn seen(&self) -> Vec<(usize, String)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut connection: TcpStream,
    number: usize,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
    answers: Arc<impl Fn(&str) -> String>,
) {
    let mut head = Vec::new();
    while let Ok(byte) = connection.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let target = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let target = target.split(' ').nth(1).unwrap().to_owned();
        let answer = answers(&target);
        seen.lock().unwrap().push((number, target));
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

// PG-1
#[tokio::test]
async fn the_link_to_the_next_page_reaches_the_server_byte_for_byte() {
    let links = [
        "/v1.0/users?$skiptoken=m~AQAn%2bO%2B=='x'{a}|^\\[b]/../c",
        "/v1.0/users/../users?$filter=startswith(mail,'a')&x=%41%2f",
    ];
    let server = Server::start(move |target| match links.iter().position(|link| *link == target) {
        None => ok(&format!(r#"{{"value":[1],"@odata.nextLink":{:?}}}"#, links[0])),
        Some(0) => ok(&format!(r#"{{"value":[2],"@odata.nextLink":{:?}}}"#, links[1])),
        Some(_) => ok(r#"{"value":[3]}"#),
    })
    .await;
    let mut pages = server.client().pages("/users");
    let mut items = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        items.extend(page.parse::<u32>().unwrap());
    }
    assert_eq!(items, [1, 2, 3]);
    let targets: Vec<String> = server.seen().into_iter().map(|(_, target)| target).collect();
    assert_eq!(targets, ["/v1.0/users", links[0], links[1]]);
}

// PG-2, RD-1, RD-2
#[tokio::test]
async fn a_foreign_server_sees_no_connection_from_a_link_or_a_redirect() {
    let foreign = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let elsewhere = format!("http://{}", foreign.local_addr().unwrap());
    let server = Server::start(move |target| {
        if target.ends_with("/moved") {
            return format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}/\r\ncontent-length: 0\r\n\r\n");
        }
        ok(&format!(r#"{{"value":[1],"@odata.nextLink":"{elsewhere}/v1.0/users?page=2"}}"#))
    })
    .await;
    let client = server.client();
    let mut pages = client.pages("/users");
    assert!(pages.next().await.unwrap().is_some());
    assert!(pages.next().await.unwrap_err().is_foreign_origin());
    assert_eq!(client.get("/moved").send().await.unwrap_err().status().unwrap().as_u16(), 302);
    assert_eq!(server.seen().len(), 2);
    let nobody = tokio::select! {
        biased;
        _ = foreign.accept() => false,
        () = async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
        } => true,
    };
    assert!(nobody);
}

// RT-9
#[tokio::test]
async fn a_retry_after_a_503_is_sent_on_a_new_connection_and_after_other_failures_it_need_not_be() {
    let unwell = Arc::new(Mutex::new(vec![("503 Service Unavailable", "/b"), ("502 Bad Gateway", "/a")]));
    let server = Server::start(move |target| {
        let mut unwell = unwell.lock().unwrap();
        match unwell.pop_if(|(_, path)| target.ends_with(*path)) {
            Some((status, _)) => format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\nbusy"),
            None => ok("{}"),
        }
    })
    .await;
    let client = server.client();
    for path in ["/a", "/b", "/c"] {
        client.get(path).send().await.unwrap();
    }
    let connections: Vec<usize> = server.seen().into_iter().map(|(number, _)| number).collect();
    assert_eq!(connections, [0, 0, 0, 1, 1]);
}
