//! Certificates that are trusted by subject name and issuer.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::certified::{Certified, Issuing, claims};
use super::world::{App, NOW, World};

static CA: LazyLock<Issuing> = LazyLock::new(|| Issuing::new("Contoso Root"));
static OTHER_CA: LazyLock<Issuing> = LazyLock::new(|| Issuing::new("Somebody's Root"));

const NAME: &str = "daemon.contoso.com";

/// An application that trusts one name of one authority.
fn world() -> (World, App) {
    let world = World::new();
    let app = world.app("nightly export");
    world.trust(&app, NAME, &CA.pem, &[]);
    (world, app)
}

// authority 7.3: renewal needs no registration change
#[tokio::test]
async fn a_renewed_certificate_of_a_trusted_name_is_good_without_a_registration() {
    let (world, app) = world();
    for certificate in [CA.certify(NAME, "a.example"), CA.certify("Other", "Daemon.Contoso.com")] {
        let (der, pem) = (STANDARD.encode(&certificate.der), STANDARD.encode(&certificate.pem));
        for x5c in
            [json!([der]), json!(der), json!([format!("{}\n{}", &der[..64], &der[64..])]), json!([pem])]
        {
            let header =
                json!({ "alg": "RS256", "x5t": URL_SAFE_NO_PAD.encode(certificate.sha1()), "x5c": x5c });
            let answer = world.assert(&app, &certificate.sign(&header, &claims(&app))).await;
            assert_eq!(answer.code(), 0, "{header} {answer:?}");
            assert_eq!(answer.claims()["azpacr"], "2");
        }
    }
}

// authority 7.3
#[tokio::test]
async fn a_name_may_be_registered_as_common_name_or_as_the_whole_subject() {
    let world = World::new();
    let certificate = CA.certify(NAME, "a.example");
    for (registered, code) in [
        ("cn=daemon.contoso.com", 0),
        ("O=Contoso,CN=daemon.contoso.com", 0),
        ("CN=daemon.contoso.com, o=contoso", 0),
        ("CN=daemon.contoso.com,O=Fabrikam", 700_030),
        ("a.example", 0),
        ("contoso.com", 700_030),
        ("daemon.contoso.com.evil.example", 700_030),
        ("Contoso", 700_030),
    ] {
        let app = world.app(registered);
        world.trust(&app, registered, &CA.pem, &[]);
        let answer = world.assert(&app, &certificate.assertion_with_x5c(&app)).await;
        assert_eq!(answer.code(), code, "{registered}: {answer:?}");
    }
}

// authority 14.3: 700030, 50012, 1000502, 7000214, 700027
#[tokio::test]
async fn every_reason_not_to_trust_a_certificate_has_its_own_code() {
    let (world, app) = world();
    let good = CA.certify(NAME, "a.example");
    let refusal = async |certificate: &Certified| {
        let answer = world.assert(&app, &certificate.assertion_with_x5c(&app)).await;
        (answer.code(), answer.body["error_description"].as_str().unwrap_or_default().to_owned())
    };
    let (code, text) = refusal(&CA.certify("stranger", "b.example")).await;
    assert_eq!(code, 700_030);
    assert!(
        text.contains("(up to 10) in token certificate are: ") && text.contains("stranger, b.example"),
        "{text}"
    );
    assert_eq!(refusal(&OTHER_CA.certify(NAME, "a.example")).await.0, 50_012);
    assert_eq!(refusal(&CA.certify_until(NAME, "a.example", NOW - 1)).await.0, 1_000_502);
    // Without the certificate in it, or with another one, an assertion is of a key that nobody registered.
    assert_eq!(world.assert(&app, &good.assertion(&app)).await.code(), 700_027);
    let other = CA.certify(NAME, "a.example");
    let header =
        json!({ "alg": "PS256", "x5t#S256": good.thumbprint(), "x5c": [STANDARD.encode(&other.der)] });
    assert_eq!(world.assert(&app, &good.sign(&header, &claims(&app))).await.code(), 700_027);
    let header =
        json!({ "alg": "PS256", "x5t#S256": other.thumbprint(), "x5c": [STANDARD.encode(&other.der)] });
    assert_eq!(world.assert(&app, &good.sign(&header, &claims(&app))).await.code(), 700_027);

    assert_eq!(refusal(&good).await.0, 0);
    world.trust(&app, NAME, &CA.pem, &["0AFF"]);
    assert_eq!(refusal(&good).await.0, 7_000_214);
    // Nobody else trusts the name for that.
    let stranger = world.app("stranger");
    assert_eq!(world.assert(&stranger, &good.assertion_with_x5c(&stranger)).await.code(), 700_027);
}

// authority 7.2: x5c of an application that trusts no names is passed over, whatever is in it
#[tokio::test]
async fn an_unreadable_x5c_does_no_harm() {
    let (world, app) = world();
    let certificate = CA.certify(NAME, "a.example");
    for x5c in [
        json!([]),
        json!([""]),
        json!([7]),
        json!({}),
        json!(["AAAA"]),
        json!([STANDARD.encode([b'-'; 40])]),
        Value::Null,
    ] {
        let header = json!({ "alg": "PS256", "x5t#S256": certificate.thumbprint(), "x5c": x5c });
        let answer = world.assert(&app, &certificate.sign(&header, &claims(&app))).await;
        assert_eq!(answer.code(), 700_027, "{header}");
    }
    let many = json!(vec![STANDARD.encode(&certificate.der); 50]);
    let header = json!({ "alg": "PS256", "x5t#S256": certificate.thumbprint(), "x5c": many });
    assert_eq!(world.assert(&app, &certificate.sign(&header, &claims(&app))).await.code(), 700_027);
}
