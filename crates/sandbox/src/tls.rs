//! The sandbox's certification authority and the server's certificates.
//!
//! The authority can sign for this machine's own names only, so that trusting it opens no other door. Its key stays in
//! the data directory; the server's key and certificate are made anew at every start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DecodePem;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, SanType,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use unattended_core::Secret;

use crate::SandboxError;
use crate::data_directory::DataDirectory;
use crate::mutual_tls::{self, AnyCertificate};

const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_LIFETIME: Duration = DAY.saturating_mul(3_650);
const SERVER_LIFETIME: Duration = DAY.saturating_mul(397);

/// How the server speaks TLS under each of its names.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    ordinary: Arc<ServerConfig>,
    mutual: Arc<ServerConfig>,
}

impl Doors {
    /// The one for a client that asks for this name.
    pub(crate) fn of(&self, server_name: Option<&str>) -> Arc<ServerConfig> {
        match server_name {
            Some(name) if name.eq_ignore_ascii_case(mutual_tls::HOST) => Arc::clone(&self.mutual),
            _ => Arc::clone(&self.ordinary),
        }
    }
}

/// The configurations of a TLS server that proves to be this machine, whichever of its names a client calls.
///
/// Makes the certification authority at the first start and again before a server certificate could outlive it.
pub(crate) fn doors(directory: &DataDirectory, now: SystemTime) -> Result<Doors, SandboxError> {
    let key = authority_key(directory, now)?;
    let issuer = Issuer::new(authority_params(&key, now), key);
    let others = [
        SanType::DnsName("*.vault.localhost".try_into().map_err(failed)?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    // Each certificate has the names of its door alone: no client may use a connection through one for the other
    // (RFC 9113 section 9.1.1).
    Ok(Doors {
        ordinary: config(&issuer, "localhost", &others, false, now)?,
        mutual: config(&issuer, mutual_tls::HOST, &[], true, now)?,
    })
}

fn config(
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    more_names: &[SanType],
    asks_for_certificate: bool,
    now: SystemTime,
) -> Result<Arc<ServerConfig>, SandboxError> {
    let key = KeyPair::generate().map_err(failed)?;
    let params = server_params(name, more_names, now);
    let certificate = params.and_then(|params| params.signed_by(&key, issuer)).map_err(failed)?;
    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match asks_for_certificate {
        true => builder.with_client_cert_verifier(Arc::new(AnyCertificate(provider))),
        false => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(failed)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The authority's key. A certificate that is missing, unreadable or near its end makes a new authority. One that begins
/// later, because the clock was set back, is made anew with the same key: who trusts the old one trusts it, too.
fn authority_key(directory: &DataDirectory, now: SystemTime) -> Result<KeyPair, SandboxError> {
    let certificate = directory.read(DataDirectory::CA_CERTIFICATE)?;
    let certificate = certificate.and_then(|pem| x509_cert::Certificate::from_pem(pem).ok());
    let key = directory.read(DataDirectory::CA_KEY)?.map(Secret::new);
    let key = key.and_then(|key| key.expose_text().and_then(|pem| KeyPair::from_pem(pem).ok()));
    if let Some((certificate, key)) = certificate.zip(key) {
        let validity = certificate.tbs_certificate().validity();
        let is_early = validity.not_before.to_system_time() > now;
        if is_early {
            write_certificate(directory, &key, now)?;
        }
        if is_early || validity.not_after.to_system_time() >= now + SERVER_LIFETIME {
            return Ok(key);
        }
    }
    let key = KeyPair::generate().map_err(failed)?;
    directory.write(DataDirectory::CA_KEY, Secret::from(key.serialize_pem()).expose())?;
    write_certificate(directory, &key, now)?;
    Ok(key)
}

fn write_certificate(directory: &DataDirectory, key: &KeyPair, now: SystemTime) -> Result<(), SandboxError> {
    let certificate: Certificate = authority_params(key, now).self_signed(key).map_err(failed)?;
    directory.write(DataDirectory::CA_CERTIFICATE, certificate.pem().as_bytes())
}

/// What only depends on the key is the same at every start, so that certificates chain to the one in the file.
fn authority_params(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    let fingerprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.der_bytes());
    let name: String = fingerprint.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("Unattended Sandbox CA {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let loopback = [
        GeneralSubtree::DnsName("localhost".into()),
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv4Addr::LOCALHOST.into(), 8)),
        GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv6Addr::LOCALHOST.into(), 128)),
    ];
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: loopback.into(), excluded_subtrees: Vec::new() });
    set_validity(&mut params, now, AUTHORITY_LIFETIME);
    params
}

fn server_params(
    name: &str,
    more_names: &[SanType],
    now: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
    params.subject_alt_names.extend_from_slice(more_names);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, SERVER_LIFETIME);
    Ok(params)
}

/// Backdated by a day for clients whose clock is behind.
fn set_validity(params: &mut CertificateParams, now: SystemTime, lifetime: Duration) {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch.saturating_sub(DAY);
    params.not_after = epoch + since_epoch + lifetime;
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> SandboxError {
    SandboxError::internal("could not make the server's certificate", error)
}

#[cfg(test)]
mod tests {
    use unattended_core::SystemEntropy;

    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    #[test]
    fn the_authority_stays_until_a_server_could_outlive_it() {
        let directory = DataDirectory::temporary(&SystemEntropy).unwrap();
        let authority = |now| {
            doors(&directory, now).unwrap();
            directory.read(DataDirectory::CA_CERTIFICATE).unwrap().unwrap()
        };
        let first = authority(now());
        assert_eq!(authority(now() + DAY * 3_000), first);
        assert_ne!(authority(now() + DAY * 3_300), first);
    }

    #[test]
    fn an_authority_that_begins_later_than_the_clock_says_keeps_its_key() {
        let directory = DataDirectory::temporary(&SystemEntropy).unwrap();
        let files = |now| {
            doors(&directory, now).unwrap();
            let read = |name| directory.read(name).unwrap().unwrap();
            (read(DataDirectory::CA_KEY), read(DataDirectory::CA_CERTIFICATE))
        };
        let first = files(now());
        let early = files(now() - DAY * 30);
        assert!(early.0 == first.0 && early.1 != first.1);
        assert_eq!(files(now()), early, "it is good now as well");
    }

    #[test]
    fn a_damaged_authority_is_replaced() {
        let directory = DataDirectory::temporary(&SystemEntropy).unwrap();
        doors(&directory, now()).unwrap();
        directory.write(DataDirectory::CA_KEY, b"not a key").unwrap();
        doors(&directory, now()).unwrap();
        assert_ne!(directory.read(DataDirectory::CA_KEY).unwrap().unwrap(), b"not a key");
    }
}
