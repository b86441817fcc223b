//! A tenant in this process, and what each answer of it must be whatever it was asked.
//!
//! In the corpus `CLIENT`, `SECRET` and `AUDIENCE` stand for those of the administrator's application.

use std::fs;
use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use unattended_sandbox::{Ready, Sandbox, SandboxInProcess};

/// The tenant of all requests of one target.
pub static TENANT: LazyLock<Tenant> = LazyLock::new(Tenant::new);

/// A tenant with a few people, and its administrator as a client.
pub struct Tenant {
    runtime: Runtime,
    sandbox: SandboxInProcess,
    secret: String,
    token: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Tenant {
    fn new() -> Self {
        let runtime = Runtime::new().expect("threads can be made");
        let sandbox = runtime.block_on(async {
            let make = || Sandbox::builder().in_memory().users(20).seed(7).in_process();
            tokio::task::spawn_blocking(make).await.expect("it does not panic").expect("it can be made")
        });
        let secret = fs::read_to_string(&sandbox.ready.administrator.secret_file).expect("it is there");
        let mut tenant =
            Self { runtime, sandbox, secret: secret.trim().to_owned(), token: String::new() };
        let form = "grant_type=client_credentials&scope=.default&client_id=CLIENT&client_secret=SECRET";
        let answer = tenant.token_request(&tenant.filled(form.as_bytes())).json();
        tenant.token = answer["access_token"].as_str().expect("a token").to_owned();
        tenant
    }

    pub fn ready(&self) -> &Ready {
        &self.sandbox.ready
    }

    /// Posts a form to the token endpoint.
    pub fn token_request(&self, form: &[u8]) -> Answer {
        let request = Request::post(format!("/{}/oauth2/v2.0/token", self.ready().tenant_id))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_vec()));
        self.send(request.expect("a request"))
    }

    /// Asks the directory as the administrator.
    pub fn directory(&self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/graph/v1.0/{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(body.to_vec()));
        Some(self.send(request.ok()?))
    }

    /// Opens a link; nothing if it is none.
    pub fn open(&self, path: &str) -> Option<Answer> {
        Some(self.send(Request::get(path).header("host", "localhost").body(Body::empty()).ok()?))
    }

    /// Whatever was asked, the sandbox did not fail.
    fn send(&self, request: Request<Body>) -> Answer {
        let router: Router = self.sandbox.router.clone();
        let answer = self.runtime.block_on(async {
            let response: Response<Body> =
                router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let location = parts.headers.get("location");
            Answer {
                status: parts.status,
                location: location.map(|it| it.to_str().expect("an address is text").to_owned()),
                body: to_bytes(body, usize::MAX).await.expect("a whole body").to_vec(),
            }
        });
        assert!(!answer.status.is_server_error(), "{answer:?}");
        answer
    }

    /// The bytes with what stands for the administrator's application replaced.
    pub fn filled(&self, bytes: &[u8]) -> Vec<u8> {
        let ready = self.ready();
        let audience = format!("{}/{}/v2.0", ready.authority, ready.tenant_id);
        let secret: String = url::form_urlencoded::byte_serialize(self.secret.as_bytes()).collect();
        let mut filled = bytes.to_vec();
        for (name, value) in
            [("CLIENT", &ready.administrator.client_id), ("SECRET", &secret), ("AUDIENCE", &audience)]
        {
            while let Some(at) = filled.windows(name.len()).position(|window| window == name.as_bytes()) {
                filled.splice(at..at + name.len(), value.bytes());
            }
        }
        filled
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A token, or an error in the platform's shape.
    pub fn is_token_or_error(&self) {
        let body = self.json();
        if self.status == StatusCode::OK {
            assert!(body["access_token"].is_string(), "{body}");
            return;
        }
        let description = body["error_description"].as_str().unwrap_or_default();
        assert!(description.starts_with("AADSTS") && body["error"].is_string(), "{body}");
        assert!(body["error_codes"][0].is_u64() && body["trace_id"].is_string(), "{body}");
    }
}
