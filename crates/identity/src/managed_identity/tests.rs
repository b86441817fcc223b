//! Every host with its request, its answers, its errors and its patience.

mod arc;
mod misbehaving;

use std::sync::Arc;
use std::time::Duration;

use unattended_core::{
    Clock, HttpErrorKind, ManualClock, Scope, Secret, SeededEntropy, TokenDemand, TokenSource,
};

use super::*;
use crate::test_support::Server;
use crate::{Freshness, TOKEN_EXCHANGE_AUDIENCE};

const TOKEN: &str = r#"{"access_token":"t1","expires_in":"86400","resource":"r","token_type":"Bearer"}"#;
const DAY: u64 = 86_400;

struct House {
    server: Arc<Server>,
    clock: ManualClock,
    identity: ManagedIdentity,
}

impl House {
    fn new(host: ManagedIdentityHost, id: ManagedIdentityId) -> Self {
        Self::on(ManualClock::self_advancing_at(1_000_000), host, id)
    }

    fn on(clock: ManualClock, host: ManagedIdentityHost, id: ManagedIdentityId) -> Self {
        let server = Arc::new(Server::new());
        let identity = ManagedIdentity::new(
            host,
            id,
            Arc::clone(&server) as _,
            Arc::new(clock.clone()),
            Arc::new(SeededEntropy::new(7)),
        );
        Self { server, clock, identity: identity.unwrap() }
    }

    fn imds() -> Self {
        Self::new(imds(), ManagedIdentityId::System)
    }

    /// Where time does not pass by itself.
    fn standing() -> Self {
        Self::on(ManualClock::at(1_000_000), imds(), ManagedIdentityId::System)
    }

    fn vault(&self) -> ManagedIdentityToken {
        self.identity.for_scope(&Scope::default_of("https://vault.azure.net").unwrap()).unwrap()
    }

    async fn token(&self) -> Result<String, Error> {
        self.vault().acquire(Freshness::Cached).await.map(|token| token.expose().to_owned())
    }
}

fn imds() -> ManagedIdentityHost {
    ManagedIdentityHost::detect(|_| None, false)
}

fn app_service() -> ManagedIdentityHost {
    let (endpoint, header) = ("http://127.0.0.1:41056/msi/token".to_owned(), Secret::from("header-canary"));
    ManagedIdentityHost::AppService { endpoint, header }
}

fn machine_learning(default_client_id: Option<&str>) -> ManagedIdentityHost {
    ManagedIdentityHost::MachineLearning {
        endpoint: "http://127.0.0.1:46808/MSI/auth".to_owned(),
        secret: Secret::from("secret-canary"),
        default_client_id: default_client_id.map(str::to_owned),
    }
}

fn cloud_shell() -> ManagedIdentityHost {
    ManagedIdentityHost::CloudShell { endpoint: "http://localhost:50342/oauth2/token".to_owned() }
}

fn service_fabric() -> ManagedIdentityHost {
    ManagedIdentityHost::ServiceFabric {
        endpoint: "https://10.0.0.4:2377/metadata/identity/oauth2/token".to_owned(),
        header: Secret::from("header-canary"),
        thumbprint: "0123456789ABCDEF0123456789ABCDEF01234567".to_owned(),
    }
}

// 97
#[test]
fn the_environment_tells_where_the_program_runs() {
    let all = [
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "IDENTITY_SERVER_THUMBPRINT",
        "IMDS_ENDPOINT",
        "MSI_ENDPOINT",
        "MSI_SECRET",
    ];
    // Every combination of the variables, with and without the agent's program.
    for set in 0..1_u32 << all.len() {
        let has =
            |name: &str| all.iter().position(|other| *other == name).is_some_and(|at| set & 1 << at != 0);
        for agent in [false, true] {
            let found = ManagedIdentityHost::detect(|name| has(name).then(|| "value".to_owned()), agent);
            let expected = if has("IDENTITY_ENDPOINT") && has("IDENTITY_HEADER") {
                if has("IDENTITY_SERVER_THUMBPRINT") { "Service Fabric" } else { "App Service" }
            } else if has("IDENTITY_ENDPOINT") && has("IMDS_ENDPOINT") {
                "the Arc agent"
            } else if has("MSI_ENDPOINT") {
                if has("MSI_SECRET") { "Machine Learning" } else { "Cloud Shell" }
            } else if agent {
                "the Arc agent"
            } else {
                "the instance metadata service"
            };
            assert_eq!(found.name(), expected, "{set:06b} {agent}");
        }
    }
    let empty = ManagedIdentityHost::detect(|_| Some(String::new()), false);
    assert_eq!(empty.name(), "the instance metadata service", "an empty variable is none");
}

