//! `unattended sidecar`: curl, Python and another user at the socket of the real program.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Run, Sandbox, Workplace, end, mode, wait_until};

/// The user that has nothing: `nobody` on every Linux.
const NOBODY: &str = "65534";

/// A running sidecar; it ends with its value.
struct Sidecar {
    process: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Sidecar {
    fn start(place: &Workplace, options: &[&str]) -> Self {
        Self::at(place.path(".unattended/sidecar.sock"), place, options)
    }

    /// Starts one, and waits until it accepts connections and the socket has its mode.
    fn at(socket: PathBuf, place: &Workplace, options: &[&str]) -> Self {
        let log = place.path("sidecar.log");
        let mut command = place.command(&["--verbose", "sidecar"]);
        command.args(options).stdout(File::create(&log).unwrap());
        let errors = File::options().append(true).open(&log).unwrap();
        let mut process = command.stderr(errors).spawn().unwrap();
        wait_until(|| {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(&log).unwrap());
            fs::read_to_string(&log).unwrap().contains("serving until a signal")
        });
        Self { process, socket, log }
    }

    /// `curl` at the socket; what it prints, and the status at its end.
    fn curl(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.curl_as(&mut Command::new("curl"), arguments))
    }

    /// The same as another user, in the group of the socket.
    fn curl_as_nobody(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", "0", "--clear-groups", "curl"]);
        self.curl_as(&mut command, arguments)
    }

    fn curl_as(&self, command: &mut Command, arguments: &[&str]) -> Run {
        command.args([
            "--silent",
            "--show-error",
            "--write-out",
            "\n%{http_code} %{content_type}",
            "--unix-socket",
        ]);
        command.arg(&self.socket).args(arguments).stdin(Stdio::null());
        Run::new(arguments, command.output().unwrap())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Sidecar {
    #[expect(clippy::print_stderr, reason = "a test that fails shows what the other side has to say")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the sidecar\n{}", self.log());
        }
        end(&mut self.process);
    }
}

/// What curl printed.
struct Answer {
    text: String,
    status: u16,
    content_type: String,
}

