//! A private key that is kept elsewhere.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use der::asn1::UintRef;
use der::{Decode, Reader, SliceReader};
use unattended_core::BoxFuture;

use super::SigningAlgorithm;
use crate::error::Error;

/// Signs with a private key that this process never sees: in a hardware module, a vault, an agent.
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// Signs a SHA-256 digest: for PS256 with a salt of 32 bytes, for RS256 with the digest's identifier (RFC 8017
    /// section 9.2), for ES256 either as `r || s` or in DER. Dropping the future must harm nothing.
    ///
    /// # Errors
    /// Whatever kept the signer from signing; it becomes the source of the error that the caller gets.
    fn sign_digest<'a>(
        &'a self,
        algorithm: SigningAlgorithm,
        digest: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>>;

    /// What this signer is, in words that may be logged.
    fn describe(&self) -> String;
}

/// The signature of `message`, checked with the certificate's own key: a server would only say that it is invalid.
pub(super) async fn sign(
    signer: &dyn Signer,
    algorithm: SigningAlgorithm,
    public_key: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    let digest = digest(&SHA256, message);
    let signature = signer.sign_digest(algorithm, digest.as_ref()).await.map_err(|cause| {
        let remedy = cause.downcast_ref::<Error>().and_then(Error::remedy);
        Error::credential(format!("{} gave no signature", signer.describe()))
            .mended_by(remedy.unwrap_or("see to it that it can sign; nothing was sent"))
            .caused_by_any(cause)
    })?;
    let (verification, signature): (&'static dyn VerificationAlgorithm, _) = match algorithm {
        SigningAlgorithm::Ps256 => (&RSA_PSS_2048_8192_SHA256, Some(signature)),
        SigningAlgorithm::Rs256 => (&RSA_PKCS1_2048_8192_SHA256, Some(signature)),
        SigningAlgorithm::Es256 => (&ECDSA_P256_SHA256_FIXED, fixed(signature)),
    };
    signature
        .filter(|signature| {
            UnparsedPublicKey::new(verification, public_key).verify(message, signature).is_ok()
        })
        .ok_or_else(|| {
            Error::credential(format!(
                "the signature of {} does not fit the certificate: it is of another key, or not {}",
                signer.describe(),
                algorithm.name()
            ))
            .mended_by("let it sign with the key of this certificate, and with this algorithm")
        })
}

/// `r || s` (RFC 7518 section 3.4) of a signature that may be in DER, as most programs write it.
fn fixed(signature: Vec<u8>) -> Option<Vec<u8>> {
    const HALF: usize = 32;
    if signature.len() == 2 * HALF {
        return Some(signature);
    }
    let mut reader = SliceReader::new(&signature).ok()?;
    let halves = reader
        .sequence(|reader| Ok::<_, der::Error>([UintRef::decode(reader)?, UintRef::decode(reader)?]))
        .ok()?;
    let mut fixed = vec![0; 2 * HALF];
    for (half, value) in fixed.chunks_mut(HALF).zip(&halves) {
        let bytes = value.as_bytes();
        half.get_mut(HALF.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    }
    Some(fixed)
}
