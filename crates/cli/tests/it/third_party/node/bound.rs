//! Bound tokens against servers that are not ours: oidc-provider issues them, oauth4webapi and jose check them at a web
//! API. And against the sandbox, which issues and checks them as the platform does.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use serde_json::Value;
use unattended_core::{ClientId, HttpClient, Scope, Secret, TenantId};
use unattended_identity::{
    Authority, ClientCertificate, ConfidentialClient, Credential, DpopKey, Freshness, ScopedToken,
    TlsClientCertificate, TlsIdentity,
};
use unattended_transport::{Transport, TransportBuilder};
use unattended_webapi::Client;

use super::authority::{RESOURCE, SCOPE, configure, start};
use crate::support::{Sandbox, Workplace};

fn transport(ca_file: &std::path::Path) -> TransportBuilder {
    Transport::builder().extra_ca_pem(&fs::read(ca_file).unwrap()).unwrap()
}

fn read(place: &Workplace, name: &str) -> Secret {
    Secret::new(fs::read(place.path(name)).unwrap())
}

/// A credential that is shown by the connections of a transport.
fn tls(place: &Workplace, name: &str, network: TransportBuilder) -> TlsClientCertificate {
    let connect = |identity: &TlsIdentity| {
        let transport = network.client_identity_der(identity.chain(), identity.key().expose())?.build()?;
        Ok::<_, Box<dyn Error + Send + Sync>>(Arc::new(transport) as Arc<dyn HttpClient>)
    };
    TlsClientCertificate::from_file(&read(place, name), None, connect).unwrap()
}

/// The tokens of a client of oidc-provider for its one resource.
fn tokens(
    issuer: &str,
    client_id: &str,
    credential: impl Credential,
    network: &Arc<dyn HttpClient>,
) -> ScopedToken {
    let client =
        ConfidentialClient::builder(Authority::issuer(issuer).unwrap(), ClientId::parse(client_id).unwrap())
            .credential(credential)
            .http(Arc::clone(network))
            .build()
            .unwrap();
    client.for_scope(Scope::parse(SCOPE).unwrap()).unwrap().with_resource(RESOURCE)
}

fn api(base_url: &str, tokens: ScopedToken, network: &Arc<dyn HttpClient>) -> Client {
    Client::builder(base_url).token_source(Arc::new(tokens)).http(Arc::clone(network)).build().unwrap()
}

// D12; RFC 8705 sections 2.1, 2.2 and 3
#[tokio::test]
async fn certificate_bound_tokens_are_issued_to_and_taken_from_the_holder_of_the_certificate() {
    let (authority, place) = start();
    let plain: Arc<dyn HttpClient> = Arc::new(transport(&place.path("ca.pem")).build().unwrap());
    let url = format!("{}/api", authority.issuer);
    for (client_id, file) in [("self-signed-client", "client.pem"), ("issued-client", "issued.pem")] {
        let credential = tls(&place, file, transport(&place.path("ca.pem")));
        let tokens = tokens(&authority.issuer, client_id, credential, &plain).bound_to_certificate();
        let token = tokens.acquire(Freshness::Cached).await.unwrap();
        let answer: Value = api(&url, tokens, &plain).get("/things").send().await.unwrap().json().unwrap();
        assert_eq!(
            (&answer["value"][0]["client"], &answer["value"][0]["by"]),
            (&client_id.into(), &"certificate".into())
        );

        // The same token on connections that show no certificate.
        let stolen = http::Request::get(format!("{url}/things"))
            .header("authorization", token.authorization().header_value())
            .body(bytes::Bytes::new())
            .unwrap();
        assert_eq!(plain.send(stolen).await.unwrap().status(), 401);
    }
    assert_eq!(authority.presented(), ["certificate"; 2]);

    // Another certificate than the registered one, and a client whose tokens the server does not bind.
    let other = tls(&place, "issued.pem", transport(&place.path("ca.pem")));
    let refused = tokens(&authority.issuer, "self-signed-client", other.clone(), &plain);
    let error = refused.acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!(error.oauth_error(), Some("invalid_client"), "{error}");
    let unbound = tokens(&authority.issuer, "unbound-client", other, &plain);
    assert!(unbound.acquire(Freshness::Cached).await.unwrap().authorization().possession().is_none());
    let error = unbound.bound_to_certificate().acquire(Freshness::Cached).await.unwrap_err();
    assert!(error.to_string().contains("not bound to the certificate"), "{error}");
}

