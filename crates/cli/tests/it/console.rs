//! `unattended console`: the same as pages, for whoever has the login URL and for nobody else.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::{Sandbox, Workplace, end, wait_until};

/// A console in a process of its own; it ends with its value.
pub(crate) struct Console {
    process: Child,
    address: String,
    login: String,
}

impl Console {
    pub(crate) fn of(place: &Workplace) -> Self {
        let log = place.path("console.out");
        let mut process = place
            .command(&["console"])
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(place.path("console.err")).unwrap())
            .spawn()
            .unwrap();
        let mut url = String::new();
        wait_until(|| {
            url = fs::read_to_string(&log).unwrap();
            url.ends_with('\n') || process.try_wait().unwrap().is_some()
        });
        let rest = url.trim().strip_prefix("http://").unwrap_or_else(|| panic!("no URL: {url:?}"));
        let (address, login) = rest.split_at(rest.find('/').unwrap());
        Self { process, address: address.to_owned(), login: login.to_owned() }
    }

    /// What it printed.
    pub(crate) fn login_url(&self) -> String {
        format!("http://{}{}", self.address, self.login)
    }

    /// Head and body of the answer to a GET request.
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (String, String) {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(connection, "{request}\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

#[test]
fn whoever_has_the_login_url_sees_the_jobs_and_nobody_else_sees_anything() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox).with_jobs(&sandbox, 3);
    place.run(&["run", "--once"]).expect(0);
    let mut console = Console::of(&place);

    assert!(console.get("/", &[]).0.starts_with("HTTP/1.1 401"));
    assert!(console.get(&console.login, &[("Host", "evil.example")]).0.starts_with("HTTP/1.1 421"));
    assert!(console.get(&console.login, &[("X-Forwarded-For", "10.0.0.1")]).0.starts_with("HTTP/1.1 403"));
    let (head, _) = console.get(&console.login, &[("Sec-Fetch-Site", "none")]);
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = ("Cookie", cookie.split(';').next().unwrap());
    assert!(console.get(&console.login, &[]).0.starts_with("HTTP/1.1 401"), "the URL works once");

    let (head, overview) = console.get("/", &[cookie]);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("default-src 'none'"), "{head}");
    assert!(overview.contains("All 2 jobs are well") && overview.contains("3 created"), "{overview}");
    let (_, job) = console.get("/job?name=users-export", &[cookie]);
    assert!(job.contains("3 items in 1 page"), "{job}");
    let (_, application) = console.get("/application", &[cookie]);
    assert!(application.contains(&place.client_id()) && application.contains("days left"), "{application}");
    let key = fs::read_to_string(place.credential_file()).unwrap();
    for line in key.lines().filter(|line| line.len() > 20 && !line.starts_with('-')) {
        assert!(!application.contains(line));
    }

    // What happens while it is served is seen; the program prints the same.
    fs::remove_file(place.path("people.csv")).unwrap();
    place.run(&["run", "people"]).expect(1);
    let (_, served) = console.get("/api/status", &[cookie]);
    let mut served: Value = serde_json::from_str(&served).unwrap();
    assert_eq!((&served["succeeded"], &served["jobs"][0]["verdict"]), (&false.into(), &"failed".into()));
    let mut printed = place.run(&["status", "--json"]).expect(1).json();
    (served["at"], printed["at"]) = (Value::Null, Value::Null);
    assert_eq!(served, printed);

    let sent = Command::new("kill").args(["-TERM", &console.process.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut status = None;
    wait_until(|| {
        status = console.process.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[test]
fn it_is_not_served_to_other_machines() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let run = place.run(&["console", "--listen", "0.0.0.0:0"]);
    run.expect(2).says(&["can be reached from other machines", "ssh -L"]);
}
