//! A directory with a configuration, a network that follows a script, and a clock that stands still.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use unattended_core::{
    BoxFuture, HttpClient, HttpError, HttpErrorKind, ManualClock, ResponseBody, SeededEntropy,
};
use unattended_daemon::{Config, MapEnvironment, Ports};

/// 2026-11-23 00:00:00 UTC
pub(crate) const NOW: u64 = 1_795_392_000;
pub(crate) const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
pub(crate) const SECRET: &str = "hunter2~Q";

pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) network: Network,
    pub(crate) environment: MapEnvironment,
}

impl World {
    /// A directory with a configuration, its secret, its source, and an authority that grants everything.
    pub(crate) fn new() -> Self {
        let world = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: ManualClock::at(NOW),
            network: Network::default(),
            environment: MapEnvironment::default(),
        };
        world.write("unattended.toml", &configuration(), 0o640);
        world.write("client-secret", SECRET, 0o600);
        world.write("people.csv", "userPrincipalName\n", 0o644);
        let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        let token_endpoint = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
        world.network.on(
            "/.well-known/openid-configuration",
            Answer::json(200, &json!({ "issuer": issuer, "token_endpoint": token_endpoint })),
        );
        world.network.on("graph.microsoft.com", Answer::json(401, &json!({})));
        world.network.on("/oauth2/v2.0/token", Answer::token(&["User.ReadWrite.All"]));
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) {
        std::fs::write(self.path(name), content).unwrap();
        self.set_mode(name, mode);
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn change_configuration(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("unattended.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        self.write("unattended.toml", &text.replace(from, to), 0o640);
    }

    pub(crate) fn config(&self) -> Config {
        match Config::load(Some(&self.path("unattended.toml")), &self.environment) {
            Ok(config) => config,
            Err(error) => panic!("{}", error.render(false)),
        }
    }

    pub(crate) fn ports(&self) -> Ports {
        let mut ports = Ports::of_the_machine()
            .with_clock(Arc::new(self.clock.clone()))
            .with_environment(Arc::new(self.environment.clone()))
            .with_http(Arc::new(self.network.clone()));
        ports.entropy = Arc::new(SeededEntropy::new(7));
        ports
    }

    /// Waits for something that waits on the clock itself.
    pub(crate) async fn while_time_passes<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                () = tokio::task::yield_now() => self.clock.advance(Duration::from_secs(1)),
            }
        }
    }

    /// The text without what differs from run to run.
    pub(crate) fn without_paths(&self, text: &str) -> String {
        text.replace(&self.directory.path().display().to_string(), "DIR")
    }
}

fn configuration() -> String {
    format!(
        r#"[application]
client-id = "5a0e2f3c-1111-4222-8333-444455556666"
tenant = "{TENANT}"

[[application.credentials]]
secret = "file:client-secret"

[apis.graph]
base-url = "https://graph.microsoft.com/v1.0"
scope = "https://graph.microsoft.com/.default"
roles = ["User.ReadWrite.All"]

[jobs.people]
schedule = "0 2 * * *"
time-zone = "UTC"
provision = {{ api = "graph", resource = "/users", source = "people.csv", match = "userPrincipalName" }}
"#
    )
}

/// Answers by the first rule whose part is in the URL; the newest rule first.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<Rules>>);

#[derive(Default)]
struct Rules {
    rules: Vec<(String, Answer)>,
    asked: Vec<String>,
    /// The body of the newest request.
    body: String,
    /// The only secret that the token endpoint accepts, if it looks.
    secret: Option<String>,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Unreachable(&'static str),
    Response { status: u16, date: u64, body: String },
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::Response { status, date: NOW, body: body.to_string() }
    }

    pub(crate) fn token(roles: &[&str]) -> Self {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "aud": "https://graph.microsoft.com", "roles": roles });
        let token = format!("{}.{}.c2ln", part(&json!({ "alg": "RS256" })), part(&claims));
        Self::json(200, &json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token }))
    }

    pub(crate) fn refusal(code: u32, error: &str, text: &str) -> Self {
        Self::json(
            401,
            &json!({
                "error": error,
                "error_description": format!("AADSTS{code}: {text} Trace ID: t Correlation ID: c"),
                "error_codes": [code],
                "correlation_id": "0c6a3c1e-0000-4000-8000-000000000001",
            }),
        )
    }

    pub(crate) fn at(self, unix_seconds: u64) -> Self {
        match self {
            Self::Response { status, body, .. } => Self::Response { status, body, date: unix_seconds },
            unreachable => unreachable,
        }
    }
}

impl Network {
    pub(crate) fn on(&self, part: &str, answer: Answer) {
        self.0.lock().unwrap().rules.insert(0, (part.to_owned(), answer));
    }

    /// From now on no other secret gets a token.
    pub(crate) fn accept_only(&self, secret: &str) {
        self.0.lock().unwrap().secret = Some(secret.to_owned());
    }

    /// The form of the newest request, field by field.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let url = format!("form:?{}", self.0.lock().unwrap().body);
        url::Url::parse(&url).unwrap().query_pairs().into_owned().collect()
    }

    pub(crate) fn asked(&self, part: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|url| url.contains(part)).count()
    }
}

impl HttpClient for Network {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ResponseBody>, HttpError>> {
        let url = request.uri().to_string();
        let mut rules = self.0.lock().unwrap();
        let answer =
            rules.rules.iter().find(|(part, _)| url.contains(part)).map(|(_, answer)| answer.clone());
        rules.asked.push(url.clone());
        let form = String::from_utf8_lossy(request.body()).into_owned();
        rules.body.clone_from(&form);
        let refused = |secret: &String| {
            let sent = format!("client_secret={}", secret.replace('~', "%7E"));
            url.ends_with("/token") && !form.split('&').any(|field| field == sent)
        };
        let answer = match rules.secret.as_ref().filter(|secret| refused(secret)) {
            Some(_) => Some(Answer::refusal(7_000_215, "invalid_client", "Invalid client secret.")),
            None => answer,
        };
        Box::pin(async move {
            match answer.unwrap_or_else(|| panic!("no rule for {url}")) {
                Answer::Unreachable(reason) => Err(HttpError::new(HttpErrorKind::Connect, reason)),
                Answer::Response { status, date, body } => {
                    let date: SystemTime = UNIX_EPOCH + Duration::from_secs(date);
                    Ok(Response::builder()
                        .status(status)
                        .header("date", httpdate::fmt_http_date(date))
                        .header("content-type", "application/json")
                        .body(ResponseBody::full(body))
                        .unwrap())
                }
            }
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

/// A self-signed certificate with its key in one PEM, valid between two days.
pub(crate) fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256);
    let key = key.unwrap_or_else(|_| panic!("an RSA key"));
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "nightly-report");
    parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    let certificate = parameters.self_signed(&key).unwrap();
    format!("{}{}", key.serialize_pem(), certificate.pem())
}

pub(crate) fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}
