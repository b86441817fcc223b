use std::sync::{Arc, Mutex};
use std::time::Duration;

use unattended_core::{HttpErrorKind, Secret};

use super::*;
use crate::credential::tests::House;
use crate::credential::{CredentialSource, WatchedCredential};
use crate::test_support::Server;

const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl";

fn house(source: impl AssertionSource) -> House {
    House::new([Arc::new(SignedAssertion::new(source)) as _])
}

fn sent(house: &House) -> Vec<String> {
    let assertion = |seen: &crate::test_support::Seen| seen.field("client_assertion").map(str::to_owned);
    house.server.requests().iter().filter_map(assertion).collect()
}

// 59
#[tokio::test]
async fn a_file_is_read_for_every_request_and_may_be_missing_for_a_while() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let house = house(AssertionFile::new(&path));
    let rotated = JWT.replace("canary", "rotated").replace("c2ln", "bmV3");
    std::fs::write(&path, format!("{JWT}\n")).unwrap();
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    std::fs::write(&path, &rotated).unwrap();
    house.server.token("t2", 3_600);
    house.fresh().await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = house.fresh().await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} cannot be read", path.display()));
    assert!(error.is_credential());
    std::fs::write(&path, "").unwrap();
    let error = house.fresh().await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} gave no assertion", path.display()));
    std::fs::write(&path, JWT).unwrap();
    house.server.token("t3", 3_600);
    house.fresh().await.unwrap();
    assert_eq!(sent(&house), [JWT, &rotated, JWT]);
    let seen = &house.server.requests()[0];
    assert_eq!(
        seen.field("client_assertion_type"),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    assert_eq!(seen.field("client_id"), Some("22222222-2222-2222-2222-222222222222"));
}

/// A volume as Kubernetes projects it: the file is a link into a directory that is a link itself, which is renamed over;
/// then what it led to is removed.
#[cfg(unix)]
struct Volume(tempfile::TempDir);

#[cfg(unix)]
impl Volume {
    fn new(content: &str) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink("..data/token", volume.file()).unwrap();
        volume.put(0, content);
        volume
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("token")
    }

    fn put(&self, version: usize, content: &str) {
        let path = |name: &str| self.0.path().join(name);
        let before = std::fs::read_link(path("..data"));
        let next = format!("..version_{version}");
        std::fs::create_dir(path(&next)).unwrap();
        std::fs::write(path(&next).join("token"), content).unwrap();
        std::os::unix::fs::symlink(&next, path("..data_tmp")).unwrap();
        std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
        if let Ok(before) = before {
            std::fs::remove_dir_all(self.0.path().join(before)).unwrap();
        }
    }
}

// 59
#[cfg(unix)]
#[tokio::test]
async fn a_volume_that_is_exchanged_under_its_readers_costs_no_failed_call() {
    let versions = [JWT.to_owned(), JWT.replace("c2ln", "bmV3")];
    let volume = Volume::new(&versions[0]);
    let house = house(AssertionFile::new(volume.file()));
    let exchanges = std::thread::spawn({
        let versions = versions.clone();
        move || {
            for version in 1..=2_000 {
                volume.put(version, &versions[version % 2]);
            }
            volume
        }
    });
    let mut read = 0;
    while !exchanges.is_finished() {
        house.server.token("t", 3_600);
        house.fresh().await.unwrap();
        read += 1;
    }
    let volume = exchanges.join().unwrap();
    assert!(read > 10, "{read}");
    assert!(sent(&house).iter().all(|assertion| versions.contains(assertion)), "each one is whole");
    // What has been put there is what is sent next.
    volume.put(2_001, &versions[1]);
    house.server.token("t", 3_600);
    house.fresh().await.unwrap();
    assert_eq!(sent(&house).last(), Some(&versions[1]));
}

/// A callback, and what it was told.
fn listening() -> (SignedAssertion, Arc<Mutex<Vec<AssertionRequest>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let credential = SignedAssertion::from_callback("the callback", {
        let told = Arc::clone(&told);
        move |request| {
            told.lock().unwrap().push(request);
            async { Ok(Secret::from(JWT)) }
        }
    });
    (credential, told)
}

// 55
#[tokio::test]
async fn a_callback_runs_only_for_requests_that_leave_and_is_told_what_they_are_for() {
    let (credential, told) = listening();
    let house = House::new([Arc::new(credential) as _]);
    house.server.token("t1", 3_600);
    house.cached().await.unwrap();
    house.cached().await.unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "a cached token needs no assertion");
    assert_eq!(told[0].client_id, "22222222-2222-2222-2222-222222222222");
    assert_eq!(told[0].token_endpoint, "https://login.example/contoso.example/oauth2/v2.0/token");
    let sent = &house.server.requests()[0];
    assert_eq!(sent.headers["client-request-id"], told[0].correlation_id.as_str());
}

