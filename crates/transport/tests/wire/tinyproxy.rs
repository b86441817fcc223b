//! A proxy of others, which asks who is there.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;
use unattended_core::{HttpClient as _, HttpErrorKind};
use unattended_transport::{ProxySetting, Transport};

use crate::reserved_port::ReservedPort;
use crate::support::{HTTP_1, Pki, Server, chain, get, read_head};

// HP-1
#[tokio::test]
async fn who_gives_the_right_password_is_let_through_and_nobody_else() {
    let (pki, directory) = (Pki::new(), tempfile::tempdir().unwrap());
    let (reserved, log) = (ReservedPort::new(), directory.path().join("log"));
    let port = reserved.number;
    let configuration = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\n\
         BasicAuth daemon correct\nLogFile \"{}\"\nLogLevel Connect\n",
        log.display()
    );
    fs::write(directory.path().join("tinyproxy.conf"), configuration).unwrap();
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(directory.path().join("tinyproxy.conf"));
    let _proxy = Server::start(&mut command, vec![reserved]);

    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = pki
        .serve(HTTP_1, move |mut connection| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                while read_head(&mut connection).await.starts_with("GET /x ") {
                    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
                }
            }
        })
        .await;
    // This machine, by an address that is not among those that are always reached directly.
    let url = format!("https://0.0.0.0:{server}/x");
    let through = |credentials: &str| {
        Transport::builder()
            .extra_ca_pem(pki.ca_pem.as_bytes())
            .unwrap()
            .proxy(ProxySetting::through(&format!("http://{credentials}127.0.0.1:{port}")))
            .build()
            .unwrap()
    };
    for (credentials, said) in [
        ("", "wants a user name and password (407)"),
        ("daemon:wr0ng@", "refused the user name or password (401)"),
    ] {
        let error = through(credentials).send(get(&url)).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Connect);
        assert!(chain(&error).contains(said) && !chain(&error).contains("wr0ng"), "{}", chain(&error));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 0);

    let transport = through("daemon:correct@");
    for _ in 0..3 {
        let answer = transport.send(get(&url)).await.unwrap();
        assert_eq!(answer.into_body().collect(5).await.unwrap(), "hello");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1, "a tunnel is kept like any connection");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains(&format!("CONNECT 0.0.0.0:{server}")), "{log}");
}
