//! Keys with certificates, as clients hold them.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SanType,
    SerialNumber,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::served::ShownKey;
use super::world::{App, NOW};
use crate::authority::CertificateChain;

pub(super) const ENDPOINT: &str =
    "https://localhost:8443/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token";

/// A key and its certificate.
pub(super) struct Certified {
    pair: RsaKeyPair,
    pkcs8: Vec<u8>,
    pub(super) der: Vec<u8>,
    pub(super) pem: String,
}

/// An authority that issues certificates.
pub(super) struct Issuing {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Issuing {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Issues a certificate whose subject has a common name and which has a DNS name besides.
    pub(super) fn certify(&self, common_name: &str, dns_name: &str) -> Certified {
        self.certify_until(common_name, dns_name, NOW + 86_400)
    }

    pub(super) fn certify_until(&self, common_name: &str, dns_name: &str, ends_at: i64) -> Certified {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.distinguished_name.push(DnType::OrganizationName, "Contoso");
        params.subject_alt_names = vec![SanType::DnsName(dns_name.try_into().unwrap())];
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xff]));
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_after = epoch + std::time::Duration::from_secs(ends_at as u64);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = RsaKeyPair::from_pkcs8(key.serialized_der()).unwrap();
        Certified {
            pair,
            pkcs8: key.serialize_der(),
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
        }
    }
}

impl Certified {
    /// Signs its own certificate.
    pub(super) fn new() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let pair = RsaKeyPair::from_pkcs8(key.serialized_der()).unwrap();
        Self { pair, pkcs8: key.serialize_der(), der: certificate.der().to_vec(), pem: certificate.pem() }
    }

    pub(super) fn sha1(&self) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref().to_vec()
    }

    pub(super) fn sha256(&self) -> Vec<u8> {
        digest(&SHA256, &self.der).as_ref().to_vec()
    }

    /// `x5t#S256`.
    pub(super) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256())
    }

    /// What a connection shows that holds the key.
    pub(super) fn chain(&self) -> CertificateChain {
        CertificateChain::new(vec![self.der.clone().into()]).unwrap()
    }

    /// The same with the key, for a connection that is really made.
    pub(super) fn shown(&self) -> ShownKey {
        let key = PrivatePkcs8KeyDer::from(self.pkcs8.clone());
        ShownKey { certificate: self.der.clone().into(), key: Arc::new(key.into()) }
    }

    pub(super) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let encoding: &dyn aws_lc_rs::signature::RsaEncoding =
            if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// An assertion as MSAL writes it.
    pub(super) fn assertion(&self, app: &App) -> String {
        self.sign(&json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint() }), &claims(app))
    }

    /// The same with the certificate in it.
    pub(super) fn assertion_with_x5c(&self, app: &App) -> String {
        let x5c = [STANDARD.encode(&self.der)];
        self.sign(&json!({ "alg": "PS256", "x5t#S256": self.thumbprint(), "x5c": x5c }), &claims(app))
    }
}

/// The claims of an assertion.
pub(super) fn claims(app: &App) -> Value {
    json!({ "aud": ENDPOINT, "iss": app.client_id, "sub": app.client_id, "jti": "1",
        "nbf": NOW, "iat": NOW, "exp": NOW + 600 })
}
