//! A web server of others: what it does with connections, and with bodies that are long, slow, packed or cut.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use unattended_core::{HttpClient as _, HttpErrorKind};
use unattended_transport::Transport;

use crate::exchange::trusting;
use crate::reserved_port::ReservedPort;
use crate::support::{Pki, Server, get, read_head, serve_plain};

struct Nginx {
    _server: Server,
    _directory: TempDir,
    http_1: String,
    http_2: String,
    page: String,
    transport: Transport,
}

impl Nginx {
    async fn start() -> Self {
        let (pki, directory) = (Pki::new(), tempfile::tempdir().unwrap());
        let page: String = (0..20_000).fold(String::new(), |mut page, number| {
            writeln!(page, "{{\"id\":{number},\"mail\":\"user{number}@example.com\"}}").unwrap();
            page
        });
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut packed, page.as_bytes()).unwrap();
        let unreliable = serve_plain(async |mut connection| {
            read_head(&mut connection).await;
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour").await.unwrap();
        })
        .await;
        let ports = [(); 2].map(|()| ReservedPort::new());
        let ([http_1, http_2], root) = (ports.each_ref().map(|port| port.number), directory.path().display());
        let configuration = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
            events {{ worker_connections 512; }}
            http {{
                access_log off; default_type application/json; root {root};
                client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
                fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
                ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.pem;
                add_header connection-number $connection always;
                add_header target $request_uri always;
                keepalive_requests 4;
                server {{
                    listen 127.0.0.1:{http_1} ssl;
                    listen 127.0.0.1:{http_2} ssl http2;
                    location /page.json {{ }}
                    location /live.json {{ alias {root}/page.json; gzip on; gzip_types application/json; }}
                    location /packed.json {{ gzip_static always; }}
                    location /slow.json {{ alias {root}/page.json; limit_rate 700k; }}
                    location /cut {{ proxy_pass http://{unreliable}; proxy_buffering off; }}
                    location /users {{ return 200 '{{}}'; }}
                }}
            }}"
        );
        for (name, content) in [
            ("nginx.conf", configuration.as_bytes()),
            ("server.pem", pki.identity_pem().as_bytes()),
            ("page.json", page.as_bytes()),
            ("packed.json.gz", &packed.finish().unwrap()),
        ] {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).args(["-e", "error.log", "-c", "nginx.conf"]);
        Self {
            _server: Server::start(&mut command, ports.into()),
            _directory: directory,
            http_1: format!("https://localhost:{http_1}"),
            http_2: format!("https://localhost:{http_2}"),
            page,
            transport: trusting(&pki),
        }
    }

    /// The number of the connection, the target that arrived, and the body.
    async fn read(&self, url: &str) -> (String, String, String) {
        let response = self.transport.send(get(url)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("content-encoding"));
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let (connection, target) = (header("connection-number"), header("target"));
        let body = response.into_body().collect(8 << 20).await.unwrap();
        (connection, target, String::from_utf8(body.into()).unwrap())
    }
}

// HP-1
#[tokio::test]
async fn a_connection_is_kept_for_as_many_requests_as_the_server_allows() {
    let nginx = Nginx::start().await;
    for origin in [&nginx.http_1, &nginx.http_2] {
        let mut numbers = Vec::new();
        for _ in 0..12 {
            numbers.push(nginx.read(&format!("{origin}/users")).await.0);
        }
        let changes = numbers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes, 2, "four requests on each connection: {numbers:?}");
    }
}

// HP-1: the server says meanwhile, again and again, that it takes no more on a connection.
#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_are_all_answered_while_the_server_closes_connections() {
    let nginx = Nginx::start().await;
    for origin in [&nginx.http_1, &nginx.http_2] {
        let url = format!("{origin}/users");
        let answers = join_all((0..100).map(|_| async {
            // What was not looked at is asked again, as the layers above do.
            loop {
                match nginx.transport.send(get(&url)).await {
                    Ok(answer) => return answer.status().as_u16(),
                    Err(error) => assert_eq!(error.kind(), HttpErrorKind::Connect),
                }
            }
        }))
        .await;
        assert_eq!(answers, [200; 100]);
    }
}

// PG-1
#[tokio::test]
async fn a_target_arrives_as_it_was_given() {
    let nginx = Nginx::start().await;
    for origin in [&nginx.http_1, &nginx.http_2] {
        let target = "/users?$skiptoken=m~AQAn%2bO%2B=='x'{a}|/../b&$filter=startswith(mail,'a')";
        assert_eq!(nginx.read(&format!("{origin}{target}")).await.1, target);
    }
}

// CP-1, TO-1
#[tokio::test]
async fn long_packed_and_slow_bodies_are_read_whole() {
    let nginx = Nginx::start().await;
    for origin in [&nginx.http_1, &nginx.http_2] {
        for path in ["/page.json", "/live.json", "/packed.json", "/slow.json"] {
            let (_, _, body) = nginx.read(&format!("{origin}{path}")).await;
            assert!(body == nginx.page, "{path}: {} bytes", body.len());
        }
    }
}

// RT-2
#[tokio::test]
async fn a_body_that_is_cut_is_a_broken_connection_and_the_next_request_has_another_one() {
    let nginx = Nginx::start().await;
    for origin in [&nginx.http_1, &nginx.http_2] {
        let before = nginx.read(&format!("{origin}/users")).await.0;
        let cut = nginx.transport.send(get(&format!("{origin}/cut"))).await.unwrap();
        assert_eq!(cut.headers()["connection-number"].to_str().unwrap(), before);
        let error = cut.into_body().collect(100).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Interrupted);
        let after = nginx.read(&format!("{origin}/users")).await.0;
        // Of HTTP/2 only the stream is broken.
        assert_eq!(after != before, origin == &nginx.http_1);
    }
}
