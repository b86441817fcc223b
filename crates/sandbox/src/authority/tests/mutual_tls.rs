//! Certificates in the connection instead of secrets in the request.

use std::sync::{Arc, LazyLock};

use http::Request;
use serde_json::json;

use super::certified::{Certified, Issuing};
use super::issuer::{ISSUER, IssuerKey};
use super::world::{Answer, App, GRAPH, NOW, TENANT, World};
use crate::mutual_tls::MutualTls;

static KEY: LazyLock<Certified> = LazyLock::new(Certified::new);
static OTHER_KEY: LazyLock<Certified> = LazyLock::new(Certified::new);
static CA: LazyLock<Issuing> = LazyLock::new(|| Issuing::new("Contoso Root"));

const BEARER: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
const BOUND: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-pop");

/// Asks through the door of mutual TLS with this certificate.
pub(super) async fn ask(
    world: &World,
    app: &App,
    certificate: Option<&Certified>,
    more: &[(&str, &str)],
) -> Answer {
    let mut form =
        vec![("grant_type", "client_credentials"), ("client_id", app.client_id.as_str()), ("scope", GRAPH)];
    form.extend_from_slice(more);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let shown = MutualTls { chain: certificate.map(|it| Arc::new(it.chain())) };
    let mut request = Request::post(format!("https://mtlsauth.localhost:8443/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(shown)
        .body(body.into())
        .unwrap();
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate.shown());
    }
    world.send(request).await
}

fn world() -> (World, App) {
    let world = World::new();
    let app = world.app("nightly export");
    world.certificate(&app, &KEY.der, NOW - 10, NOW + 86_400);
    (world, app)
}

// authority 7.5: self_signed_tls_client_auth and tls_client_auth
#[tokio::test]
async fn a_certificate_of_the_connection_proves_the_client_alone() {
    let (world, app) = world();
    let answer = ask(&world, &app, Some(&KEY), &[]).await;
    assert_eq!((answer.code(), &answer.body["token_type"]), (0, &json!("Bearer")));
    assert_eq!(answer.claims()["azpacr"], "2");
    assert!(answer.claims().get("cnf").is_none());
    assert_eq!(ask(&world, &app, Some(&OTHER_KEY), &[]).await.code(), 700_027);

    let by_name = world.app("by name");
    world.trust(&by_name, "daemon.contoso.com", &CA.pem, &[]);
    let issued = CA.certify("daemon.contoso.com", "a.example");
    assert_eq!(ask(&world, &by_name, Some(&issued), &[]).await.code(), 0);
    assert_eq!(ask(&world, &by_name, Some(&CA.certify("other", "b.example")), &[]).await.code(), 700_030);
    world.pass(86_400);
    assert_eq!(ask(&world, &app, Some(&KEY), &[]).await.code(), 1_000_502);
}

// authority 7.5, 11: cnf
#[tokio::test]
async fn a_token_may_be_bound_to_the_certificate() {
    let (world, app) = world();
    let answer = ask(&world, &app, Some(&KEY), &[("token_type", "mtls_pop")]).await;
    assert_eq!((answer.code(), &answer.body["token_type"]), (0, &json!("mtls_pop")));
    assert_eq!(answer.claims()["cnf"], json!({ "x5t#S256": KEY.thumbprint() }));

    // Nobody gets such a token without a certificate.
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("client_secret", &secret),
        ("scope", GRAPH),
        ("token_type", "mtls_pop"),
    ];
    let answer = world.post(&format!("/{TENANT}/oauth2/v2.0/token"), &form).await;
    assert_eq!((answer.code(), answer.status.as_u16()), (392_200, 401));
}

// authority 7.5: 51000, 392200, 392189, 500181
#[tokio::test]
async fn every_misuse_of_the_door_has_its_own_code() {
    let (world, app) = world();
    let (_, secret) = world.secret(&app, NOW, NOW + 100);
    assert_eq!(ask(&world, &app, None, &[]).await.code(), 392_200);
    assert_eq!(ask(&world, &app, Some(&KEY), &[("client_secret", &secret)]).await.code(), 392_189);

    // An assertion beside the certificate is of the same key.
    let assertion = KEY.assertion(&app);
    for kind in [BEARER, BOUND] {
        let more = [kind, ("client_assertion", assertion.as_str())];
        assert_eq!(ask(&world, &app, Some(&KEY), &more).await.code(), 0);
        assert_eq!(ask(&world, &app, Some(&OTHER_KEY), &more).await.code(), 500_181);
        assert_eq!(ask(&world, &app, None, &more).await.code(), 392_200);
    }
    world.set("mutual-tls", "off");
    let answer = ask(&world, &app, Some(&KEY), &[]).await;
    assert_eq!((answer.code(), answer.status.as_u16()), (51_000, 412));
}

// authority 7.5: a federated token that is bound comes from the holder of the certificate
#[tokio::test]
async fn a_bound_token_of_another_issuer_needs_its_certificate() {
    let (world, app) = world();
    let issuer = IssuerKey::new("2025-10");
    world.internet.publish(&[&issuer]);
    world.federate(&app, ISSUER, "worker");
    let token = |confirmation| {
        let mut claims = json!({ "iss": ISSUER, "sub": "worker", "aud": "api://AzureADTokenExchange",
            "nbf": NOW, "exp": NOW + 300 });
        if let Some(thumbprint) = confirmation {
            claims["cnf"] = json!({ "x5t#S256": thumbprint });
        }
        issuer.sign(&claims)
    };
    let (free, bound) = (token(None), token(Some(KEY.thumbprint())));
    for (kind, token, key, code) in [
        (BEARER, &free, &KEY, 0),
        (BOUND, &free, &KEY, 500_181),
        (BEARER, &bound, &KEY, 0),
        (BOUND, &bound, &KEY, 0),
        (BEARER, &bound, &OTHER_KEY, 500_181),
        (BOUND, &bound, &OTHER_KEY, 500_181),
    ] {
        let answer = ask(&world, &app, Some(key), &[kind, ("client_assertion", token)]).await;
        assert_eq!(answer.code(), code, "{kind:?}");
    }
    // On an ordinary connection there is no certificate to be bound to.
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &app.client_id),
        ("scope", GRAPH),
        BOUND,
        ("client_assertion", &bound),
    ];
    assert_eq!(world.post(&format!("/{TENANT}/oauth2/v2.0/token"), &form).await.code(), 392_200);
}