// 47, 55
#[tokio::test]
async fn a_callback_is_told_tenant_claims_capabilities_and_what_the_application_adds() {
    use unattended_core::{ClientId, ManualClock, Scope, TenantId, TokenDemand, TokenSource};

    let (credential, told) = listening();
    let server = Arc::new(Server::new());
    let tenant = TenantId::parse("contoso.example").unwrap();
    let client = crate::ConfidentialClient::builder(
        crate::Authority::microsoft("https://login.example", &tenant).unwrap(),
        ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap(),
    )
    .credential(credential)
    .capability("cp1")
    .http(Arc::clone(&server) as _)
    .clock(Arc::new(ManualClock::at(1_000_000)))
    .build()
    .unwrap();
    let graph = client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
    let tokens = graph.with_parameter("fmi_path", "agents/7").unwrap();
    let other = tokens.for_tenant(&TenantId::parse("fabrikam.example").unwrap()).unwrap();
    server.token("t1", 3_600);
    let refused = tokens.authorization(TokenDemand::Live).await.unwrap();
    server.token("t2", 3_600);
    let claims = Some(r#"{"access_token":{"nbf":{"essential":true}}}"#.to_owned());
    tokens.authorization(TokenDemand::Newer { refused, claims }).await.unwrap();
    server.token("t3", 3_600);
    other.authorization(TokenDemand::Live).await.unwrap();

    let told = told.lock().unwrap();
    let of = |n: usize| (told[n].tenant.as_deref(), told[n].claims.as_deref());
    let capabilities = Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
    let challenge = Some(r#"{"access_token":{"nbf":{"essential":true},"xms_cc":{"values":["cp1"]}}}"#);
    assert_eq!(of(0), (Some("contoso.example"), capabilities));
    assert_eq!(of(1), (Some("contoso.example"), challenge));
    assert_eq!(of(2), (Some("fabrikam.example"), capabilities));
    assert!(told.iter().all(|request| request.parameters["fmi_path"] == "agents/7"));
}

// 55
#[tokio::test]
async fn what_is_no_assertion_is_refused_before_anything_is_sent() {
    for (text, complaint) in [
        ("", "gave no assertion"),
        (" \n", "gave no assertion"),
        ("hunter2", "gave no signed JWT"),
        ("a.b", "gave no signed JWT"),
        ("a..c", "gave no signed JWT"),
        ("a.b.c d", "gave no signed JWT"),
    ] {
        let credential =
            SignedAssertion::from_callback("the callback", move |_| async move { Ok(Secret::from(text)) });
        let house = House::new([Arc::new(credential) as _]);
        let error = house.fresh().await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("the callback {complaint}")), "{text}: {error}");
        assert!(!error.to_string().contains("hunter2") && house.server.requests().is_empty());
    }
}

// D17
#[tokio::test]
async fn a_refused_assertion_is_asked_for_once_more() {
    let house =
        House::new(
            [Arc::new(SignedAssertion::from_callback("it", |_| async { Ok(Secret::from(JWT)) })) as _],
        );
    let late =
        r#"{"error":"invalid_client","error_codes":[700024],"error_description":"AADSTS700024: late"}"#;
    house.server.answer(401, late);
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    let stranger =
        r#"{"error":"invalid_client","error_codes":[700213],"error_description":"AADSTS700213: no match"}"#;
    house.server.answer(401, stranger);
    assert!(house.fresh().await.unwrap_err().is_credential());
    assert_eq!(house.server.requests().len(), 3);
}

/// A URL whose bearer token is in a file, as the daemon has it.
#[derive(Debug)]
struct Configured(Arc<Server>);

impl CredentialSource for Configured {
    fn read(&self) -> Result<Vec<Secret>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(vec![Secret::from("bearer")])
    }

    fn make(&self, material: &[Secret]) -> Result<Arc<dyn Credential>, Error> {
        let url = AssertionUrl::new("https://issuer.example/token", Arc::clone(&self.0) as _)?;
        Ok(Arc::new(SignedAssertion::new(url.bearer(&material[0])?)))
    }

    fn describe(&self) -> String {
        "the shelf".to_owned()
    }
}

// D17
#[tokio::test]
async fn a_refused_assertion_of_a_url_is_asked_for_once_more_although_its_bearer_token_is_the_same() {
    let service = Arc::new(Server::new());
    let house = House::new([Arc::new(WatchedCredential::new(Configured(Arc::clone(&service)))) as _]);
    let newer = JWT.replace("canary", "newer");
    service.answer(200, JWT);
    service.answer(200, &newer);
    let late =
        r#"{"error":"invalid_client","error_codes":[700024],"error_description":"AADSTS700024: late"}"#;
    house.server.answer(401, late);
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    assert_eq!(sent(&house), [JWT, &newer]);
}

