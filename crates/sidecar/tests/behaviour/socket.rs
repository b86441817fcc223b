//! The socket in the file system, and the sidecar behind it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use unattended_core::ManualClock;
use unattended_sidecar::{Access, Peer, Policy, Sidecar, Socket};

use crate::world::{Network, api_at};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_socket_is_its_owners_and_its_groups_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/sidecar.sock");
    let socket = Socket::bind(&path, Access::Owner).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    drop(socket);
    assert!(!path.exists());
    let _socket = Socket::bind(&path, Access::Group).unwrap();
    assert_eq!(mode(&path), 0o660);
}

#[tokio::test]
async fn a_socket_that_is_served_is_not_taken_and_one_that_was_left_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sidecar.sock");
    let socket = Socket::bind(&path, Access::Owner).unwrap();
    let error = Socket::bind(&path, Access::Owner).unwrap_err();
    assert!(error.is_in_use() && error.to_string().starts_with("already running"), "{error}");
    drop(socket);

    // A listener that goes without taking its file away, as a killed process does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _socket = Socket::bind(&path, Access::Owner).unwrap();
    assert!(UnixStream::connect(&path).await.is_ok());
}

#[tokio::test]
async fn what_is_not_ours_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "keep me").unwrap();
    let error = Socket::bind(&path, Access::Owner).unwrap_err();
    assert!(error.to_string().ends_with("is no socket") && !error.is_in_use());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "keep me");

    let other = directory.path().join("other.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&other).unwrap();
    assert!(Socket::bind(&other, Access::Owner).unwrap_err().is_in_use());
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let error = Socket::bind(&directory.path().join("x".repeat(200)), Access::Owner).unwrap_err();
    assert!(error.remedy().contains("100 bytes"), "{error:?}");
}

/// A sidecar at a socket of its own, and a connection to it.
struct Served {
    stream: UnixStream,
    path: PathBuf,
    drain: CancellationToken,
    serving: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Served {
    async fn start(network: &Network) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.sock");
        let socket = Socket::bind(&path, Access::Owner).unwrap();
        // Time stands still: an answer may take as long as a test holds it.
        let graph = api_at(ManualClock::at(0), "https://graph.example/v1.0", network, None);
        let apis = [("graph".to_owned(), graph)].into();
        let policy = Policy::for_user(Peer::this_process().unwrap().uid);
        let sidecar = Sidecar::new(apis, policy, Arc::new(unattended_core::SystemClock)).unwrap();
        let drain = CancellationToken::new();
        let serving = tokio::spawn(sidecar.serve(socket, drain.clone(), CancellationToken::new()));
        let stream = UnixStream::connect(&path).await.unwrap();
        Self { stream, path, drain, serving, _directory: directory }
    }

    async fn send(&mut self, lines: &str) {
        let head = format!("{lines}\r\nHost: unattended\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
    }

    /// What comes until the other side ends the connection.
    async fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

// OP-6
#[tokio::test]
async fn a_drain_ends_idle_connections_and_takes_the_socket_away() {
    let mut served = Served::start(&Network::default()).await;
    served.send("GET / HTTP/1.1").await;
    let mut answer = vec![0; 512];
    let length = served.stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&Peer::this_process().unwrap().to_string()), "{answer}");

    served.drain.cancel();
    assert_eq!(served.rest().await, "");
    served.serving.await.unwrap();
    assert!(!served.path.exists());
}

// OP-6
#[tokio::test]
async fn a_drain_lets_a_request_under_way_end() {
    let network = Network::default();
    network.answers(Response::builder(), r#"{"id":"1"}"#);
    let held = network.hold();
    let mut served = Served::start(&network).await;
    served.send("GET /graph/users/1 HTTP/1.1").await;
    network.until_asked().await;
    served.drain.cancel();
    while served.path.exists() {
        tokio::task::yield_now().await;
    }
    drop(held);
    let answer = served.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"id":"1"}"#), "{answer}");
    served.serving.await.unwrap();
}

#[tokio::test]
async fn a_list_that_is_broken_off_does_not_look_complete() {
    let page = r#"{"value":[{"id":1}],"@odata.nextLink":"https://graph.example/v1.0/users?$skiptoken=x"}"#;
    let (network, whole) = (Network::default(), Network::default());
    network.answers(Response::builder(), page).answers(Response::builder().status(400), "{}");
    whole.answers(Response::builder(), page).answers(Response::builder(), r#"{"value":[]}"#);
    for (network, complete) in [(network, false), (whole, true)] {
        let mut served = Served::start(&network).await;
        served.send("GET /graph/users HTTP/1.1\r\nConnection: close\r\nPrefer: unattended.all-pages").await;
        let answer = served.rest().await;
        assert!(answer.contains("{\"id\":1}\n") || !complete, "{answer}");
        // RFC 9112 section 7.1: without the last chunk the message is incomplete.
        assert_eq!(answer.ends_with("\r\n0\r\n\r\n"), complete, "{answer}");
    }
}
