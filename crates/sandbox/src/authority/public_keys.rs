//! The public keys of certificates, parsed once: that takes longer than verifying a signature with them.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ParsedPublicKey, RsaParameters};
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// How many keys are remembered; then all are forgotten.
const CAPACITY: usize = 1_000;

/// The digest of a certificate, and the address of the algorithm that its key is used with.
type Name = ([u8; 32], usize);

/// A key follows from the bytes of its certificate, so that it never becomes wrong.
static PARSED: LazyLock<Mutex<HashMap<Name, Arc<ParsedPublicKey>>>> = LazyLock::new(Mutex::default);

/// The key in a certificate (DER), for one algorithm; nothing if it has no RSA key that the algorithm can use.
pub(super) fn of_certificate(
    certificate: &[u8],
    algorithm: &'static RsaParameters,
) -> Option<Arc<ParsedPublicKey>> {
    let digest = digest(&SHA256, certificate).as_ref().try_into().ok()?;
    let name = (digest, ptr::from_ref(algorithm).addr());
    let parsed = || PARSED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = parsed().get(&name) {
        return Some(Arc::clone(key));
    }
    let key = Arc::new(parse(certificate, algorithm)?);
    let mut parsed = parsed();
    if parsed.len() >= CAPACITY {
        parsed.clear();
    }
    parsed.insert(name, Arc::clone(&key));
    Some(key)
}

fn parse(certificate: &[u8], algorithm: &'static RsaParameters) -> Option<ParsedPublicKey> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    let bytes = key.subject_public_key.as_bytes().filter(|_| key.algorithm.oid == RSA_ENCRYPTION)?;
    ParsedPublicKey::new(algorithm, bytes).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair,
    };
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    fn certificate(key: &KeyPair) -> Vec<u8> {
        CertificateParams::default().self_signed(key).unwrap().der().to_vec()
    }

    #[test]
    fn a_key_is_parsed_once_for_each_algorithm_and_verifies_by_it_alone() {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = certificate(&key);
        let pair = RsaKeyPair::from_pkcs8(key.serialized_der()).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"message", &mut signature).unwrap();
        let pkcs1 = of_certificate(&certificate, &RSA_PKCS1_2048_8192_SHA256).unwrap();
        let pss = of_certificate(&certificate, &RSA_PSS_2048_8192_SHA256).unwrap();
        assert!(pkcs1.verify_sig(b"message", &signature).is_ok());
        assert!(pkcs1.verify_sig(b"massage", &signature).is_err());
        assert!(pss.verify_sig(b"message", &signature).is_err());
        let again = of_certificate(&certificate, &RSA_PKCS1_2048_8192_SHA256).unwrap();
        assert!(Arc::ptr_eq(&pkcs1, &again));
    }

    #[test]
    fn what_has_no_rsa_key_has_none() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        for certificate in [certificate(&key), b"no certificate".to_vec()] {
            assert!(of_certificate(&certificate, &RSA_PKCS1_2048_8192_SHA256).is_none());
        }
    }
}
