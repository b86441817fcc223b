//! Several credentials, credentials that change, and keys that are elsewhere, through the client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unattended_core::{BoxFuture, ClientId, ManualClock, Scope, Secret, SeededEntropy, TenantId};

use super::*;
use crate::test_support::{Server, certificate_pem, other_certificate_pem};
use crate::{Authority, ConfidentialClient, Freshness};

const INVALID_SECRET: &str = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#;
const EXPIRED_SECRET: &str =
    r#"{"error":"invalid_client","error_description":"AADSTS7000222: Expired.","error_codes":[7000222]}"#;
const KEY_NOT_FOUND: &str = r#"{"error":"invalid_client","error_description":"AADSTS700027: The key was not found.","error_codes":[700027]}"#;

pub(crate) struct House {
    pub(crate) server: Arc<Server>,
    pub(crate) clock: ManualClock,
    pub(crate) client: ConfidentialClient,
}

impl House {
    pub(crate) fn new(credentials: impl IntoIterator<Item = Arc<dyn Credential>>) -> Self {
        Self::on(ManualClock::at(1_000_000), credentials)
    }

    pub(crate) fn on(clock: ManualClock, credentials: impl IntoIterator<Item = Arc<dyn Credential>>) -> Self {
        let tenant = TenantId::parse("contoso.example").unwrap();
        let authority = Authority::microsoft("https://login.example", &tenant).unwrap();
        let server = Arc::new(Server::new());
        let client_id = ClientId::parse("22222222-2222-2222-2222-222222222222").unwrap();
        let mut builder = ConfidentialClient::builder(authority, client_id)
            .http(Arc::clone(&server) as _)
            .clock(Arc::new(clock.clone()))
            .entropy(Arc::new(SeededEntropy::new(7)));
        for credential in credentials {
            builder = builder.credential(credential);
        }
        Self { server, clock, client: builder.build().unwrap() }
    }

    /// A token that no cache can give.
    pub(crate) async fn fresh(&self) -> Result<String, Error> {
        self.token(Freshness::Forced).await
    }

    pub(crate) async fn cached(&self) -> Result<String, Error> {
        self.token(Freshness::Cached).await
    }

    async fn token(&self, freshness: Freshness) -> Result<String, Error> {
        let graph = self.client.for_scope(Scope::default_of("https://graph.microsoft.com").unwrap()).unwrap();
        graph.acquire(freshness).await.map(|token| token.expose().to_owned())
    }

    fn secrets_sent(&self) -> Vec<String> {
        let sent = |seen: &crate::test_support::Seen| seen.field("client_secret").map(str::to_owned);
        self.server.requests().iter().filter_map(sent).collect()
    }
}

fn secret(value: &str) -> Arc<dyn Credential> {
    Arc::new(ClientSecret::new(Secret::from(value)).unwrap())
}

/// A file that a test writes.
#[derive(Clone, Debug)]
struct Shelf(Arc<Mutex<Result<String, &'static str>>>);

impl Shelf {
    fn with(content: &str) -> Self {
        Self(Arc::new(Mutex::new(Ok(content.to_owned()))))
    }

    fn put(&self, content: Result<&str, &'static str>) {
        *self.0.lock().unwrap() = content.map(str::to_owned);
    }
}

impl CredentialSource for Shelf {
    fn read(&self) -> Result<Vec<Secret>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(vec![Secret::from(self.0.lock().unwrap().clone()?.as_str())])
    }

    fn make(&self, material: &[Secret]) -> Result<Arc<dyn Credential>, Error> {
        Ok(if material[0].expose().starts_with(b"-----BEGIN") {
            Arc::new(ClientCertificate::from_pem(&material[0])?)
        } else {
            Arc::new(ClientSecret::new(material[0].clone())?)
        })
    }

    fn describe(&self) -> String {
        "the shelf".to_owned()
    }
}