#[tokio::test]
async fn github_gives_the_identity_of_a_job() {
    let service = Arc::new(Server::new());
    let url = "https://pipelines.example/_apis/token?api-version=2.0";
    let source = AssertionUrl::github_actions(
        url,
        Secret::from("request-canary"),
        TOKEN_EXCHANGE_AUDIENCE,
        Arc::clone(&service) as _,
    )
    .unwrap();
    let house = house(source);
    service.answer(200, &format!(r#"{{"count":1,"value":"{JWT}"}}"#));
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    assert_eq!(sent(&house), [JWT]);
    let seen = &service.requests()[0];
    assert_eq!(seen.uri, format!("{url}&audience=api%3A%2F%2FAzureADTokenExchange"));
    assert_eq!(seen.headers["authorization"], "Bearer request-canary");
    assert!(!format!("{:?}", house.client).contains("canary"));
}

#[tokio::test]
async fn azure_pipelines_gives_the_identity_of_a_service_connection_and_its_refusal_keeps_the_numbers() {
    let service = Arc::new(Server::new());
    let source = AssertionUrl::azure_pipelines(
        "https://dev.example/token",
        Secret::from("system-canary"),
        "c0ffee",
        Arc::clone(&service) as _,
    );
    let house = house(source.unwrap());
    service.answer(200, &format!(r#"{{"oidcToken":"{JWT}"}}"#));
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    let seen = &service.requests()[0];
    assert_eq!(seen.uri, "https://dev.example/token?api-version=7.1&serviceConnectionId=c0ffee");
    assert_eq!(seen.headers["x-tfs-fedauthredirect"], "Suppress");
    assert_eq!(seen.headers["content-length"], "0");

    let numbers = [("x-vss-e2eid", "e2e-7"), ("x-msedge-ref", "ref-8")];
    service.answer_with(401, &numbers, "<html>sign in eyJhbGciOi.J9</html>");
    let error = house.fresh().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Azure Pipelines answered HTTP 401: <html>sign in [redacted]</html> (x-vss-e2eid e2e-7) (x-msedge-ref ref-8)"
    );
    assert!(error.is_credential());
}

#[tokio::test]
async fn a_service_that_is_down_for_a_moment_is_asked_again() {
    let service = Arc::new(Server::new());
    let source = AssertionUrl::new("https://issuer.example/token", Arc::clone(&service) as _).unwrap();
    let house = House::on(
        unattended_core::ManualClock::self_advancing_at(1_000_000),
        [Arc::new(SignedAssertion::new(source)) as _],
    );
    service.answer(503, "");
    service.fail(HttpErrorKind::Connect);
    service.answer(200, JWT);
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    assert_eq!((service.requests().len(), sent(&house).len()), (3, 1));
}

#[tokio::test]
async fn a_source_that_never_answers_is_named_and_costs_no_more_than_its_time() {
    let house = House::on(
        unattended_core::ManualClock::self_advancing_at(1_000_000),
        [Arc::new(SignedAssertion::from_callback("the vault", |_| std::future::pending())) as _],
    );
    let error = house.fresh().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(error.to_string(), "no proof by the assertion of the vault came within 8 s");
    assert!(unattended_core::Clock::elapsed(&house.clock) <= Duration::from_secs(40));
}

#[test]
fn a_url_that_others_could_read_along_is_refused() {
    let http = || Arc::new(Server::new()) as Arc<dyn unattended_core::HttpClient>;
    for url in ["http://issuer.example/token", "ftp://h/t", "token", "http://localhost.evil.example/"] {
        assert!(AssertionUrl::new(url, http()).is_err(), "{url}");
    }
    for url in ["https://issuer.example/token", "http://127.0.0.1:8080/token", "http://localhost/"] {
        assert!(AssertionUrl::new(url, http()).is_ok(), "{url}");
    }
}

#[cfg(all(feature = "command", unix))]
mod commands {
    use super::*;

    fn argv(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).into()
    }

    #[tokio::test]
    async fn a_program_prints_an_assertion() {
        let house = house(AssertionCommand::new(&argv(&format!("echo {JWT}"))).unwrap());
        house.server.token("t1", 3_600);
        house.fresh().await.unwrap();
        assert_eq!(sent(&house), [JWT]);
    }

    #[tokio::test]
    async fn a_program_that_fails_says_why_without_its_output() {
        let script = "echo canary; echo >&2; echo 'the agent is locked' >&2; exit 3";
        let house = house(AssertionCommand::new(&argv(script)).unwrap());
        let error = house.fresh().await.unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` failed with exit status: 3: the agent is locked");
        let error = super::house(AssertionCommand::new(&argv("yes")).unwrap()).fresh().await.unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` wrote more than 64 KiB");
        let missing = AssertionCommand::new(&["/nonexistent/agent".to_owned()]).unwrap();
        let error = super::house(missing).fresh().await.unwrap_err();
        assert_eq!(error.to_string(), "`/nonexistent/agent` cannot be started");
        assert!(AssertionCommand::new(&[]).is_err());
    }
}
