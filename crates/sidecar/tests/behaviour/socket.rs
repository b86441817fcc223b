//! The socket in the file system, and the sidecar behind it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use unattended_sidecar::{Access, Peer, Policy, Sidecar, Socket};

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

// OP-6
#[tokio::test]
async fn a_drain_ends_idle_connections_and_takes_the_socket_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sidecar.sock");
    let socket = Socket::bind(&path, Access::Owner).unwrap();
    let us = Peer::this_process().unwrap();
    let clock = std::sync::Arc::new(unattended_core::SystemClock);
    let sidecar = Sidecar::new([].into(), Policy::for_user(us.uid), clock).unwrap();
    let drain = CancellationToken::new();
    let serving = tokio::spawn(sidecar.serve(socket, drain.clone(), CancellationToken::new()));

    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: unattended\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 512];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(&us.to_string()), "{answer}");

    drain.cancel();
    serving.await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert!(!path.exists());
}
