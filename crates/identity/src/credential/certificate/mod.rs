//! A certificate and its private key.

mod chain;
#[cfg(all(test, feature = "encrypted-pkcs8", feature = "pkcs12"))]
mod corpus;
mod key;
mod material;
mod pem;
mod pkcs12;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use unattended_core::{BoxFuture, Secret};

pub(crate) use self::chain::Chain;
pub use self::key::SigningAlgorithm;
use self::key::{ANOTHER_KEY, LocalKey};
use self::material::{Material, PrivateKey};
use super::signer::{self, Signer};
use super::tls::TlsIdentity;
use super::{AuthenticationContext, Credential};
use crate::assertion;
use crate::error::Error;
use crate::token_request::TokenRequest;

/// A certificate whose private key signs a fresh assertion for every attempt (RFC 7523, `private_key_jwt`).
///
/// An RSA key signs with PS256 and an elliptic-curve key with ES256; a server that wants RS256 has to be known to want
/// it, see [`with_algorithm`](Self::with_algorithm). The certificate is named by its SHA-256 thumbprint, `x5t#S256`.
#[derive(Clone)]
pub struct ClientCertificate {
    shared: Arc<Shared>,
    algorithm: SigningAlgorithm,
    sends_chain: bool,
    /// Of the assertions, encoded when the first one is made.
    header: Arc<OnceLock<String>>,
}

struct Shared {
    key: Key,
    chain: Chain,
}

/// Who signs.
enum Key {
    Local(LocalKey),
    Elsewhere(Arc<dyn Signer>),
}

impl ClientCertificate {
    /// Reads a file with a private key and one or more certificates, in any order: PEM with a key in PKCS#8, PKCS#1 or
    /// SEC 1, and, as far as this build has the features `encrypted-pkcs8` and `pkcs12`, an encrypted PKCS#8 key or
    /// PKCS#12. `password` is what protects the key, if anything does. The certificate that belongs to the key is the
    /// one that counts; those that vouch for it may be sent, see [`sending_chain`](Self::sending_chain).
    ///
    /// # Errors
    /// Exactly what is missing, unreadable, protected, or does not fit together; never any part of the key.
    pub fn from_file(content: &Secret, password: Option<&Secret>) -> Result<Self, Error> {
        Self::with_key(content, password).map(|(certificate, _)| certificate)
    }

    /// The same together with what TLS shows of it.
    pub(super) fn with_identity(
        content: &Secret,
        password: Option<&Secret>,
    ) -> Result<(Self, TlsIdentity), Error> {
        let (certificate, key) = Self::with_key(content, password)?;
        let chain = certificate.shared.chain.der();
        Ok((certificate, TlsIdentity::new(chain, key.into_secret())))
    }

    fn with_key(content: &Secret, password: Option<&Secret>) -> Result<(Self, PrivateKey), Error> {
        let mut material = Material::read(content, password)?;
        let private_key = material.only_key()?;
        let key = LocalKey::from_material(&private_key)?;
        let chain = Chain::of(&material.certificates, Some(key.public_key()))?;
        let algorithm = match key {
            LocalKey::Rsa(_) => SigningAlgorithm::Ps256,
            LocalKey::P256(_) => SigningAlgorithm::Es256,
        };
        let shared = Arc::new(Shared { key: Key::Local(key), chain });
        Ok((Self { shared, algorithm, sends_chain: false, header: Arc::default() }, private_key))
    }

