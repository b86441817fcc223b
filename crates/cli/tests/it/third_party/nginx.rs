//! nginx as a drive: it redirects to a file on another port, and serves the ranges of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use super::things::Server;
use crate::support::{ReservedPort, Sandbox, Workplace, wait_until};

/// What is part of the address that lets in whoever knows it.
const CANARY: &str = "tempauth-canary-77ab";

struct Drive {
    server: Server,
    api: ReservedPort,
    _storage: ReservedPort,
}

impl Drive {
    fn start(file: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file.bin"), file).unwrap();
        let reserved = [(); 2].map(|()| ReservedPort::new());
        let ([api, storage], root) = (reserved.each_ref().map(|port| port.number), folder.path().display());
        let configuration = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
            events {{ worker_connections 64; }}
            http {{
                log_format seen '$server_port $request_method $uri $status $http_range token=$http_authorization';
                access_log {root}/seen.log seen; default_type application/octet-stream; root {root};
                client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
                fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
                server {{
                    listen 127.0.0.1:{api};
                    location /v1.0/content {{ return 302 http://127.0.0.1:{storage}/file.bin?tempauth={CANARY}; }}
                    location /v1.0/missing {{ return 302 http://127.0.0.1:{storage}/nothing; }}
                    location /v1.0/elsewhere {{ return 308 http://127.0.0.1:{storage}/file.bin; }}
                }}
                server {{
                    listen 127.0.0.1:{storage};
                    location / {{ if ($http_authorization) {{ return 401; }} }}
                }}
            }}"
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
        let server = Server::start(folder, &mut command);
        wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, api)).is_ok());
        let [api, storage] = reserved;
        Self { server, api, _storage: storage }
    }

    /// One line for each request that arrived. A line is written after its answer has left, and before the next request
    /// is looked at; so this one is the last.
    fn seen(&self) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.api.number)).unwrap();
        connection.write_all(b"GET /seen HTTP/1.0\r\n\r\n").unwrap();
        connection.read_to_end(&mut Vec::new()).unwrap();
        let lines = fs::read_to_string(self.server.path("seen.log")).unwrap();
        lines.lines().filter(|line| !line.contains(" /seen ")).map(|line| format!("{line}\n")).collect()
    }
}

/// A daemon whose API `drive` is that one.
fn workplace(drive: &Drive) -> (Sandbox, Workplace) {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.edit_config("[application]\n", "[application]\nallow-insecure-loopback = true\n");
    let scope = place.config()["apis"]["graph"]["scope"].as_str().unwrap().to_owned();
    place.append_config(&format!(
        "\n[apis.drive]\nbase-url = \"http://127.0.0.1:{}/v1.0\"\nscope = \"{scope}\"\n",
        drive.api.number
    ));
    (sandbox, place)
}

// RD-1, RD-2
#[test]
fn a_file_is_fetched_in_slices_from_where_nginx_redirects_to_and_without_the_token() {
    let content: Vec<u8> =
        (0..400_000_u64).flat_map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
    let drive = Drive::start(&content);
    let (_sandbox, place) = workplace(&drive);
    let fetch =
        |path: &'static str| ["call", "drive", "GET", path, "--download", "a.bin", "--slice-kib", "1024"];

    let told = place.run(&fetch("/content")).expect(0);
    told.says(&["3200000 bytes in a.bin"]);
    assert!(fs::read(place.path("a.bin")).unwrap() == content);
    let seen = drive.seen();
    assert_eq!(seen.lines().filter(|line| line.contains(" 206 bytes=")).count(), 4, "{seen}");
    for line in seen.lines() {
        assert_eq!(line.contains("token=Bearer"), line.contains("/v1.0/"), "{line}");
    }
    let json = place.run(&[&["--json"], &fetch("/content")[..]].concat()).expect(0).json();
    assert_eq!((&json["file"], &json["bytes"]), (&"a.bin".into(), &3_200_000.into()));

    fs::write(place.path("a.bin"), "the old one").unwrap();
    for (path, reason) in [("/missing", "404 Not Found"), ("/elsewhere", "another origin"), ("/none", "404")]
    {
        let refused = place.run(&fetch(path)).expect(1);
        refused.says(&[reason]);
        assert!(!format!("{refused}").contains(CANARY), "{refused}");
    }
    assert_eq!(fs::read(place.path("a.bin")).unwrap(), b"the old one");
    assert!(!place.path("a.bin.part").exists());
    place
        .run(&["call", "drive", "POST", "/content", "--download", "a.bin"])
        .expect(2)
        .says(&["the method is GET"]);
    place.run(&["call", "drive", "GET", "/content", "--download", "."]).expect(2).says(&["is a directory"]);
}
