//! An API of one's own that only an application with a role may read, published in a tenant; and two daemons there, one
//! with the role.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Sandbox, Workplace, end};

/// What a caller must have.
pub(super) const ROLE: &str = "Things.Read.All";

/// The API as the tenant knows it.
pub(crate) struct Things {
    pub(crate) sandbox: Sandbox,
    pub(crate) client_id: String,
    roles: [&'static str; 2],
}

impl Things {
    pub(crate) fn publish() -> Self {
        let sandbox = Sandbox::in_memory();
        let roles = [ROLE, "Things.Count.All"];
        let administrator = administrator(&sandbox);
        let create = |path: &str, body: Value| create(&administrator, path, &body);
        let role = |(number, value): (usize, &&str)| {
            json!({
                "id": format!("5f1a9c2e-0000-4000-8000-{number:012}"),
                "allowedMemberTypes": ["Application"],
                "displayName": value,
                "description": value,
                "value": value,
                "isEnabled": true,
            })
        };
        let application = create(
            "/applications",
            json!({
                "displayName": "Things",
                "api": { "requestedAccessTokenVersion": 2 },
                "appRoles": roles.iter().enumerate().map(role).collect::<Vec<_>>(),
            }),
        );
        create("/servicePrincipals", json!({ "appId": application["appId"] }));
        let client_id = application["appId"].as_str().unwrap().to_owned();
        Self { sandbox, client_id, roles }
    }

    /// A daemon that has the role.
    pub(crate) fn reader(&self, base_url: &str) -> Workplace {
        self.daemon(0, base_url)
    }

    /// A daemon that has another role of the API.
    pub(super) fn counter(&self, base_url: &str) -> Workplace {
        self.daemon(1, base_url)
    }

    fn daemon(&self, role: usize, base_url: &str) -> Workplace {
        let place = Workplace::new();
        let name = format!("daemon-{role}");
        let role = format!("{}:{}", self.client_id, self.roles[role]);
        let ready_file = self.sandbox.ready_file();
        let ready_file = ready_file.to_str().unwrap();
        let arguments = ["register", &name, "--role", &role, "--secret", "new", "--grant-admin-consent"];
        place.run(&[&arguments[..], &["--sandbox", ready_file]].concat()).expect(0);
        let secret = place.credential_file();
        let client_id = place.client_id();
        let scope = format!("{}/.default", self.client_id);
        let api = format!("\n[apis.things]\nbase-url = \"{base_url}\"\nscope = \"{scope}\"\n");
        configure(&place, &self.sandbox, &client_id, secret.to_str().unwrap(), &api);
        place
    }
}

/// Our own program in the hands of the tenant's administrator.
pub(crate) fn administrator(sandbox: &Sandbox) -> Workplace {
    let administrator = Workplace::new();
    let (_, secret) = sandbox.administrator_secret();
    fs::write(administrator.path("secret"), secret).unwrap();
    Command::new("chmod").arg("600").arg(administrator.path("secret")).status().unwrap();
    configure(&administrator, sandbox, &sandbox.administrator_client_id(), "secret", "");
    administrator
}

/// Makes an object of the directory.
pub(crate) fn create(administrator: &Workplace, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    administrator.run(&["--json", "call", "graph", "POST", path, "--body", &body]).expect(0).json()
}

/// A resource server that is not ours; it ends with its value.
pub(super) struct Server {
    pub(super) process: Child,
    pub(super) folder: TempDir,
}

impl Server {
    pub(super) fn start(folder: TempDir, command: &mut Command) -> Self {
        let output = File::create(folder.path().join("output")).unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { process, folder }
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Fails the test unless the server lets in who has the role, through our own program; and nobody else: not a caller
/// with another role, not a token for another API, not a token that was changed, not a request without one.
#[track_caller]
pub(super) fn lets_in_the_role_alone(things: &Things, port: u16) {
    let base_url = format!("http://localhost:{port}");
    let reader = things.reader(&base_url);
    let answer = reader.run(&["call", "things", "GET", "/things"]).expect(0);
    assert!(answer.stdout.contains("anvil"), "{answer}");

    let token =
        |place: &Workplace, api| place.run(&["token", api, "--raw"]).expect(0).stdout.trim().to_owned();
    let good = token(&reader, "things");
    assert_eq!(status(port, Some(&good)), 200);
    let refused = status(port, Some(&token(&things.counter(&base_url), "things")));
    assert!([401, 403].contains(&refused), "another role: {refused}");
    assert_eq!(status(port, Some(&token(&reader, "graph"))), 401, "another audience");
    assert_eq!(status(port, Some(&changed(&good))), 401, "a changed signature");
    assert_eq!(status(port, None), 401, "no token");
}

/// The status of a request over plain HTTP.
fn status(port: u16, token: Option<&str>) -> u16 {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let request =
        format!("GET /things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// The token with one character of its signature replaced.
fn changed(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{first}{}", &signature[1..])
}

fn configure(place: &Workplace, sandbox: &Sandbox, client_id: &str, secret: impl AsRef<Path>, more: &str) {
    let text = format!(
        r#"[application]
client-id = "{client_id}"
tenant = "{tenant}"
authority = "{authority}"
ca-file = "{ca_file}"
allow-insecure-loopback = true

[[application.credentials]]
secret = "file:{secret}"

[apis.graph]
base-url = "{graph}"
scope = "{resource}/.default"
{more}"#,
        secret = secret.as_ref().display(),
        tenant = sandbox.ready("tenant_id"),
        authority = sandbox.ready("authority"),
        ca_file = sandbox.ready("ca_file"),
        graph = sandbox.ready("graph"),
        resource = sandbox.ready("graph_resource"),
    );
    fs::write(place.path("unattended.toml"), text).unwrap();
}