impl Answer {
    #[track_caller]
    fn of(run: Run) -> Self {
        let run = run.expect(0);
        let (text, end) = run.stdout.rsplit_once('\n').unwrap();
        let (status, content_type) = end.split_once(' ').unwrap();
        Self { text: text.to_owned(), status: status.parse().unwrap(), content_type: content_type.to_owned() }
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// Whether the program is there. Without it the test is not run, and says so; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "one line says what was not run")]
fn is_there(program: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(!in_ci(), "CI is set, so nothing may be left out: there is no {program}");
    eprintln!("not run: there is no {program}");
    false
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

fn own_uid(place: &Workplace) -> u32 {
    fs::metadata(place.directory()).unwrap().uid()
}

fn allow(place: &Workplace, grants: &str) {
    place.append_config(&format!("\n[sidecar]\nallow = [{grants}]\n"));
}

#[test]
fn curl_reads_and_writes_without_a_token() {
    if !is_there("curl") {
        return;
    }
    let sandbox = Sandbox::with_users(250);
    let place = Workplace::registered(&sandbox);
    let sidecar = Sidecar::start(&place, &[]);
    assert_eq!(mode(&sidecar.socket), 0o600);

    let page = sidecar.curl(&["http://unattended/graph/users?$select=id&$top=40"]);
    let called = place.run(&["call", "graph", "GET", "/users?$select=id&$top=40"]).expect(0).json();
    assert_eq!((page.status, page.json()["value"].clone()), (200, called["value"].clone()));
    assert!(page.content_type.starts_with("application/json"), "{}", page.content_type);

    let prefer = "Prefer: unattended.all-pages";
    let all = sidecar.curl(&["-H", prefer, "http://unattended/graph/users?$select=id,mail&$top=40"]);
    let called = place.run(&["call", "graph", "GET", "/users?$select=id,mail", "--all"]).expect(0);
    assert_eq!((all.status, all.content_type.as_str()), (200, "application/x-ndjson"));
    assert_eq!(all.text.lines().count(), 250);
    assert_eq!(all.text, called.stdout);

    let domain = sandbox.ready("tenant_domain");
    let user = json!({
        "accountEnabled": true,
        "displayName": "Zoë Çelik",
        "mailNickname": "zoe",
        "userPrincipalName": format!("zoe@{domain}"),
        "passwordProfile": { "password": "Xk4-not-a-real-one!", "forceChangePasswordNextSignIn": true },
    });
    let (body, content) = (user.to_string(), "Content-Type: application/json");
    let url = format!("http://unattended/graph/users/zoe@{domain}");
    let created = sidecar.curl(&["-H", content, "-d", &body, "http://unattended/graph/users"]);
    assert_eq!((created.status, &created.json()["displayName"]), (201, &"Zoë Çelik".into()));
    let conflict = sidecar.curl(&["-H", content, "-d", &body, "http://unattended/graph/users"]);
    assert_eq!(conflict.error(), (400, "Request_BadRequest".to_owned()));
    assert_eq!(conflict.json()["error"]["by"], "api");
    let changed = sidecar.curl(&["-X", "PATCH", "-H", content, "-d", r#"{"department":"Research"}"#, &url]);
    assert_eq!((changed.status, changed.text.as_str()), (204, ""));
    assert_eq!(sidecar.curl(&["-X", "DELETE", &url]).status, 204);
    assert_eq!(sidecar.curl(&[&url]).error(), (404, "Request_ResourceNotFound".to_owned()));
    let forbidden = sidecar.curl(&["http://unattended/graph/applications"]);
    assert_eq!(forbidden.error(), (403, "Authorization_RequestDenied".to_owned()));
}

// S9
#[test]
fn curl_is_refused_with_what_mends_it() {
    if !is_there("curl") {
        return;
    }
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let uid = own_uid(&place);
    allow(&place, &format!(r#"{{ uid = {uid}, apis = ["graph"], routes = ["GET /users*"] }}"#));
    let sidecar = Sidecar::start(&place, &[]);
    let users = "http://unattended/graph/users";
    assert_eq!(sidecar.curl(&[users]).status, 200);

    let refused = sidecar.curl(&["-X", "POST", users]);
    assert_eq!(refused.error(), (403, "route_not_allowed".to_owned()));
    assert_eq!(refused.json()["error"]["caller"], format!("uid {uid}"));
    assert_eq!(refused.json()["error"]["allowed"], json!(["GET /users*"]));
    for (arguments, status, code) in [
        (&["http://unattended/grpah/users"][..], 404, "unknown_api"),
        (&["http://unattended/token/graph"], 403, "token_not_lent"),
        (&["http://graph.microsoft.com/graph/users"], 421, "wrong_host"),
        (&["-H", "X-Forwarded-For: 10.0.0.1", users], 403, "forwarded_request"),
        (&["-H", "Origin: https://evil.example", users], 403, "browser_request"),
        (&["-H", "Authorization: Bearer x", users], 400, "credentials_not_taken"),
        (&["--path-as-is", "http://unattended/graph/users/../applications"], 400, "ambiguous_path"),
        (&["--request-target", "http://unattended/graph/users", users], 400, "absolute_target"),
        (&["-X", "OPTIONS", users], 405, "method_not_allowed"),
    ] {
        assert_eq!(sidecar.curl(arguments).error(), (status, code.to_owned()), "{arguments:?}");
    }

    let long = place.path("long");
    fs::write(&long, vec![b'x'; (4 << 20) + 1]).unwrap();
    let refused = sidecar.curl(&["-X", "PATCH", "--data-binary", &format!("@{}", long.display()), users]);
    assert_eq!(refused.error(), (403, "route_not_allowed".to_owned()));
}

#[test]
fn python_reads_and_writes_with_its_standard_library_alone() {
    if !is_there("python3") {
        return;
    }
    let sandbox = Sandbox::with_users(250);
    let place = Workplace::registered(&sandbox);
    let sidecar = Sidecar::start(&place, &[]);
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/third-party/python/call_through_sidecar.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(&sidecar.socket)
        .arg(sandbox.ready("tenant_domain"))
        .output()
        .unwrap();
    let answers = Run::new(&["(Python)"], output).expect(0).ndjson();
    assert_eq!(answers[0], json!({ "users": 250, "different": 250 }));
    let statuses: Vec<(&str, u64)> = answers[1..]
        .iter()
        .map(|answer| (answer["method"].as_str().unwrap(), answer["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(statuses, [("POST", 201), ("PATCH", 204), ("GET", 200), ("DELETE", 204), ("GET", 404)]);
    assert_eq!(answers[3]["body"]["displayName"], "Zoë Çelik");
    assert_eq!(answers[3]["body"]["department"], "Research");
}

// S9
#[test]
#[expect(clippy::print_stderr, reason = "one line says what was not run")]
fn another_user_may_do_what_it_is_granted_and_nothing_without() {
    let sandbox = Sandbox::with_users(3);
    let place = Workplace::registered(&sandbox);
    if own_uid(&place) != 0 {
        assert!(!in_ci(), "CI is set, so nothing may be left out: only root can become another user");
        eprintln!("not run: only root can become another user");
        return;
    }
    if !(is_there("curl") && is_there("setpriv")) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let socket = directory.path().join("sidecar.sock");
    let at = |options: &[&str]| {
        let mut all = vec!["--socket", socket.to_str().unwrap()];
        all.extend(options);
        Sidecar::at(socket.clone(), &place, &all)
    };
    let users = "http://unattended/graph/users";

    // The operating system keeps it out.
    let sidecar = at(&[]);
    sidecar.curl_as_nobody(&[users]).expect(7);
    drop(sidecar);

    // The group may connect; the sidecar sees who it is.
    let sidecar = at(&["--group-access"]);
    assert_eq!(mode(&socket), 0o660);
    let refused = Answer::of(sidecar.curl_as_nobody(&[users]));
    assert_eq!(refused.error(), (403, "caller_not_allowed".to_owned()));
    assert_eq!(refused.json()["error"]["caller"], "uid 65534");
    assert!(sidecar.log().contains("caller_not_allowed"), "{}", sidecar.log());
    drop(sidecar);

    allow(&place, r#"{ uid = 65534, apis = ["graph"], routes = ["GET /users*"] }"#);
    let sidecar = at(&["--group-access"]);
    assert_eq!(Answer::of(sidecar.curl_as_nobody(&[users])).json()["value"].as_array().unwrap().len(), 3);
    let refused = Answer::of(sidecar.curl_as_nobody(&["-X", "POST", users]));
    assert_eq!(refused.error(), (403, "route_not_allowed".to_owned()));
    assert_eq!(sidecar.curl(&[users]).error(), (403, "caller_not_allowed".to_owned()));
}

#[test]
fn a_token_is_lent_to_whom_it_is_granted_and_is_in_nothing_else() {
    if !is_there("curl") {
        return;
    }
    let sandbox = Sandbox::with_users(3);
    let place = Workplace::registered(&sandbox);
    let uid = own_uid(&place);
    allow(&place, &format!(r#"{{ uid = {uid}, apis = ["graph"], lend-tokens = true }}"#));
    let sidecar = Sidecar::start(&place, &[]);
    let lent = sidecar.curl(&["http://unattended/token/graph"]).json();
    let token = lent["access_token"].as_str().unwrap().to_owned();
    assert_eq!((token.split('.').count(), &lent["token_type"]), (3, &"Bearer".into()));

    let mut written = String::new();
    for arguments in [
        &["http://unattended/"][..],
        &["-i", "http://unattended/graph/users"],
        &["-i", "-H", "Prefer: unattended.all-pages", "http://unattended/graph/users"],
        &["-i", "http://unattended/graph/users/nobody"],
        &["-i", "http://unattended/graph/applications"],
        &["-i", "-H", "Authorization: Bearer eyJx", "http://unattended/graph/users"],
        &["-i", "http://unattended/nothing"],
    ] {
        written.push_str(&sidecar.curl(arguments).text);
    }
    sidecar.signal("TERM");
    let mut sidecar = sidecar;
    assert_eq!(sidecar.process.wait().unwrap().code(), Some(0));
    assert!(!sidecar.socket.exists());
    written.push_str(&sidecar.log());
    assert!(written.contains("a token was lent") && written.contains("stopping"), "{written}");
    assert!(!written.contains("eyJ") && !written.contains(&token), "{written}");
}

#[test]
fn a_killed_sidecar_is_replaced_and_a_live_one_is_not() {
    if !is_there("curl") {
        return;
    }
    let sandbox = Sandbox::with_users(3);
    let place = Workplace::registered(&sandbox);
    let mut sidecar = Sidecar::start(&place, &[]);
    place.run(&["sidecar"]).expect(1).says(&["already running", "sidecar.sock", "--socket"]);
    assert_eq!(sidecar.curl(&["http://unattended/graph/users"]).status, 200);

    sidecar.signal("KILL");
    sidecar.process.wait().unwrap();
    assert!(sidecar.socket.exists());
    sidecar.curl_as(&mut Command::new("curl"), &["http://unattended/graph/users"]).expect(7);
    let sidecar = Sidecar::start(&place, &[]);
    assert_eq!(sidecar.curl(&["http://unattended/graph/users"]).status, 200);
}

#[test]
fn an_api_with_the_name_of_the_lending_place_is_a_mistake_of_the_configuration() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.edit_config("[apis.graph]", "[apis.token]");
    place.run(&["sidecar"]).expect(78).says(&["GET /token/{api}", "give [apis.token] another name"]);
}
