//! Calls a small resource a number of times, for `valgrind` to count the instructions: `call_cost TIMES`. The difference
//! between two runs, of as many times and of twice as many, is what the calls cost; the rest is the same in both. Prints
//! how many allocations the calls took.
//!
//! Everything that a call goes through is in it: the layers, HTTP, TLS. 64 are under way at once, and connections are kept. The
//! server is nginx, a program of its own, so that it is not counted.

use std::alloc::System;
use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use unattended_core::{Authorization, BoxFuture, TokenDemand, TokenSource, TokenSourceError};
use unattended_transport::Transport;
use unattended_webapi::Client;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const UNDER_WAY: usize = 64;
/// Until as many may be under way: the gate begins with few, and one is added for as many successes as there may be.
const WARM_UP: usize = UNDER_WAY * UNDER_WAY / 2;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let times: usize = std::env::args().nth(1).ok_or("usage: call_cost TIMES")?.parse()?;
    let directory = std::env::temp_dir().join(format!("call-cost-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let (nginx, port, certificate) = serve(&directory)?;
    let token = Authorization::bearer(&"t".repeat(1_500)).ok_or("no token")?;
    let client = Client::builder(&format!("https://localhost:{port}/v1.0"))
        .http(Arc::new(Transport::builder().extra_ca_pem(certificate.as_bytes())?.build()?))
        .token_source(Arc::new(Constant(token)))
        .max_concurrency(UNDER_WAY as u32)
        .build()?;
    call(&client, WARM_UP).await?;
    let region = Region::new(ALLOCATOR);
    call(&client, times).await?;
    writeln!(std::io::stdout(), "{}", region.change().allocations)?;
    drop(nginx);
    fs::remove_dir_all(directory)?;
    Ok(())
}

/// As many calls, each of the tasks one after the other.
async fn call(client: &Client, times: usize) -> Outcome<()> {
    let tasks: Vec<_> = (0..UNDER_WAY)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..times / UNDER_WAY {
                    let answer = client.get("/users/1").send().await.map_err(|error| error.to_string())?;
                    if answer.body().len() != BODY.len() {
                        return Err("another answer".to_owned());
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// 300 bytes, as a small resource has.
const BODY: &str = r#"{"@odata.context":"https://localhost/v1.0/metadata#users/entity","businessPhones":["+1 425 555 0109"],"displayName":"Adele Vance","givenName":"Adele","jobTitle":"Retail Manager","mail":"AdeleV@contoso.com","officeLocation":"18/2111","preferredLanguage":"en-US","surname":"Vance","id":"87d349ed-44d7-43"}"#;

/// nginx below `directory`, the port that it listens on, and its certificate.
fn serve(directory: &Path) -> Outcome<(Running, u16, String)> {
    let (key_file, certificate_file) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "7"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(&key_file).arg("-out").arg(&certificate_file).stderr(Stdio::null());
    if !openssl.status()?.success() {
        return Err("openssl made no certificate".into());
    }
    let certificate = fs::read_to_string(&certificate_file)?;
    let (port, root) = (TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(), directory.display());
    let configuration = format!(
        "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
        events {{ worker_connections 512; }}
        http {{
            access_log off; default_type application/json; keepalive_requests 1000000;
            client_body_temp_path {root}/1; proxy_temp_path {root}/2; fastcgi_temp_path {root}/3;
            uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {root}/certificate.pem; ssl_certificate_key {root}/key.pem;
                location / {{ return 200 '{BODY}'; }}
            }}
        }}"
    );
    fs::write(directory.join("nginx.conf"), configuration)?;
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(directory).args(["-e", "error.log", "-c", "nginx.conf"]).stdout(Stdio::null());
    let mut nginx = Running(nginx.spawn()?);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = nginx.0.try_wait()? {
            return Err(format!("nginx has ended: {status}").into());
        }
    }
    Ok((nginx, port, certificate))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A token that lives.
#[derive(Debug)]
struct Constant(Authorization);

impl TokenSource for Constant {
    fn authorization(&self, _: TokenDemand) -> BoxFuture<'_, Result<Authorization, TokenSourceError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}
