//! What an API lets in, and what it keeps out.

mod issuer;
mod layer;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use unattended_core::TenantId;
use unattended_protect::{Caller, CredentialStrength, Rejection, RejectionKind, TokenVersion, Validator};

use issuer::Issuer;

const NOW: u64 = 1_700_000_000;
const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const API: &str = "44444444-4444-4444-4444-444444444444";
static ISSUER: LazyLock<Issuer> = LazyLock::new(|| Issuer::new("key-1"));

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn validator() -> Validator {
    Validator::builder()
        .issuer("https://login.example/{tenantid}/v2.0")
        .issuer("https://sts.example/{tenantid}/")
        .audience(API)
        .audience("api://orders")
        .tenant(TenantId::parse(TENANT).unwrap())
        .keys(ISSUER.keys())
        .build()
        .unwrap()
}

fn v2_claims() -> Value {
    json!({
        "aud": API, "iss": format!("https://login.example/{TENANT}/v2.0"), "iat": NOW - 300, "nbf": NOW - 300,
        "exp": NOW + 3600, "azp": "22222222-2222-2222-2222-222222222222", "azpacr": "2", "idtyp": "app",
        "oid": "33333333-3333-3333-3333-333333333333", "sub": "33333333-3333-3333-3333-333333333333",
        "roles": ["Orders.Read.All"], "tid": TENANT, "uti": "4GOPt79GP0if650O0N7iAA", "ver": "2.0",
    })
}

fn with(changes: Value) -> Value {
    let mut claims = v2_claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn offer(token: &str) -> Result<Caller, Rejection> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    validator().validate(&headers, at(NOW))
}

fn offer_claims(changes: Value) -> Result<Caller, RejectionKind> {
    offer(&ISSUER.sign(&with(changes))).map_err(|rejection| rejection.kind())
}

#[test]
fn a_version_2_token_names_its_caller() {
    let caller = offer(&ISSUER.sign(&v2_claims())).unwrap();
    assert_eq!(caller.client_id().as_str(), "22222222-2222-2222-2222-222222222222");
    assert_eq!(caller.tenant_id().to_string(), TENANT);
    assert_eq!(caller.object_id(), Some("33333333-3333-3333-3333-333333333333"));
    assert_eq!(caller.token_version(), TokenVersion::V2);
    assert_eq!(caller.credential_strength(), CredentialStrength::Assertion);
    assert_eq!(caller.expires_at(), at(NOW + 3600));
    assert_eq!(caller.token_id(), Some("4GOPt79GP0if650O0N7iAA"));
    assert!(caller.has_role("Orders.Read.All") && !caller.has_role("orders.read.all"));
}

#[test]
fn a_version_1_token_names_its_caller() {
    let caller = offer_claims(json!({
        "ver": "1.0", "aud": "api://orders", "iss": format!("https://sts.example/{TENANT}/"), "azp": null,
        "azpacr": null, "idtyp": null, "appid": "22222222-2222-2222-2222-222222222222", "appidacr": "1",
    }))
    .unwrap();
    assert_eq!(caller.token_version(), TokenVersion::V1);
    assert_eq!(caller.credential_strength(), CredentialStrength::Secret);
    assert_eq!(caller.client_id().as_str(), "22222222-2222-2222-2222-222222222222");
}

// CAE: only a client that said so is challenged
#[test]
fn a_caller_says_whether_it_understands_claims_challenges_and_since_when_its_token_counts() {
    let caller = offer_claims(json!({ "xms_cc": ["CP1"] })).unwrap();
    assert!(caller.understands_claims_challenges());
    assert_eq!(caller.not_before(), Some(at(NOW - 300)));
    let caller = offer_claims(json!({ "xms_cc": ["protapp"], "nbf": null, "iat": null })).unwrap();
    assert!(!caller.understands_claims_challenges());
    assert_eq!(caller.not_before(), None);
}

