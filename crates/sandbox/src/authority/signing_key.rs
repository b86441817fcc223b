//! One key that signs tokens, with its certificate.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    CertificateParams, DnType, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use unattended_protect::VerificationKey;

use crate::SandboxError;
use crate::store::StoreError;

/// Room for most tokens.
const USUAL_BYTES: usize = 2_048;

const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);

/// One RSA key with its self-signed certificate, as the key set shows it.
pub(crate) struct SigningKey {
    pair: RsaKeyPair,
    /// The SHA-1 thumbprint of the certificate in base64url.
    kid: String,
    pub(super) jwk: Value,
    pub(super) verification: Arc<VerificationKey>,
}

/// How a key is kept: PKCS#8 and X.509 in base64.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct KeptKey {
    key: String,
    certificate: String,
}

impl SigningKey {
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// A compact JWS with RS256 (RFC 7515 section 3.1); `None` if the cryptographic library fails.
    pub(crate) fn sign(&self, header: &impl Serialize, claims: &impl Serialize) -> Option<String> {
        let mut token = String::with_capacity(USUAL_BYTES);
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(header).ok()?, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).ok()?, &mut token);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    pub(super) fn read(kept: &KeptKey) -> Result<Self, SandboxError> {
        let damaged = || StoreError::corrupt("the tenant's signing key is damaged");
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| damaged());
        let pair = RsaKeyPair::from_pkcs8(&decode(&kept.key)?).map_err(|_| damaged())?;
        let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &decode(&kept.certificate)?);
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let jwk = json!({
            "kty": "RSA",
            "use": "sig",
            "kid": kid,
            "x5t": kid,
            "n": URL_SAFE_NO_PAD.encode(&public.n),
            "e": URL_SAFE_NO_PAD.encode(&public.e),
            "x5c": [kept.certificate],
            "cloud_instance_name": "microsoftonline.com",
        });
        let verification = VerificationKey::from_jwk(&jwk).map_err(|_| damaged())?;
        Ok(Self { pair, kid, jwk, verification: Arc::new(verification) })
    }
}

impl KeptKey {
    pub(super) fn generate(now: SystemTime) -> Result<Self, SandboxError> {
        let failed = |error| SandboxError::internal("could not make a key to sign tokens with", error);
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Unattended Sandbox token signing");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let epoch = date_time_ymd(1970, 1, 1);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        params.not_before = epoch + now;
        params.not_after = epoch + now + CERTIFICATE_LIFETIME;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            key: STANDARD.encode(key.serialized_der()),
            certificate: STANDARD.encode(certificate.der()),
        })
    }
}
