//! The network as the configuration and the environment say.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use unattended_core::HttpClient;
use unattended_files::open_regular;
use unattended_identity::TlsIdentity;
use unattended_transport::{Transport, TransportBuilder, TransportError};

use crate::config::Application;
use crate::error::{BuildError, ExitClass};
use crate::ports::Ports;

/// Many times what all authorities of a system take.
const LONGEST_BUNDLE: u64 = 8 << 20;

/// The connections that everything shares. They show no certificate.
pub(crate) fn shared(application: &Application, ports: &Ports) -> Result<Arc<dyn HttpClient>, BuildError> {
    connections(application, ports, Ok)
}

/// Connections of their own, which show a certificate to the servers that ask for one.
pub(crate) fn showing(
    identity: &TlsIdentity,
    application: &Application,
    ports: &Ports,
) -> Result<Arc<dyn HttpClient>, BuildError> {
    connections(application, ports, |builder| {
        builder.client_identity_der(identity.chain(), identity.key().expose())
    })
}

fn connections(
    application: &Application,
    ports: &Ports,
    finish: impl FnOnce(TransportBuilder) -> Result<TransportBuilder, TransportError>,
) -> Result<Arc<dyn HttpClient>, BuildError> {
    if let Some(http) = &ports.http {
        return Ok(Arc::clone(http));
    }
    let unusable = |error: TransportError, message: String| {
        let remedy = error.remedy();
        BuildError::new(ExitClass::Configuration, message).mended_by(remedy).caused_by(error)
    };
    let mut builder = Transport::builder().proxies_from(|name| ports.environment.variable(name));
    if let Some(file) = &application.ca_file {
        let pem = read_bundle(file).map_err(|error| {
            BuildError::new(
                ExitClass::Configuration,
                format!("the ca-file {} cannot be read", file.display()),
            )
            .mended_by("correct `ca-file`, or let the daemon's user read the file")
            .caused_by(error)
        })?;
        builder = builder
            .extra_ca_pem(&pem)
            .map_err(|error| unusable(error, format!("the ca-file {} cannot be used", file.display())))?;
    }
    let transport = finish(builder)
        .and_then(TransportBuilder::build)
        .map_err(|error| unusable(error, "the network cannot be set up".to_owned()))?;
    Ok(Arc::new(transport))
}

fn read_bundle(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(LONGEST_BUNDLE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LONGEST_BUNDLE {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 8 MiB")),
        false => Ok(bytes),
    }
}
