//! What nobody would send by accident, sent on purpose: every file of `fuzz/corpus/` as it is and broken in several ways, the
//! same ways each time. Whatever comes in, the sandbox answers as it answers mistakes, and goes on answering.
//!
//! In the files `CLIENT`, `SECRET` and `AUDIENCE` stand for those of the administrator's application. A request that
//! once did harm, or that a fuzz target found, becomes a file there.

use std::fs;
use std::path::Path;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use unattended_core::{Entropy as _, SeededEntropy};
use unattended_sandbox::{RunningSandbox, Sandbox};
use url::form_urlencoded;

/// How many broken copies are made of each file.
const COPIES: usize = 6;

#[tokio::test]
async fn a_token_request_is_answered_with_a_token_or_a_platform_error() {
    let tenant = Tenant::start().await;
    for (name, body) in corpus("token-request") {
        let answer = tenant.token_request(tenant.filled(&body)).await;
        token_or_error(&name, answer).await;
    }
    tenant.still_answers().await;
}

#[tokio::test]
async fn an_assertion_is_never_taken_for_a_good_one() {
    let tenant = Tenant::start().await;
    for (name, assertion) in corpus("assertion") {
        let assertion: String =
            form_urlencoded::byte_serialize(&tenant.filled(&assertion)).collect::<Vec<_>>().concat();
        let body = tenant.filled(
            format!(
                "client_id=CLIENT&grant_type=client_credentials\
                 &scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_assertion={assertion}\
                 &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
            )
            .as_bytes(),
        );
        let status = token_or_error(&name, tenant.token_request(body).await).await;
        assert_ne!(status, StatusCode::OK, "{name}");
    }
    tenant.still_answers().await;
}

#[tokio::test]
async fn a_filter_is_answered_or_refused_with_a_reason() {
    let tenant = Tenant::start().await;
    for (name, filter) in corpus("filter") {
        let filter: String = form_urlencoded::byte_serialize(&filter).collect();
        let url = format!("{}/users?$top=3&$filter={filter}", tenant.sandbox.ready().graph);
        let answer = tenant.send(tenant.http.get(url).bearer_auth(&tenant.token)).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_else(|error| panic!("{name}: {status}: {error}"));
        match status {
            StatusCode::OK => assert!(body["value"].is_array(), "{name}: {body}"),
            status => {
                assert!(status.is_client_error(), "{name}: {status}: {body}");
                assert!(body["error"]["code"].is_string(), "{name}: {body}");
            }
        }
    }
    tenant.still_answers().await;
}

#[tokio::test]
async fn each_request_of_a_batch_is_answered_or_the_batch_is_refused() {
    let tenant = Tenant::start().await;
    for (name, body) in corpus("batch") {
        let url = format!("{}/$batch", tenant.sandbox.ready().graph);
        let request =
            tenant.http.post(url).bearer_auth(&tenant.token).header(CONTENT_TYPE, "application/json");
        let answer = tenant.send(request.body(body)).await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_else(|error| panic!("{name}: {status}: {error}"));
        if status != StatusCode::OK {
            assert!(status.is_client_error(), "{name}: {status}: {body}");
            assert!(body["error"]["code"].is_string(), "{name}: {body}");
            continue;
        }
        for response in body["responses"].as_array().unwrap_or_else(|| panic!("{name}: {body}")) {
            let status = response["status"].as_u64().unwrap_or_default();
            assert!((200..500).contains(&status), "{name}: {response}");
        }
    }
    tenant.still_answers().await;
}