// RFC 9449 sections 5, 7, 8 and 9
#[tokio::test]
async fn key_bound_tokens_work_with_servers_that_want_nonces_of_their_own() {
    let (authority, place) = start();
    let plain: Arc<dyn HttpClient> = Arc::new(transport(&place.path("ca.pem")).build().unwrap());
    let credential = ClientCertificate::from_pem(&read(&place, "client.pem")).unwrap();
    let unbound = tokens(&authority.issuer, "dpop-client", credential, &plain);
    let key = DpopKey::generate().unwrap();
    let tokens = unbound.bound_to_key(&key);
    let token = tokens.acquire(Freshness::Cached).await.unwrap();
    assert_eq!(token.attempts(), 2, "the first one had no nonce");

    let api = api(&format!("{}/api", authority.issuer), tokens.clone(), &plain);
    for path in ["/things", "/things?$filter=x"] {
        let answer: Value = api.get(path).send().await.unwrap().json().unwrap();
        let expected =
            serde_json::json!({ "client": "dpop-client", "by": "key", "confirmation": key.thumbprint() });
        assert_eq!(answer["value"][0], expected);
    }
    assert_eq!(tokens.acquire(Freshness::Forced).await.unwrap().attempts(), 1, "the nonce is remembered");
    assert_eq!(authority.presented(), ["body"; 3], "no call needed a token of its own");

    // A server that insists on proofs says so to who gives none.
    let error = unbound.acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!(error.oauth_error(), Some("invalid_grant"), "{error}");
}

// RFC 8705, RFC 9449: the program itself, told by its configuration.
#[test]
fn the_program_calls_with_tokens_that_are_bound_as_its_configuration_says() {
    let (authority, place) = start();
    for (client_id, credential, binding, by) in [
        (
            "self-signed-client",
            "certificate = \"file:client.pem\"\nmutual-tls = true",
            "certificate",
            "certificate",
        ),
        (
            "issued-client",
            "certificate = \"file:issued.pem\"\nmutual-tls = true",
            "certificate",
            "certificate",
        ),
        ("dpop-client", "certificate = \"file:client.pem\"", "dpop", "key"),
    ] {
        configure(&place, &authority, client_id, credential, "");
        let api = format!("base-url = \"{}/api\"\ntoken-binding = \"{binding}\"", authority.issuer);
        place.edit_config(&format!("base-url = \"{RESOURCE}\""), &api);
        let answer = place.run(&["call", "things", "GET", "/things"]).expect(0).json();
        let first = &answer["value"][0];
        assert_eq!((&first["client"], &first["by"]), (&client_id.into(), &by.into()), "{answer}");
        let shown = place.run(&["--json", "token", "things"]).expect(0).json();
        assert_eq!(shown["bound_to"], by, "{shown}");
    }
    // This server binds the tokens of such a client to nothing.
    configure(
        &place,
        &authority,
        "unbound-client",
        "certificate = \"file:issued.pem\"\nmutual-tls = true",
        "",
    );
    place.edit_config("scope =", "token-binding = \"certificate\"\nscope =");
    place.run(&["token", "things"]).says(&["not bound to the certificate of the connection"]);
}

// D12; authority 7.5
#[tokio::test]
async fn the_sandbox_binds_a_token_as_the_platform_does_and_takes_it_with_its_certificate_alone() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let ca = std::path::PathBuf::from(sandbox.ready("ca_file"));
    let plain: Arc<dyn HttpClient> = Arc::new(transport(&ca).build().unwrap());
    let file = place.credential_file();
    let credential = tls(&place, file.file_name().unwrap().to_str().unwrap(), transport(&ca));
    let tenant = TenantId::parse(sandbox.ready("tenant_id")).unwrap();
    let tokens = ConfidentialClient::builder(
        Authority::microsoft(sandbox.ready("authority"), &tenant).unwrap(),
        ClientId::parse(&place.client_id()).unwrap(),
    )
    .credential(credential)
    .http(Arc::clone(&plain))
    .build()
    .unwrap()
    .for_scope(Scope::default_of("https://graph.microsoft.com").unwrap())
    .unwrap();

    let bound = tokens.bound_to_certificate();
    let token = bound.acquire(Freshness::Cached).await.unwrap();
    assert!(token.authorization().header_value().to_str().unwrap().starts_with("mtls_pop "));
    assert!(token.unverified_claims().unwrap()["cnf"]["x5t#S256"].is_string());
    let graph = sandbox.ready("graph").replace("//localhost", "//mtlsauth.localhost");
    let users: Value = api(&graph, bound, &plain).get("/users?$top=1").send().await.unwrap().json().unwrap();
    assert!(users["value"].is_array());

    // Stolen, and shown where no certificate is asked for.
    let stolen = http::Request::get(format!("{}/users", sandbox.ready("graph")))
        .header("authorization", format!("Bearer {}", token.expose()))
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(plain.send(stolen).await.unwrap().status(), 401);

    // Without asking for it the same certificate gets a bearer token, which is good on any connection.
    let bearer = tokens.acquire(Freshness::Cached).await.unwrap();
    assert!(bearer.authorization().possession().is_none());
    api(sandbox.ready("graph"), tokens, &plain).get("/users?$top=1").send().await.unwrap();
}
