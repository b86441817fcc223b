//! Bound tokens through the client, against servers that a test scripts.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request};
use serde_json::{Value, json};
use unattended_core::{ClientId, ManualClock, Scope, Secret, SeededEntropy, TenantId, TokenSource};

use super::*;
use crate::test_support::{Server, certificate_pem, other_certificate_pem};
use crate::{
    Authority, ClientSecret, ConfidentialClient, Credential, CredentialSource, Error, ErrorKind, Freshness,
    ScopedToken, TlsClientCertificate, WatchedCredential,
};

/// A client, the server on its ordinary connections, and the one on those that show a certificate.
struct House {
    plain: Arc<Server>,
    mutual: Arc<Server>,
    tokens: ScopedToken,
}

impl House {
    fn microsoft(credential: impl Credential, mutual: &Arc<Server>) -> Self {
        let tenant = TenantId::parse("contoso.example").unwrap();
        Self::at(
            Authority::microsoft("https://login.microsoftonline.com", &tenant).unwrap(),
            credential,
            mutual,
        )
    }

    fn at(authority: Authority, credential: impl Credential, mutual: &Arc<Server>) -> Self {
        let plain = Arc::new(Server::new());
        let client_id = ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap();
        let client = ConfidentialClient::builder(authority, client_id)
            .credential(credential)
            .http(Arc::clone(&plain) as _)
            .clock(Arc::new(ManualClock::at(1_000)))
            .entropy(Arc::new(SeededEntropy::new(7)))
            .build()
            .unwrap();
        let tokens = client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
        Self { plain, mutual: Arc::clone(mutual), tokens }
    }
}

fn tls_certificate(pem: &str, connections: &Arc<Server>) -> TlsClientCertificate {
    let connections = Arc::clone(connections);
    TlsClientCertificate::from_file(&Secret::from(pem), None, |identity| {
        assert_eq!(identity.chain().len(), 1);
        Ok(connections as _)
    })
    .unwrap()
}

fn thumbprint(certificate: &TlsClientCertificate) -> String {
    URL_SAFE_NO_PAD.encode(certificate.shown_certificate().unwrap())
}

