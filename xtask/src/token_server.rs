//! nginx as a token server with one canned answer, over TLS on loopback: a program of its own, so that what it does is not
//! counted among what its client does.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The size of a token of the platform.
const TOKEN_LENGTH: usize = 1_500;

/// Runs until it is dropped.
pub(crate) struct TokenServer {
    directory: PathBuf,
    port: u16,
    nginx: Child,
}

impl TokenServer {
    /// Starts it below `directory`, which is made, and removed in the end.
    pub(crate) fn start(directory: PathBuf) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("no token server: {error}");
        fs::create_dir_all(&directory).map_err(told)?;
        make_certificate(&directory, "server", &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])?;
        make_certificate(&directory, "client", &["rsa:2048"])?;
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).map_err(told)?.port();
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration(&directory, port)).map_err(told)?;
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(&directory).args(["-e", "error.log", "-c", "nginx.conf"]).stdout(Stdio::null());
        let nginx = nginx.spawn().map_err(told)?;
        let mut server = Self { directory, port, nginx };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.nginx.try_wait().map_err(told)? {
                return Err(format!("no token server: nginx has ended: {status}"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    pub(crate) fn authority(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Who vouches for the server.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.join("server.pem")
    }

    /// What a client can sign with: an RSA key of 2,048 bits and its certificate.
    pub(crate) fn client_file(&self) -> PathBuf {
        self.directory.join("client.pem")
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        // Whatever of it fails was over before.
        _ = self.nginx.kill();
        _ = self.nginx.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// `NAME.pem` with key and certificate.
fn make_certificate(directory: &Path, name: &str, key: &[&str]) -> Result<(), String> {
    let file = directory.join(format!("{name}.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "7", "-subj", "/CN=localhost"]);
    openssl.args([
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]);
    openssl.arg("-newkey").args(key).arg("-keyout").arg(&file);
    let output = openssl.output().map_err(|error| format!("openssl cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("openssl made no certificate:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let key = fs::read(&file).map_err(|error| error.to_string())?;
    fs::write(&file, [key, output.stdout].concat()).map_err(|error| error.to_string())
}

fn configuration(directory: &Path, port: u16) -> String {
    let (root, token) = (directory.display(), "t".repeat(TOKEN_LENGTH));
    format!(
        r#"daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
        events {{ worker_connections 512; }}
        http {{
            access_log off; default_type application/json; keepalive_requests 1000000;
            client_body_temp_path {root}/1; proxy_temp_path {root}/2; fastcgi_temp_path {root}/3;
            uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;
            server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.pem;
                location / {{
                    return 200 '{{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"{token}"}}';
                }}
            }}
        }}"#
    )
}