    /// Reads PEM whose key no password protects.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_pem(pem: &Secret) -> Result<Self, Error> {
        Self::from_file(pem, None)
    }

    /// A certificate whose private key never enters this process: `signer` signs. The first certificate in the PEM text
    /// is the one that counts.
    ///
    /// # Errors
    /// There is no certificate, a private key beside it, or a key that no assertion can be signed with.
    pub fn with_signer(pem: &Secret, signer: Arc<dyn Signer>) -> Result<Self, Error> {
        const CERTIFICATE_ALONE: &str = "put the certificate alone into it, in PEM";
        let material = Material::read(pem, None).map_err(|error| error.mended_by(CERTIFICATE_ALONE))?;
        if !material.keys.is_empty() {
            return Err(Error::credential("the file has a private key, which the signer makes needless")
                .mended_by(CERTIFICATE_ALONE));
        }
        if material.certificates.is_empty() {
            return Err(Error::credential("the file has no certificate").mended_by(CERTIFICATE_ALONE));
        }
        let chain = Chain::of(&material.certificates, None)?;
        let algorithm = match chain.algorithm.as_str() {
            "1.2.840.113549.1.1.1" => SigningAlgorithm::Ps256,
            "1.2.840.10045.2.1" => SigningAlgorithm::Es256,
            _ => {
                return Err(Error::credential(
                    "the certificate is neither for an RSA key nor for a P-256 key",
                )
                .mended_by(ANOTHER_KEY));
            }
        };
        let shared = Arc::new(Shared { key: Key::Elsewhere(signer), chain });
        Ok(Self { shared, algorithm, sends_chain: false, header: Arc::default() })
    }

    /// Signs with another algorithm than the key's own: RS256 for a server that does not know PS256.
    ///
    /// # Errors
    /// The key cannot sign so.
    pub fn with_algorithm(self, algorithm: SigningAlgorithm) -> Result<Self, Error> {
        if (self.algorithm == SigningAlgorithm::Es256) != (algorithm == SigningAlgorithm::Es256) {
            let key = if algorithm == SigningAlgorithm::Es256 { "an RSA" } else { "an elliptic-curve" };
            return Err(Error::credential(format!("{key} key cannot sign with {}", algorithm.name()))
                .mended_by("leave the algorithm out: an RSA key signs with PS256, a P-256 key with ES256"));
        }
        Ok(Self { algorithm, header: Arc::default(), ..self })
    }

    /// Sends the certificate and its issuers along (`x5c`): the server then accepts any certificate of the registered
    /// subject name and issuer, so that a renewal needs no registration.
    #[must_use]
    pub fn sending_chain(self) -> Self {
        Self { sends_chain: true, header: Arc::default(), ..self }
    }

    /// The distinguished name of the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.shared.chain.subject
    }

    /// SHA-256 of the certificate's DER, in upper-case hexadecimal, as portals show it.
    #[must_use]
    pub fn thumbprint_sha256(&self) -> String {
        self.shared.chain.sha256.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// What assertions are signed with.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// From when on the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.shared.chain.not_before.to_system_time()
    }

    /// Until when the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.shared.chain.not_after.to_system_time()
    }

    /// Whether the certificate is in force at `now`.
    ///
    /// # Errors
    /// Since when it is not, or from when on it will be.
    pub fn check_validity(&self, now: SystemTime) -> Result<(), Error> {
        self.shared.chain.check_validity(now)
    }

    /// The same at the time of a request. By the server's clock the server is the judge: whatever it took the time to be,
    /// only another answer of it can correct, and so it has to be asked.
    pub(crate) fn check_validity_in(&self, context: &AuthenticationContext<'_>) -> Result<(), Error> {
        if context.leeway.is_zero() { self.check_validity(context.now) } else { Ok(()) }
    }

    pub(crate) fn sha256(&self) -> &[u8; 32] {
        &self.shared.chain.sha256
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.shared.chain
    }

    pub(crate) fn sends_chain(&self) -> bool {
        self.sends_chain
    }

    /// The encoded header of a JWS that this certificate signs.
    pub(crate) fn assertion_header(&self) -> Result<&str, Error> {
        if let Some(header) = self.header.get() {
            return Ok(header);
        }
        let header = assertion::header(self)?;
        Ok(self.header.get_or_init(|| header))
    }

    /// No signature of the key is longer, in bytes.
    pub(crate) fn signature_length(&self) -> usize {
        // An RSA signature is as long as the modulus, which is most of the public key.
        self.shared.chain.public_key.len()
    }

    /// The signature of a JWS signing input.
    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.shared.key {
            Key::Local(key) => key
                .sign(self.algorithm, message)
                .ok_or_else(|| Error::credential("the private key cannot sign the client assertion")),
            Key::Elsewhere(signer) => {
                signer::sign(&**signer, self.algorithm, &self.shared.chain.public_key, message).await
            }
        }
    }

    async fn assert(
        &self,
        context: &AuthenticationContext<'_>,
        request: &mut TokenRequest,
    ) -> Result<(), Error> {
        if context.is_microsoft {
            if self.algorithm == SigningAlgorithm::Es256 {
                return Err(Error::credential(
                    "the Microsoft identity platform accepts certificates with RSA keys only, and this one has an \
                     elliptic-curve key",
                )
                .mended_by(ANOTHER_KEY));
            }
            // Elsewhere the key alone may be what is registered, and its certificate an envelope that nobody reads.
            self.check_validity_in(context)?;
        }
        let assertion = assertion::sign(self, context).await?;
        request.client_assertion_jws(context.client_id, &assertion);
        Ok(())
    }
}

impl Credential for ClientCertificate {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.assert(context, request))
    }

    fn not_before(&self) -> Option<SystemTime> {
        Some(Self::not_before(self))
    }

    fn not_after(&self) -> Option<SystemTime> {
        Some(Self::not_after(self))
    }

    fn describe(&self) -> String {
        format!("certificate {} ({})", &self.thumbprint_sha256()[..16], self.subject())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint_sha256", &self.thumbprint_sha256())
            .finish_non_exhaustive()
    }
}