fn jwt(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn bound_jwt(certificate: &TlsClientCertificate) -> String {
    jwt(&json!({ "cnf": { "x5t#S256": thumbprint(certificate) } }))
}

fn answer(server: &Server, token_type: &str, token: &str) {
    let body = json!({ "token_type": token_type, "expires_in": 3_600, "access_token": token });
    server.answer(200, &body.to_string());
}

fn part(proof: &str, at: usize) -> Value {
    let part = proof.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

// D12; 61 (section 3.4)
#[tokio::test]
async fn a_token_bound_to_a_certificate_is_asked_for_and_carried_on_connections_that_show_it() {
    let mutual = Arc::new(Server::new());
    let certificate = tls_certificate(certificate_pem(), &mutual);
    let house = House::microsoft(certificate.clone(), &mutual);
    let tokens = house.tokens.bound_to_certificate();
    answer(&house.mutual, "mtls_pop", &bound_jwt(&certificate));

    let token = tokens.acquire(Freshness::Cached).await.unwrap();

    let seen = &house.mutual.requests()[0];
    assert_eq!(seen.uri, "https://mtlsauth.microsoft.com/contoso.example/oauth2/v2.0/token");
    assert_eq!(seen.field("token_type"), Some("mtls_pop"));
    assert_eq!(seen.field("client_id"), Some("22222222-2222-2222-2222-222222222222"));
    assert_eq!((seen.field("client_assertion"), seen.field("client_secret")), (None, None));
    assert!(house.plain.requests().is_empty());
    let authorization = token.authorization();
    assert!(authorization.header_value().to_str().unwrap().starts_with("mtls_pop e30."));
    let connections = authorization.possession().unwrap().connections().unwrap();
    assert!(std::ptr::addr_eq(Arc::as_ptr(connections), Arc::as_ptr(&house.mutual)));
    assert!(
        tokens.acquire(Freshness::Cached).await.unwrap().authorization().possession().is_some(),
        "cached"
    );
}

// D12; 36 and 37 (section 3.2)
#[tokio::test]
async fn a_bearer_token_is_never_served_to_who_asked_for_a_bound_one_nor_the_other_way_round() {
    let mutual = Arc::new(Server::new());
    let certificate = tls_certificate(certificate_pem(), &mutual);
    let house = House::microsoft(certificate.clone(), &mutual);
    let key = DpopKey::generate().unwrap();
    let other = DpopKey::generate().unwrap();
    answer(&mutual, "Bearer", "plain");
    answer(&mutual, "mtls_pop", &bound_jwt(&certificate));
    answer(&mutual, "DPoP", "of-one-key");
    answer(&mutual, "DPoP", "of-another");
    let tokens = [
        house.tokens.clone(),
        house.tokens.bound_to_certificate(),
        house.tokens.bound_to_key(&key),
        house.tokens.bound_to_key(&other),
    ];
    let mut all = Vec::new();
    for _ in 0..2 {
        for tokens in &tokens {
            all.push(tokens.acquire(Freshness::Cached).await.unwrap().expose().to_owned());
        }
    }
    assert_eq!(all, ["plain", &bound_jwt(&certificate), "of-one-key", "of-another"].repeat(2));
    assert_eq!(mutual.requests().len(), 4);
    assert_eq!(house.tokens.bound_to_key(&key.clone()).cached().unwrap().to_token().expose(), "of-one-key");
}

/// A file whose content a test exchanges.
#[derive(Clone, Debug)]
struct Shelf(Arc<std::sync::Mutex<&'static str>>, Arc<Server>);

impl CredentialSource for Shelf {
    fn read(&self) -> Result<Vec<Secret>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(vec![Secret::from(*self.0.lock().unwrap())])
    }

    fn make(&self, material: &[Secret]) -> Result<Arc<dyn Credential>, Error> {
        let connections = Arc::clone(&self.1);
        let certificate = TlsClientCertificate::from_file(&material[0], None, |_| Ok(connections as _))?;
        Ok(Arc::new(certificate))
    }

    fn describe(&self) -> String {
        "the shelf".to_owned()
    }
}

// D12
#[tokio::test]
async fn a_token_bound_to_the_certificate_before_is_not_served_once_that_has_been_replaced() {
    let mutual = Arc::new(Server::new());
    let [old, new] = [certificate_pem(), other_certificate_pem()].map(|pem| tls_certificate(pem, &mutual));
    let shelf = Shelf(Arc::new(std::sync::Mutex::new(certificate_pem())), Arc::clone(&mutual));
    let watched = WatchedCredential::new(shelf.clone());
    let house = House::microsoft(watched.clone(), &mutual);
    let bound = house.tokens.bound_to_certificate();
    answer(&mutual, "mtls_pop", &bound_jwt(&old));
    answer(&mutual, "Bearer", "plain");
    bound.acquire(Freshness::Cached).await.unwrap();
    house.tokens.acquire(Freshness::Cached).await.unwrap();

    *shelf.0.lock().unwrap() = other_certificate_pem();
    assert!(bound.cached().is_some(), "nobody has looked yet, and the old one is still shown");
    watched.refresh().unwrap();
    assert!(bound.cached().is_none());
    answer(&mutual, "mtls_pop", &bound_jwt(&new));
    let token = bound.acquire(Freshness::Cached).await.unwrap();
    assert_eq!(token.expose(), bound_jwt(&new));
    assert!(house.tokens.cached().is_some(), "a bearer token does not care for the certificate");
    assert_eq!(mutual.requests().len(), 3);
}

// D12
#[tokio::test]
async fn a_token_that_is_not_bound_to_what_it_was_asked_for_is_refused_and_not_shown() {
    let mutual = Arc::new(Server::new());
    let mine = tls_certificate(certificate_pem(), &mutual);
    let other = tls_certificate(other_certificate_pem(), &mutual);
    let house = House::microsoft(mine.clone(), &mutual);
    let key = DpopKey::generate().unwrap();
    let (certificate, key) = (house.tokens.bound_to_certificate(), house.tokens.bound_to_key(&key));
    let canary = |confirmation: Value| jwt(&json!({ "canary": "canary", "cnf": confirmation }));
    let unbound = jwt(&json!({ "sub": "canary" }));
    for (tokens, token_type, token) in [
        (&certificate, "Bearer", bound_jwt(&mine)),
        (&certificate, "mtls_pop", unbound.clone()),
        (&certificate, "mtls_pop", bound_jwt(&other)),
        (&certificate, "mtls_pop", canary(json!({ "jkt": "x" }))),
        (&certificate, "mtls_pop", canary(json!("x5t#S256"))),
        (&key, "Bearer", unbound.clone()),
        (&key, "mtls_pop", bound_jwt(&mine)),
        (&key, "DPoP", canary(json!({ "jkt": "x" }))),
        (&house.tokens, "mtls_pop", bound_jwt(&mine)),
        (&house.tokens, "Bearer", bound_jwt(&other)),
    ] {
        answer(&mutual, token_type, &token);
        let error = tokens.acquire(Freshness::Cached).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{token_type} {token}: {error}");
        assert!(!format!("{error:?}").contains(&token), "{error:?}");
        assert!(tokens.cached().is_none());
    }
}

#[tokio::test]
async fn what_only_a_bound_token_can_have_is_refused_before_anything_is_sent() {
    let unused = Arc::new(Server::new());
    let secret = || ClientSecret::new(Secret::from("s")).unwrap();
    let house = House::microsoft(secret(), &unused);
    let error = house.tokens.bound_to_certificate().acquire(Freshness::Cached).await.unwrap_err();
    assert!(error.is_credential() && error.to_string().contains("as with client secret"), "{error}");
    let certificate = tls_certificate(certificate_pem(), &unused);
    let federation = Authority::adfs("https://adfs.contoso.com/adfs").unwrap();
    let house = House::at(federation, certificate, &unused);
    let error = house.tokens.acquire(Freshness::Cached).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(house.plain.requests().is_empty() && unused.requests().is_empty());
    assert!(house.tokens.with_parameter("token_type", "mtls_pop").is_err());
}

// RFC 8705 section 5
#[tokio::test]
async fn an_issuer_is_asked_at_the_alias_of_its_token_endpoint_and_for_metadata_without_a_certificate() {
    let mutual = Arc::new(Server::new());
    let certificate = tls_certificate(certificate_pem(), &mutual);
    let issuer = Authority::issuer("https://idp.example").unwrap();
    let house = House::at(issuer, certificate.clone(), &mutual);
    house.plain.answer(
        200,
        r#"{"issuer":"https://idp.example","token_endpoint":"https://idp.example/token",
            "mtls_endpoint_aliases":{"token_endpoint":"https://mtls.idp.example/token"}}"#,
    );
    answer(&mutual, "Bearer", &bound_jwt(&certificate));
    let token = house.tokens.bound_to_certificate().acquire(Freshness::Cached).await.unwrap();
    assert!(token.authorization().header_value().to_str().unwrap().starts_with("Bearer "));
    assert!(token.authorization().possession().is_some());
    assert_eq!(mutual.requests()[0].uri, "https://mtls.idp.example/token");
    assert_eq!(mutual.requests()[0].field("token_type"), None);

    // A token that is opaque cannot say whether it is bound; who asked for it treats it as if.
    answer(&mutual, "Bearer", "opaque");
    let token = house.tokens.bound_to_certificate().acquire(Freshness::Forced).await.unwrap();
    assert!(token.authorization().possession().is_some());
    answer(&mutual, "Bearer", "opaque");
    let token = house.tokens.acquire(Freshness::Cached).await.unwrap();
    assert!(token.authorization().possession().is_none());
}

// D16, 52 (section 3.4)
#[tokio::test]
async fn a_nonce_that_the_server_wants_costs_one_more_request_with_an_assertion_and_a_proof_of_its_own() {
    let server = Arc::new(Server::new());
    let certificate = crate::ClientCertificate::from_pem(&Secret::from(certificate_pem())).unwrap();
    let house = House::microsoft(certificate, &server);
    let key = DpopKey::generate().unwrap();
    let tokens = house.tokens.bound_to_key(&key);
    let wanted = r#"{"error":"use_dpop_nonce"}"#;
    house.plain.answer_with(400, &[("DPoP-Nonce", "n-1")], wanted);
    answer(&house.plain, "dpop", "t");
    assert_eq!(tokens.acquire(Freshness::Cached).await.unwrap().attempts(), 2);
    let seen = house.plain.requests();
    let proofs: Vec<&str> = seen.iter().map(|seen| seen.headers["dpop"].to_str().unwrap()).collect();
    let (first, second) = (part(proofs[0], 1), part(proofs[1], 1));
    assert_eq!((&first["nonce"], &second["nonce"]), (&Value::Null, &json!("n-1")));
    assert_ne!(first["jti"], second["jti"]);
    assert_ne!(seen[0].field("client_assertion"), seen[1].field("client_assertion"));
    assert_eq!((&second["htm"], &second["iat"]), (&json!("POST"), &json!(1_000)));
    assert_eq!(second["htu"], "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token");
    assert_eq!(second["ath"], Value::Null, "there is no token yet");

    // The nonce is kept for the next time, and a server that never has enough is not asked for ever.
    for _ in 0..2 {
        house.plain.answer(400, wanted);
    }
    let error = tokens.acquire(Freshness::Forced).await.unwrap_err();
    assert_eq!(error.oauth_error(), Some("use_dpop_nonce"));
    let seen = house.plain.requests();
    assert_eq!(seen.len(), 4);
    assert_eq!(part(seen[2].headers["dpop"].to_str().unwrap(), 1)["nonce"], "n-1");
}

// RFC 9449 sections 4.2 and 4.3
#[tokio::test]
async fn a_proof_is_signed_for_one_request_and_names_key_token_and_nonce() {
    let server = Arc::new(Server::new());
    let house = House::microsoft(ClientSecret::new(Secret::from("s")).unwrap(), &server);
    let key = DpopKey::generate().unwrap();
    let tokens = house.tokens.bound_to_key(&key);
    answer(&house.plain, "DPoP", "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let authorization = tokens.authorization(unattended_core::TokenDemand::Live).await.unwrap();
    let possession = authorization.possession().unwrap();
    let api = "https://API.example:443/things/1?q=secret".parse().unwrap();
    possession
        .heed(&api, &[("dpop-nonce".parse().unwrap(), "of-api".parse().unwrap())].into_iter().collect());
    for damaged in ["", "with space", "quo\"te", &"n".repeat(600)] {
        let headers = [("dpop-nonce".parse().unwrap(), damaged.parse().unwrap())].into_iter().collect();
        possession.heed(&api, &headers);
    }
    let mut request = Request::builder().method(Method::PUT).uri(api).body(()).unwrap();
    authorization.add_to(&mut request).unwrap();

    let proof = request.headers()["dpop"].to_str().unwrap();
    assert_eq!(request.headers()["authorization"], "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let claims = part(proof, 1);
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("PUT"), &json!("https://api.example/things/1")));
    // The token and its digest are those of RFC 9449 section 7.1.
    assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!(claims["nonce"], "of-api");
    let header = part(proof, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    assert_eq!(header["jwk"].as_object().unwrap().len(), 4, "the public key alone");

    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(header["jwk"].clone()).unwrap();
    assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.thumbprint());
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    (validation.validate_exp, validation.required_spec_claims) = (false, [].into());
    let verifier = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    jsonwebtoken::decode::<Value>(proof, &verifier, &validation).unwrap();
    assert!(!format!("{authorization:?} {possession:?} {key:?}").contains("Kz~8"));
}

#[test]
fn nonces_are_each_servers_own_and_do_not_fill_the_memory() {
    use super::key::Server;

    let api = |n: u32| Server::Resource(format!("https://h{n}"));
    let key = DpopKey::generate().unwrap();
    for n in 0..1_000 {
        key.remember(api(n), "x");
    }
    key.remember(api(999), "y");
    key.remember(Server::Authorization("https://h999".to_owned()), "z");
    assert_eq!(key.nonce_of(&api(999)).as_deref(), Some("y"), "not that of the authority at the same origin");
    assert_eq!(key.nonce_of(&api(998)).as_deref(), Some("x"));
    assert_eq!(key.nonce_of(&api(0)), None);
    assert_eq!(key.nonces().len(), 64);
}
