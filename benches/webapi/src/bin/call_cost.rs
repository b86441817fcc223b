//! Calls a small resource a number of times, for `valgrind` to count the instructions: `call_cost TIMES [floor]`. The
//! difference between two runs, of as many times and of twice as many, is what the calls cost; the rest is the same in both.
//! Prints how many allocations the calls took.
//!
//! Everything that a call goes through is in it: the layers, HTTP, TLS. 64 are under way at once, and connections are kept. The
//! server is nginx, a program of its own, so that it is not counted. `floor` is a bare client in place of this project's.

use std::alloc::System;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use unattended_bench_webapi::{BoxError, Caller, calls, ours};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const UNDER_WAY: usize = 64;
/// Until as many may be under way: the gate begins with few, and one is added for as many successes as there may be.
const WARM_UP: usize = UNDER_WAY * UNDER_WAY / 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let times: usize = arguments.next().ok_or("usage: call_cost TIMES [floor]")?.parse()?;
    let directory = std::env::temp_dir().join(format!("call-cost-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let (nginx, port, certificate) = serve(&directory)?;
    let (base, token) = (format!("https://localhost:{port}/v1.0"), "t".repeat(1_500));
    let allocations = match arguments.next().as_deref() {
        None => count(&ours::client(&base, certificate.as_bytes(), &token, UNDER_WAY as u32)?, times).await?,
        #[cfg(feature = "floor")]
        Some("floor") => {
            count(&unattended_bench_webapi::floor::Floor::new(&base, certificate.as_bytes(), &token)?, times)
                .await?
        }
        Some(other) => return Err(format!("no such client: {other}").into()),
    };
    writeln!(std::io::stdout(), "{allocations}")?;
    drop(nginx);
    fs::remove_dir_all(directory)?;
    Ok(())
}

/// How many allocations as many calls take.
async fn count(caller: &impl Caller, times: usize) -> Result<usize, BoxError> {
    calls(caller, "/users/1", BODY.len(), WARM_UP, UNDER_WAY).await?;
    let region = Region::new(ALLOCATOR);
    calls(caller, "/users/1", BODY.len(), times, UNDER_WAY).await?;
    Ok(region.change().allocations)
}

/// 300 bytes, as a small resource has.
const BODY: &str = r#"{"@odata.context":"https://localhost/v1.0/metadata#users/entity","businessPhones":["+1 425 555 0109"],"displayName":"Adele Vance","givenName":"Adele","jobTitle":"Retail Manager","mail":"AdeleV@contoso.com","officeLocation":"18/2111","preferredLanguage":"en-US","surname":"Vance","id":"87d349ed-44d7-43"}"#;

/// nginx below `directory`, the port that it listens on, and its certificate.
fn serve(directory: &Path) -> Result<(Running, u16, String), BoxError> {
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