fn header_of(assertion: &str) -> serde_json::Value {
    let header = assertion.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[tokio::test]
async fn a_refused_secret_steps_back_for_ten_minutes_and_then_leads_again() {
    let house = House::new([secret("current"), secret("next")]);
    for refusal in [INVALID_SECRET, EXPIRED_SECRET] {
        house.server.answer(401, refusal);
        house.server.token("by-next", 3_600);
        assert_eq!(house.fresh().await.unwrap(), "by-next");
        house.server.token("at-once", 3_600);
        assert_eq!(house.fresh().await.unwrap(), "at-once", "the refused one is not asked for again");
        house.clock.advance(Duration::from_secs(601));
    }
    house.server.token("by-current", 3_600);
    assert_eq!(house.fresh().await.unwrap(), "by-current");
    assert_eq!(house.secrets_sent(), ["current", "next", "next", "current", "next", "next", "current"]);
}

#[tokio::test]
async fn when_every_credential_is_refused_the_failure_of_the_preferred_one_is_told() {
    let house = House::new([secret("current"), secret("next")]);
    house.server.answer(401, INVALID_SECRET);
    house.server.answer(401, EXPIRED_SECRET);
    assert_eq!(house.fresh().await.unwrap_err().codes(), [7_000_215]);
    // Both rest now; the order is the configured one, and so is the blame.
    house.server.answer(401, INVALID_SECRET);
    house.server.answer(401, EXPIRED_SECRET);
    assert_eq!(house.fresh().await.unwrap_err().codes(), [7_000_215]);
}

/// A vault that is out of reach as long as it has nothing.
fn vault(assertion: &Arc<Mutex<Option<&'static str>>>) -> Arc<dyn Credential> {
    let assertion = Arc::clone(assertion);
    Arc::new(SignedAssertion::from_callback("the vault", move |_| {
        let assertion = *assertion.lock().unwrap();
        async move { assertion.map(Secret::from).ok_or_else(|| Error::of_outage("nobody is there", None)) }
    }))
}

#[tokio::test]
async fn who_vouches_for_the_application_and_is_out_of_reach_steps_back_as_one_who_is_refused() {
    let assertion = Arc::default();
    let house = House::new([vault(&assertion), secret("spare")]);
    house.server.token("by-spare", 3_600);
    assert_eq!(house.fresh().await.unwrap(), "by-spare", "without a wait for what another has at hand");
    let failed: Vec<String> = house.client.failed_credentials().map(|(_, error)| error.to_string()).collect();
    assert_eq!(failed, ["nobody is there"]);
    *assertion.lock().unwrap() = Some("a.b.c");
    house.server.token("by-spare", 3_600);
    house.fresh().await.unwrap();
    house.clock.advance(Duration::from_secs(601));
    house.server.token("by-vault", 3_600);
    assert_eq!(house.fresh().await.unwrap(), "by-vault");
    assert_eq!(house.secrets_sent(), ["spare", "spare"]);
}

#[tokio::test]
async fn what_the_server_refused_is_told_rather_than_what_could_not_be_asked_for() {
    let house = House::new([vault(&Arc::default()), secret("spare")]);
    for _ in 0..2 {
        house.server.answer(401, INVALID_SECRET);
        assert_eq!(house.fresh().await.unwrap_err().codes(), [7_000_215]);
    }
    let clock = ManualClock::self_advancing_at(1_000_000);
    let house = House::on(clock, [vault(&Arc::default()), vault(&Arc::default())]);
    let error = house.fresh().await.unwrap_err();
    assert!(error.is_transient() && house.server.requests().is_empty(), "{error}");
}

// D17: and of section 4, #2596: several secrets, rotated without a restart.
#[tokio::test]
async fn a_rotated_secret_is_used_by_the_very_next_request() {
    let shelf = Shelf::with("old");
    let house = House::new([Arc::new(WatchedCredential::new(shelf.clone())) as _]);
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    shelf.put(Ok("new"));
    house.server.token("t2", 3_600);
    house.fresh().await.unwrap();
    assert_eq!(house.secrets_sent(), ["old", "new"]);
    assert_eq!(house.client.credentials().next().unwrap().epoch(), 1);
}

#[tokio::test]
async fn a_refused_secret_that_was_replaced_leads_at_once() {
    let shelf = Shelf::with("old");
    let house = House::new([Arc::new(WatchedCredential::new(shelf.clone())) as _, secret("spare")]);
    house.server.answer(401, EXPIRED_SECRET);
    house.server.token("t1", 3_600);
    house.fresh().await.unwrap();
    shelf.put(Ok("new"));
    // Who rests is not read; a look at it is what finds the new one.
    house.client.credentials().next().unwrap().reload().await;
    house.server.token("t2", 3_600);
    house.fresh().await.unwrap();
    assert_eq!(house.secrets_sent(), ["old", "spare", "new"]);
}

// D17
#[tokio::test]
async fn a_certificate_that_was_exchanged_meanwhile_is_reloaded_once_and_the_request_repeated() {
    let shelf = Shelf::with(certificate_pem());
    let house = Arc::new(House::new([Arc::new(WatchedCredential::new(shelf.clone())) as _]));
    let call = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.fresh().await }
    });
    while house.server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    shelf.put(Ok(other_certificate_pem()));
    house.server.answer(401, KEY_NOT_FOUND);
    house.server.token("t1", 3_600);
    assert_eq!(call.await.unwrap().unwrap(), "t1");
    let seen = house.server.requests();
    let thumbprint = |at: usize| header_of(seen[at].field("client_assertion").unwrap())["x5t#S256"].clone();
    assert_eq!(seen.len(), 2);
    assert_ne!(thumbprint(0), thumbprint(1));
}