#[test]
fn an_api_for_many_tenants_still_binds_the_issuer_to_the_tenant_of_the_token() {
    const OTHER: &str = "99999999-9999-4999-8999-999999999999";
    let validator = Validator::builder()
        .issuer("https://login.example/{tenantid}/v2.0")
        .audience(API)
        .any_tenant()
        .keys(ISSUER.keys())
        .build()
        .unwrap();
    let offer = |changes: Value| {
        let mut headers = HeaderMap::new();
        let token = ISSUER.sign(&with(changes));
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        validator.validate(&headers, at(NOW)).map_err(|rejection| rejection.kind())
    };
    let own = json!({ "tid": OTHER, "iss": format!("https://login.example/{OTHER}/v2.0") });
    assert_eq!(offer(own).unwrap().tenant_id().to_string(), OTHER);
    assert_eq!(offer(json!({ "tid": OTHER })).unwrap_err(), RejectionKind::WrongIssuer);
    assert_eq!(offer(json!({ "tid": null })).unwrap_err(), RejectionKind::WrongIssuer);
}

#[test]
fn rsa_pss_is_accepted_where_rsa_pkcs1_is() {
    assert!(offer(&ISSUER.sign_with_pss(&v2_claims())).is_ok());
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let [_, payload, _] = ISSUER.parts(&v2_claims());
    let header = issuer::base64url(br#"{"alg":"none","kid":"key-1"}"#);
    for token in [format!("{header}.{payload}."), format!("{header}.{payload}")] {
        assert_eq!(offer(&token).unwrap_err().kind(), RejectionKind::MalformedToken);
    }
}

#[test]
fn the_public_key_is_never_a_shared_secret() {
    let token = ISSUER.sign_with_public_key_as_secret(&v2_claims());
    assert_eq!(offer(&token).unwrap_err().kind(), RejectionKind::MalformedToken);
}

#[test]
fn a_signature_by_another_key_is_refused_whatever_name_it_takes() {
    static FOREIGN: LazyLock<Issuer> = LazyLock::new(|| Issuer::new("key-2"));
    assert_eq!(offer(&FOREIGN.sign(&v2_claims())).unwrap_err().kind(), RejectionKind::UnknownKey);
    let token = FOREIGN.sign_as("key-1", &v2_claims());
    assert_eq!(offer(&token).unwrap_err().kind(), RejectionKind::InvalidSignature);
    let token = ISSUER.sign_with_header(&json!({ "alg": "RS256", "typ": "JWT" }), &v2_claims());
    assert_eq!(offer(&token).unwrap_err().kind(), RejectionKind::UnknownKey);
}

#[test]
fn a_changed_token_is_refused() {
    let [header, _, signature] = ISSUER.parts(&v2_claims());
    let payload = issuer::base64url(with(json!({ "roles": ["Everything"] })).to_string().as_bytes());
    let refusal = offer(&format!("{header}.{payload}.{signature}")).unwrap_err();
    assert_eq!(refusal.kind(), RejectionKind::InvalidSignature);
    assert_eq!(
        refusal.challenge(),
        r#"Bearer error="invalid_token", error_description="the signature of the token is not valid""#
    );
}

#[test]
fn critical_headers_that_nobody_understands_are_refused() {
    for header in [
        json!({ "alg": "RS256", "kid": "key-1", "crit": ["exp"] }),
        json!({ "alg": "RS256", "kid": "key-1", "typ": "dpop+jwt" }),
    ] {
        let token = ISSUER.sign_with_header(&header, &v2_claims());
        assert_eq!(offer(&token).unwrap_err().kind(), RejectionKind::MalformedToken, "{header}");
    }
}

#[test]
fn the_lifetime_has_five_minutes_of_leeway_on_both_ends() {
    assert!(offer_claims(json!({ "exp": NOW - 299 })).is_ok());
    assert_eq!(offer_claims(json!({ "exp": NOW - 300 })).unwrap_err(), RejectionKind::Expired);
    assert!(offer_claims(json!({ "nbf": NOW + 300 })).is_ok());
    assert_eq!(offer_claims(json!({ "nbf": NOW + 301 })).unwrap_err(), RejectionKind::NotYetValid);
    assert!(offer_claims(json!({ "exp": NOW as f64 + 0.5, "nbf": null })).is_ok());
    for broken in
        [json!({ "exp": null }), json!({ "exp": -1 }), json!({ "exp": "soon" }), json!({ "nbf": 1e300 })]
    {
        assert_eq!(offer_claims(broken.clone()).unwrap_err(), RejectionKind::MalformedToken, "{broken}");
    }
}

#[test]
fn an_issuer_counts_only_for_its_own_tenant_and_only_if_that_is_accepted() {
    const OTHER: &str = "99999999-9999-9999-9999-999999999999";
    for changes in [
        json!({ "tid": OTHER, "iss": format!("https://login.example/{OTHER}/v2.0") }),
        json!({ "tid": OTHER }),
        json!({ "iss": format!("https://login.example/{OTHER}/v2.0") }),
        json!({ "iss": format!("https://login.example/{TENANT}/v2.0/") }),
        json!({ "iss": "https://login.example/{tenantid}/v2.0" }),
        json!({ "tid": null }),
    ] {
        assert_eq!(offer_claims(changes.clone()).unwrap_err(), RejectionKind::WrongIssuer, "{changes}");
    }
}

#[test]
fn a_token_for_another_api_is_refused() {
    assert_eq!(offer_claims(json!({ "aud": "api://stock" })).unwrap_err(), RejectionKind::WrongAudience);
    assert_eq!(offer_claims(json!({ "aud": [] })).unwrap_err(), RejectionKind::WrongAudience);
    assert!(offer_claims(json!({ "aud": ["api://stock", "api://orders"] })).is_ok());
}

#[test]
fn a_users_token_is_refused() {
    for changes in [
        json!({ "scp": "Orders.Read", "idtyp": null }),
        json!({ "idtyp": "user" }),
        json!({ "idtyp": null, "sub": "pairwise subject of a person" }),
        json!({ "azp": null }),
    ] {
        assert_eq!(offer_claims(changes.clone()).unwrap_err(), RejectionKind::NotAppOnly, "{changes}");
    }
}

#[test]
fn a_caller_without_roles_is_a_caller_that_may_do_nothing() {
    let caller = offer_claims(json!({ "roles": null })).unwrap();
    assert!(caller.roles().is_empty());
    let refusal = caller.require_any_role(["Orders.Read.All", "Orders.ReadWrite.All"]).unwrap_err();
    assert_eq!((refusal.kind(), refusal.status()), (RejectionKind::MissingRole, StatusCode::FORBIDDEN));
    assert!(refusal.challenge().to_str().unwrap().starts_with(r#"Bearer error="insufficient_scope""#));
}

#[test]
fn a_request_is_judged_before_its_token() {
    let judge = |headers: &HeaderMap| validator().validate(headers, at(NOW)).unwrap_err();
    let mut headers = HeaderMap::new();
    let refusal = judge(&headers);
    assert_eq!(
        (refusal.kind(), refusal.challenge()),
        (RejectionKind::MissingToken, "Bearer".parse().unwrap())
    );

    headers.insert(AUTHORIZATION, "Basic dXNlcjpwYXNz".parse().unwrap());
    assert_eq!(judge(&headers).kind(), RejectionKind::MissingToken);

    headers.append(AUTHORIZATION, "Bearer a.b.c".parse().unwrap());
    assert_eq!(
        (judge(&headers).kind(), judge(&headers).status()),
        (RejectionKind::MalformedRequest, StatusCode::BAD_REQUEST)
    );
}

#[test]
fn a_header_of_one_megabyte_is_refused_unread() {
    assert_eq!(offer(&"a".repeat(1 << 20)).unwrap_err().kind(), RejectionKind::MalformedRequest);
    for junk in ["", ".", "..", "...", "a.b.c", "eyJhbGciOiJSUzI1NiJ9", "eyJ9.eyJ9.eyJ9"] {
        assert_eq!(offer(junk).unwrap_err().kind(), RejectionKind::MalformedToken, "{junk}");
    }
}

#[test]
fn a_validator_accepts_nothing_by_default() {
    let builder = Validator::builder();
    assert_eq!(builder.clone().build().unwrap_err().to_string(), "the validator has no issuer");
    let builder = builder.issuer("https://login.example/{tenantid}/v2.0").audience(API);
    assert_eq!(builder.clone().build().unwrap_err().to_string(), "the validator has no tenant");
    let builder = builder.tenant(TenantId::parse(TENANT).unwrap());
    assert_eq!(builder.build().unwrap_err().to_string(), "the validator has no source of keys");
}

#[test]
fn keys_that_cannot_verify_signatures_are_passed_over() {
    use unattended_protect::StaticKeys;
    for set in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"}]}"#] {
        assert!(StaticKeys::from_jwks(set).is_err(), "{set}");
    }
    let mut encryption = ISSUER.jwk();
    encryption["use"] = json!("enc");
    assert!(StaticKeys::from_jwks(&json!({ "keys": [encryption] }).to_string()).is_err());
}