// 91, 98
#[tokio::test]
async fn each_host_is_asked_in_its_own_way() {
    use ManagedIdentityId::{ClientId, ObjectId, ResourceId, System};
    let id = || "id/7".to_owned();
    let resource = "resource=https%3A%2F%2Fvault.azure.net";
    let metadata =
        format!("http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&{resource}");
    let app = format!("http://127.0.0.1:41056/msi/token?api-version=2019-08-01&{resource}");
    let ml = format!("http://127.0.0.1:46808/MSI/auth?api-version=2017-09-01&{resource}");
    let fabric = format!(
        "https://10.0.0.4:2377/metadata/identity/oauth2/token?api-version=2019-07-01-preview&{resource}"
    );
    for (host, identity, url, header) in [
        (imds(), System, metadata.clone(), ("metadata", "true")),
        (imds(), ClientId(id()), format!("{metadata}&client_id=id%2F7"), ("metadata", "true")),
        (imds(), ObjectId(id()), format!("{metadata}&object_id=id%2F7"), ("metadata", "true")),
        (imds(), ResourceId(id()), format!("{metadata}&msi_res_id=id%2F7"), ("metadata", "true")),
        (app_service(), System, app.clone(), ("x-identity-header", "header-canary")),
        (
            app_service(),
            ClientId(id()),
            format!("{app}&client_id=id%2F7"),
            ("x-identity-header", "header-canary"),
        ),
        (
            app_service(),
            ResourceId(id()),
            format!("{app}&mi_res_id=id%2F7"),
            ("x-identity-header", "header-canary"),
        ),
        (machine_learning(None), System, ml.clone(), ("secret", "secret-canary")),
        (machine_learning(Some("own")), System, format!("{ml}&clientid=own"), ("secret", "secret-canary")),
        (
            machine_learning(Some("own")),
            ClientId(id()),
            format!("{ml}&clientid=id%2F7"),
            ("secret", "secret-canary"),
        ),
        (service_fabric(), System, fabric, ("secret", "header-canary")),
    ] {
        let house = House::new(host, identity);
        house.server.answer(200, TOKEN);
        assert_eq!(house.token().await.unwrap(), "t1");
        let seen = &house.server.requests()[0];
        assert_eq!((seen.uri.as_str(), seen.headers[header.0].to_str().unwrap()), (url.as_str(), header.1));
        assert!(!format!("{:?}", house.identity).contains("canary"));
    }
    let house = House::new(cloud_shell(), System);
    house.server.answer(200, TOKEN);
    house.token().await.unwrap();
    let seen = &house.server.requests()[0];
    assert_eq!(seen.uri, "http://localhost:50342/oauth2/token");
    assert_eq!(seen.field("resource"), Some("https://vault.azure.net"));
    assert_eq!(seen.headers["metadata"], "true");
}