#[tokio::test]
async fn a_consent_request_never_sends_the_browser_to_a_stranger() {
    let tenant = Tenant::start().await;
    let ready = tenant.sandbox.ready();
    for (name, query) in corpus("consent") {
        let query = tenant.filled(&query);
        // A query is sent as it is, but for what no HTTP client can put on its first line.
        let query: String = query
            .iter()
            .map(|byte| match byte {
                b'!' | b'$'..=b'~' => char::from(*byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        for path in
            [format!("{}/adminconsent", ready.tenant_id), "organizations/v2.0/adminconsent".to_owned()]
        {
            let url = format!("{}/{path}?{query}", ready.authority);
            let answer = tenant.send(tenant.http.get(url)).await;
            let status = answer.status();
            assert!(status.as_u16() < 500, "{name}: {status}");
            if let Some(location) = answer.headers().get(LOCATION) {
                let location = location.to_str().unwrap_or_else(|_| panic!("{name}: {location:?}"));
                assert!(!location.contains("attacker"), "{name}: {location}");
            }
            let page = answer.text().await.unwrap_or_else(|error| panic!("{name}: {error}"));
            for markup in ["<script>alert", "<img src=x", "<b>"] {
                assert!(!page.contains(markup), "{name}: {markup} came back as it was");
            }
        }
    }
    tenant.still_answers().await;
}

/// A sandbox, and its administrator as a client.
struct Tenant {
    sandbox: RunningSandbox,
    http: Client,
    secret: String,
    token: String,
}

impl Tenant {
    async fn start() -> Self {
        // The one provider; a second test of this process finds it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sandbox = Sandbox::builder().in_memory().users(20).seed(7).start().await.unwrap();
        let ca = fs::read(&sandbox.ready().ca_file).unwrap();
        let http = Client::builder()
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()])
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let secret =
            fs::read_to_string(&sandbox.ready().administrator.secret_file).unwrap().trim().to_owned();
        let mut tenant = Self { sandbox, http, secret, token: String::new() };
        tenant.token = tenant.still_answers().await;
        tenant
    }

    /// Gets a token, as if nothing had been.
    async fn still_answers(&self) -> String {
        let good = fs::read(folder("token-request").join("good")).unwrap();
        let answer: Value = self.token_request(self.filled(&good)).await.json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn token_request(&self, body: Vec<u8>) -> Response {
        let ready = self.sandbox.ready();
        let url = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
        let request = self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        request.send().await.unwrap_or_else(|error| panic!("the sandbox did not answer: {error:?}"))
    }

    /// The bytes with what stands for the administrator's application replaced.
    fn filled(&self, bytes: &[u8]) -> Vec<u8> {
        let ready = self.sandbox.ready();
        let audience = format!("{}/{}/v2.0", ready.authority, ready.tenant_id);
        let secret: String = form_urlencoded::byte_serialize(self.secret.as_bytes()).collect();
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

/// Fails the test unless the answer is a token or an error of the platform, whose status is returned.
async fn token_or_error(name: &str, answer: Response) -> StatusCode {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_else(|error| panic!("{name}: {status}: {error}"));
    if status == StatusCode::OK {
        assert!(body["access_token"].is_string(), "{name}: {body}");
    } else {
        assert!(status.is_client_error(), "{name}: {status}: {body}");
        assert!(body["error"].is_string(), "{name}: {body}");
        let description = body["error_description"].as_str().unwrap_or_default();
        assert!(description.starts_with("AADSTS"), "{name}: {body}");
        assert!(body["error_codes"][0].is_u64() && body["trace_id"].is_string(), "{name}: {body}");
    }
    status
}

fn folder(kind: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(kind)
}

/// Every file of a kind, and broken copies of it: bytes changed, taken out, doubled, cut off.
fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let entropy = SeededEntropy::new(7);
    let mut requests = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let original = fs::read(&path).unwrap();
        for copy in 0..COPIES {
            requests.push((format!("{kind}/{name}, broken copy {copy}"), broken(&original, &entropy)));
        }
        requests.push((format!("{kind}/{name}"), original));
    }
    assert!(requests.len() > 100, "{kind} is missing");
    requests
}

fn broken(original: &[u8], entropy: &SeededEntropy) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let random = |below: usize| usize::try_from(entropy.bits() % below.max(1) as u128).unwrap();
    for _ in 0..=random(3) {
        let at = random(bytes.len());
        let end = (at + 1 + random(8)).min(bytes.len());
        match random(5) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(random(256)).unwrap(),
            1 if at < bytes.len() => bytes[at] ^= 1 << random(8),
            2 => drop(bytes.drain(at.min(end)..end)),
            3 => {
                let doubled = bytes[at.min(end)..end].repeat(1 + random(40));
                bytes.splice(at..at, doubled);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}