// D17
#[tokio::test]
async fn what_reloading_cannot_mend_is_not_repeated() {
    let house = House::new([Arc::new(WatchedCredential::new(Shelf::with(certificate_pem()))) as _]);
    house.server.answer(401, KEY_NOT_FOUND);
    house.fresh().await.unwrap_err();
    assert_eq!(house.server.requests().len(), 1, "the file is the same");
    house.server.answer(401, INVALID_SECRET);
    house.fresh().await.unwrap_err();
    assert_eq!(house.server.requests().len(), 2);
}

#[tokio::test]
async fn a_file_that_is_half_written_or_gone_leaves_the_credential_as_it_was() {
    let shelf = Shelf::with(certificate_pem());
    let house = House::new([Arc::new(WatchedCredential::new(shelf.clone())) as _]);
    for content in [Ok(certificate_pem()), Ok(&certificate_pem()[..900]), Ok(""), Err("gone")] {
        shelf.put(content);
        house.server.token("t", 3_600);
        house.fresh().await.unwrap();
    }
    assert_eq!(house.client.credentials().next().unwrap().epoch(), 0);
}

// 54, 56
#[tokio::test]
async fn a_credential_that_is_not_there_yet_is_named_and_works_once_it_is() {
    let shelf = Shelf::with("");
    let watched = WatchedCredential::new(shelf.clone());
    shelf.put(Err("no such file"));
    let house = House::new([Arc::new(watched) as _]);
    let error = house.fresh().await.unwrap_err();
    assert_eq!(error.to_string(), "the shelf cannot be read");
    assert!(error.is_credential() && house.server.requests().is_empty());
    shelf.put(Ok("s3cret"));
    house.server.token("t", 3_600);
    house.fresh().await.unwrap();
}