#[test]
fn an_identity_that_a_host_cannot_give_is_refused_before_anything_is_sent() {
    let arc = ManagedIdentityHost::detect(|_| None, true);
    let plain = ManagedIdentityHost::ServiceFabric {
        endpoint: "http://10.0.0.4:2377/".to_owned(),
        header: Secret::from("s"),
        thumbprint: String::new(),
    };
    for (host, id, reason) in [
        (arc, ManagedIdentityId::ClientId("x".into()), "identity of the machine"),
        (cloud_shell(), ManagedIdentityId::ObjectId("x".into()), "the person who opened it"),
        (service_fabric(), ManagedIdentityId::ClientId("x".into()), "manifest"),
        (machine_learning(None), ManagedIdentityId::ResourceId("x".into()), "client id only"),
        (plain, ManagedIdentityId::System, "not https"),
    ] {
        let clock = Arc::new(ManualClock::at(1));
        let http = Arc::new(Server::new());
        let error = ManagedIdentity::new(host, id, http, clock, Arc::new(SeededEntropy::new(1))).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    let scope = Scope::parse("https://vault.azure.net/.read").unwrap();
    assert!(House::imds().identity.for_scope(&scope).is_err());
}

// 78, 99
#[tokio::test]
async fn a_time_is_read_in_every_form_and_an_impossible_one_is_an_error() {
    // One day after the clock of the test.
    for expires in [
        r#""expires_on":1086400"#,
        r#""expires_on":"1086400""#,
        r#""expires_on":"1970-01-13T13:46:40Z""#,
        r#""expires_on":"1970-01-13T13:46:40.0000000+00:00""#,
        r#""expires_on":"01/13/1970 13:46:40 +00:00""#,
        r#""expires_on":"1970-01-13 13:46:40""#,
        r#""expires_on":"","expires_in":86400"#,
        r#""expires_in":"86400""#,
    ] {
        let house = House::imds();
        house.server.answer(200, &format!(r#"{{"access_token":"t1",{expires}}}"#));
        let token = house.vault().acquire(Freshness::Cached).await.unwrap();
        assert_eq!(token.expires_at(), house.clock.now() + Duration::from_secs(DAY), "{expires}");
    }
    for expires in [
        r#""expires_on":"soon""#,
        r#""expires_on":"1970-01-13T13:46:40+09:00""#,
        r#""expires_on":"13/45/1970 13:46:40 +00:00""#,
        r#""expires_on":1"#,
        r#""expires_in":99999999999"#,
        r#""expires_in":60,"refresh_in":3600"#,
        r#""resource":"r""#,
    ] {
        let house = House::imds();
        house.server.answer(200, &format!(r#"{{"access_token":"canary",{expires}}}"#));
        let error = house.token().await.unwrap_err();
        assert!(error.to_string().contains("answered 200, but"), "{expires}: {error}");
        assert!(!error.to_string().contains("canary"));
        house.server.answer(200, TOKEN);
        assert_eq!(house.token().await.unwrap(), "t1", "nothing was kept");
    }
}

// 91
#[tokio::test]
async fn a_refusal_says_what_the_host_says_in_any_of_its_shapes() {
    for (host, status, body, expected) in [
        (
            imds(),
            400,
            r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
            "the instance metadata service answered HTTP 400: invalid_request: Identity not found",
        ),
        (
            app_service(),
            400,
            r#"{"statusCode":400,"message":"No identity"}"#,
            "App Service answered HTTP 400: No identity",
        ),
        (
            service_fabric(),
            400,
            r#"{"error":{"code":"SecretHeaderNotFound","message":"Secret is not found","correlationId":"x"}}"#,
            "Service Fabric answered HTTP 400: SecretHeaderNotFound: Secret is not found",
        ),
        (
            service_fabric(),
            400,
            r#"{"error":{"code":"ManagedIdentityNotFound","message":null}}"#,
            "Service Fabric answered HTTP 400: ManagedIdentityNotFound",
        ),
        (
            cloud_shell(),
            400,
            r#"{"error":{"code":"invalid_request","message":"Required audience parameter not specified"}}"#,
            "Cloud Shell answered HTTP 400: invalid_request: Required audience parameter not specified",
        ),
        (
            machine_learning(None),
            400,
            r#"{"error":{"code":"UserError","message":"No identity of this id"}}"#,
            "Machine Learning answered HTTP 400: UserError: No identity of this id",
        ),
        (
            app_service(),
            500 - 99,
            r#"{"statusCode":401,"message":"Header"}"#,
            "App Service answered HTTP 401: Header",
        ),
        (
            app_service(),
            401,
            r#"{"statusCode":401,"message":"\u001b[2JHea\u202eder\nINFO all is well"}"#,
            "App Service answered HTTP 401: [2JHea der INFO all is well",
        ),
        (machine_learning(None), 403, "", "Machine Learning answered HTTP 403"),
        (machine_learning(None), 401, "<html>", "Machine Learning answered HTTP 401"),
    ] {
        let house = House::new(host, ManagedIdentityId::System);
        house.server.answer(status, body);
        let error = house.token().await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.is_credential() && house.server.requests().len() == 1);
    }
    let house = House::imds();
    house.server.answer(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#);
    let remedy = house.token().await.unwrap_err().remedy();
    assert!(remedy.unwrap().starts_with("assign the identity to this machine"), "{remedy:?}");
    let house = House::imds();
    let unknown = r#"{"error":"invalid_resource","error_description":"AADSTS500011: The resource principal named x was not found."}"#;
    house.server.answer(400, unknown);
    let remedy = house.token().await.unwrap_err().remedy();
    assert_eq!(remedy, unattended_core::aadsts::find(500_011).map(|entry| entry.remedy));
    let house = House::imds();
    house.server.answer(200, "null");
    assert!(house.token().await.unwrap_err().to_string().contains("not with a token"));
}

// 92
#[tokio::test]
async fn what_passes_is_asked_again_and_what_does_not_is_not() {
    let house = House::imds();
    house.server.answer(404, "");
    house.server.answer(500, "");
    house.server.answer(200, TOKEN);
    assert_eq!(house.token().await.unwrap(), "t1");

    let house = House::imds();
    for _ in 0..4 {
        house.server.answer(503, "");
    }
    assert!(house.token().await.unwrap_err().is_transient());
    assert_eq!(house.server.requests().len(), 4);
    let waits: Vec<u64> =
        house.clock.slept().iter().map(Duration::as_secs).filter(|wait| *wait < 10).collect();
    assert!(waits.len() == 3 && waits[0] == 1 && (2..4).contains(&waits[1]) && (4..6).contains(&waits[2]));
    // The count is each request's own.
    house.clock.advance(Duration::from_secs(60));
    house.server.answer(503, "");
    house.server.answer(200, TOKEN);
    assert_eq!(house.token().await.unwrap(), "t1");
}

// 92
#[tokio::test]
async fn an_update_of_the_platform_is_waited_for_over_a_minute() {
    let house = House::imds();
    for _ in 0..4 {
        house.server.answer(410, "");
    }
    house.server.answer(200, TOKEN);
    assert_eq!(house.token().await.unwrap(), "t1");
    let house = House::imds();
    for _ in 0..8 {
        house.server.answer(410, "");
    }
    assert_eq!(house.token().await.unwrap_err().status(), Some(410));
    assert_eq!(house.server.requests().len(), 8);
    assert!(house.clock.elapsed() >= Duration::from_secs(70));
}

// 93
#[tokio::test]
async fn the_host_says_itself_how_long_to_wait() {
    for wait in ["3", "Mon, 12 Jan 1970 13:46:43 GMT"] {
        let house = House::imds();
        house.server.answer_with(429, &[("retry-after", wait)], "");
        house.server.answer(200, TOKEN);
        house.token().await.unwrap();
        assert!(house.clock.slept().contains(&Duration::from_secs(3)), "{wait}: {:?}", house.clock.slept());
    }
    let house = House::imds();
    house.server.answer_with(429, &[("retry-after", "600")], "");
    let vault = house.vault();
    for _ in 0..2 {
        assert!(vault.acquire(Freshness::Cached).await.unwrap_err().is_throttled(), "nobody asks before");
    }
    assert_eq!(house.server.requests().len(), 1);
}

// 91
#[tokio::test]
async fn a_machine_that_is_not_in_azure_is_told_so() {
    let house = House::imds();
    for _ in 0..4 {
        house.server.fail(HttpErrorKind::Connect);
    }
    let error = house.token().await.unwrap_err();
    assert!(error.to_string().contains("is this machine in Azure?"), "{error}");
    let house = House::imds();
    house.server.answer(502, "");
    for _ in 0..3 {
        house.server.answer(504, "<html>");
    }
    assert!(house.token().await.unwrap_err().to_string().starts_with("a gateway answered HTTP 504"));
}

// D7, 16
#[tokio::test]
async fn a_token_of_a_day_is_renewed_from_half_of_it_on_while_it_goes_on_being_served() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000_000));
    let entropy = Arc::new(SeededEntropy::new(7));
    let identity = ManagedIdentity::new(
        imds(),
        ManagedIdentityId::System,
        Arc::clone(&server) as _,
        Arc::new(clock.clone()),
        entropy,
    );
    let vault = identity.unwrap().for_scope(&Scope::default_of("https://vault.azure.net").unwrap()).unwrap();
    server.answer(200, TOKEN);
    let first = vault.acquire(Freshness::Cached).await.unwrap();
    let half = Duration::from_secs(DAY / 2);
    assert!(first.refresh_at() <= clock.now() + half && first.refresh_at() > clock.now() + half * 9 / 10);
    assert_eq!(vault.acquire(Freshness::Cached).await.unwrap().refresh_at(), first.refresh_at());
    clock.advance(half);
    server.answer(500, "");
    assert_eq!(vault.acquire(Freshness::Cached).await.unwrap().expose(), "t1");
    settle().await;
    clock.advance(Duration::from_secs(2));
    server.answer(200, &TOKEN.replace("t1", "t2"));
    settle().await;
    assert_eq!(vault.acquire(Freshness::Cached).await.unwrap().expose(), "t2");
    assert_eq!(server.requests().len(), 3);
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

// 91
#[tokio::test]
async fn a_herd_causes_one_request_and_each_resource_has_its_own() {
    let house = Arc::new(House::imds());
    let vault = house.vault();
    house.server.answer(200, TOKEN);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let vault = vault.clone();
                async move { vault.acquire(Freshness::Cached).await }
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().expose(), "t1");
    }
    assert_eq!(house.server.requests().len(), 1);
    house.server.answer(200, &TOKEN.replace("t1", "t2"));
    let other = house.identity.for_scope(&Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
    assert_eq!(other.acquire(Freshness::Cached).await.unwrap().expose(), "t2");
    // A web API that refuses the token gets another one, and never the same again.
    house.server.answer(200, &TOKEN.replace("t1", "t3"));
    let refused = vault.authorization(TokenDemand::Live).await.unwrap();
    let newer = vault.authorization(TokenDemand::Newer { refused, claims: None }).await.unwrap();
    assert_eq!(newer.expose_token(), "t3");
}

#[tokio::test]
async fn a_managed_identity_vouches_for_an_application() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtaSJ9.c2ln";
    let house = House::standing();
    house.server.answer(200, &TOKEN.replace("t1", jwt));
    let credential = house.identity.as_credential(TOKEN_EXCHANGE_AUDIENCE);
    let application = crate::credential::tests::House::new([Arc::new(credential) as _]);
    application.server.token("app-token", 3_600);
    assert_eq!(application.fresh().await.unwrap(), "app-token");
    assert_eq!(application.server.requests()[0].field("client_assertion"), Some(jwt));
    assert!(house.server.requests()[0].uri.contains("resource=api%3A%2F%2FAzureADTokenExchange"));
    application.server.token("app-token-2", 3_600);
    application.fresh().await.unwrap();
    assert_eq!(house.server.requests().len(), 1, "the identity's own token is kept");
}

#[test]
fn workload_identity_is_read_from_what_the_webhook_sets() {
    let all = [
        ("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222"),
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ];
    let read = |without: &str| {
        WorkloadIdentity::from_variables(|name| {
            let (_, value) = all.iter().find(|(key, _)| *key == name && *key != without)?;
            Some((*value).to_owned())
        })
    };
    let identity = read("").unwrap();
    assert_eq!(identity.token_file.to_str(), Some(all[2].1));
    assert_eq!(identity.tenant.to_string(), "contoso.example");
    assert_eq!(read("AZURE_AUTHORITY_HOST").unwrap().authority_host, None);
    for (name, _) in &all[..3] {
        let error = read(name).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name} is not set")), "{error}");
    }
}