// D15, 51
#[tokio::test]
async fn the_chain_is_sent_when_it_is_asked_for_and_an_old_server_gets_the_old_thumbprint() {
    let plain = ClientCertificate::from_pem(&Secret::from(certificate_pem())).unwrap();
    let old = plain.clone().with_algorithm(SigningAlgorithm::Rs256).unwrap().sending_chain();
    let mut headers = Vec::new();
    for certificate in [plain.clone(), plain.sending_chain(), old] {
        let house = House::new([Arc::new(certificate) as _]);
        house.server.token("t", 3_600);
        house.fresh().await.unwrap();
        headers.push(header_of(house.server.requests()[0].field("client_assertion").unwrap()));
    }
    assert_eq!(headers[0]["alg"], "PS256");
    assert!(headers[0].get("x5c").is_none() && headers[0].get("x5t").is_none());
    let der =
        base64::engine::general_purpose::STANDARD.decode(headers[1]["x5c"][0].as_str().unwrap()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    assert_eq!(headers[1]["x5t#S256"], URL_SAFE_NO_PAD.encode(digest));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    assert_eq!(
        (&headers[2]["alg"], &headers[2]["x5t"]),
        (&"RS256".into(), &URL_SAFE_NO_PAD.encode(digest).into())
    );
}

fn ec_pem() -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.not_before = rcgen::date_time_ymd(1970, 1, 1);
    parameters.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

#[tokio::test]
async fn an_elliptic_curve_key_signs_es256_and_the_platform_is_spared_it() {
    let pem = ec_pem();
    let certificate = ClientCertificate::from_pem(&Secret::from(pem.as_str())).unwrap();
    let house = House::new([Arc::new(certificate.clone()) as _]);
    let error = house.fresh().await.unwrap_err();
    assert!(error.to_string().contains("RSA keys only"), "{error}");
    assert!(house.server.requests().is_empty());

    let signature = certificate.sign(b"message").await.unwrap();
    let public = jsonwebtoken::DecodingKey::from_ec_der(&public_key_of(&pem));
    let verified = jsonwebtoken::crypto::verify(
        &URL_SAFE_NO_PAD.encode(signature),
        b"message",
        &public,
        jsonwebtoken::Algorithm::ES256,
    );
    assert!(verified.unwrap());
}

fn public_key_of(pem: &str) -> Vec<u8> {
    use der::DecodePem;
    let certificate = x509_cert::Certificate::from_pem(certificate_of(pem).expose()).unwrap();
    certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes().to_vec()
}

// 54
#[tokio::test]
async fn an_expired_certificate_is_told_before_anything_is_sent() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.not_before = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(1970, 1, 5);
    let pem = parameters.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let certificate = ClientCertificate::from_pem(&Secret::from(pem.as_str())).unwrap();
    let house = House::new([Arc::new(certificate.clone()) as _, secret("spare")]);
    house.server.token("by-spare", 3_600);
    assert_eq!(house.fresh().await.unwrap(), "by-spare");
    let alone = House::new([Arc::new(certificate) as _]);
    assert_eq!(alone.fresh().await.unwrap_err().to_string(), "the certificate expired on 1970-01-05");
    assert!(alone.server.requests().is_empty());
}

/// The key of a PEM text, kept by somebody else: a command that signs digests.
#[derive(Debug)]
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn with(pem: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key.pem"), pem).unwrap();
        Self(directory)
    }
}

impl Signer for Elsewhere {
    fn sign_digest<'a>(
        &'a self,
        algorithm: SigningAlgorithm,
        digest: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>> {
        let path = |name: &str| self.0.path().join(name);
        std::fs::write(path("digest"), digest).unwrap();
        let mut command = std::process::Command::new("openssl");
        command.args(["pkeyutl", "-sign", "-pkeyopt", "digest:sha256", "-inkey"]).arg(path("key.pem"));
        command.arg("-in").arg(path("digest"));
        if algorithm == SigningAlgorithm::Ps256 {
            command.args(["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Box::pin(std::future::ready(Ok(output.stdout)))
    }

    fn describe(&self) -> String {
        "the module".to_owned()
    }
}

fn certificate_of(pem: &str) -> Secret {
    let start = pem.find("-----BEGIN CERT").unwrap();
    Secret::from(&pem[start..start + pem[start..].find("-----END CERTIFICATE-----").unwrap() + 25])
}

#[tokio::test]
async fn a_key_that_is_elsewhere_signs_for_a_certificate_that_is_here() {
    let pem = certificate_pem();
    for algorithm in [SigningAlgorithm::Ps256, SigningAlgorithm::Rs256] {
        let signer = Arc::new(Elsewhere::with(pem));
        let certificate = ClientCertificate::with_signer(&certificate_of(pem), signer).unwrap();
        let house = House::new([Arc::new(certificate.with_algorithm(algorithm).unwrap()) as _]);
        house.server.token("t", 3_600);
        house.fresh().await.unwrap();
    }
    let pem = ec_pem();
    let signer = Arc::new(Elsewhere::with(&pem));
    let certificate = ClientCertificate::with_signer(&certificate_of(&pem), signer).unwrap();
    assert_eq!(certificate.sign(b"message").await.unwrap().len(), 64, "r || s and no DER");
}

#[tokio::test]
async fn a_signature_of_another_key_is_found_here_and_not_by_the_server() {
    let signer = Arc::new(Elsewhere::with(other_certificate_pem()));
    let certificate = ClientCertificate::with_signer(&certificate_of(certificate_pem()), signer).unwrap();
    let house = House::new([Arc::new(certificate) as _]);
    let error = house.fresh().await.unwrap_err().to_string();
    assert!(error.contains("does not fit the certificate"), "{error}");
    assert!(house.server.requests().is_empty());
}
