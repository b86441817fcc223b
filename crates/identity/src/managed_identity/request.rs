//! What each host is asked, and how.

use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use unattended_core::{Secret, redact_url};
use zeroize::Zeroizing;

use super::host::{ManagedIdentityHost as Host, ManagedIdentityId as Id};
use crate::error::Error;

/// Whether `host` can give the identity `id`, and may be sent what it is sent.
pub(super) fn check(host: &Host, id: &Id) -> Result<(), Error> {
    parameter(host, id)?;
    let endpoint = host.endpoint();
    let scheme = endpoint.parse::<http::Uri>().ok().and_then(|uri| uri.scheme_str().map(str::to_owned));
    match (scheme.as_deref(), host) {
        (Some("https"), _) => Ok(()),
        // The secret in the header goes over the wire to a service that the thumbprint is to prove.
        (Some("http"), Host::ServiceFabric { .. }) | (None | Some(_), Host::ServiceFabric { .. }) => {
            Err(Error::configuration(format!("`{}` is not https", redact_url(endpoint))))
        }
        (Some("http"), _) => Ok(()),
        _ => Err(Error::configuration(format!("`{}` is no URL", redact_url(endpoint)))),
    }
}

/// The request for a token of `resource`; `proof` is what the Arc agent's challenge led to.
pub(super) fn build(
    host: &Host,
    id: &Id,
    resource: &str,
    proof: Option<&Secret>,
) -> Result<Request<Bytes>, Error> {
    let parameter = parameter(host, id)?;
    let mut query = match host {
        Host::Imds { .. } => "api-version=2018-02-01".to_owned(),
        Host::AppService { .. } => "api-version=2019-08-01".to_owned(),
        Host::Arc { .. } => "api-version=2020-06-01".to_owned(),
        Host::ServiceFabric { .. } => "api-version=2019-07-01-preview".to_owned(),
        Host::MachineLearning { .. } => "api-version=2017-09-01".to_owned(),
        Host::CloudShell { .. } => String::new(),
    };
    let mut add = |name: &str, value: &str| {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.extend(byte_serialize(value.as_bytes()));
    };
    add("resource", resource);
    if let Some((name, value)) = parameter {
        add(name, value);
    }
    let endpoint = host.endpoint().trim_end_matches('/');
    let request = match host {
        Host::CloudShell { .. } => Request::post(endpoint)
            .header("Metadata", "true")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(query)),
        _ => {
            let path = if matches!(host, Host::Imds { .. }) { "/metadata/identity/oauth2/token" } else { "" };
            let mut request = Request::get(format!("{endpoint}{path}?{query}"));
            request = match host {
                Host::AppService { header, .. } => request.header("X-IDENTITY-HEADER", secret(header)?),
                Host::ServiceFabric { header, .. } => request.header("secret", secret(header)?),
                Host::MachineLearning { secret: value, .. } => request.header("secret", secret(value)?),
                _ => request.header("Metadata", "true"),
            };
            if let Some(proof) = proof {
                let proof = proof.expose_text().unwrap_or_default().trim();
                let basic = Zeroizing::new(format!("Basic {proof}"));
                request = request.header(AUTHORIZATION, secret(&Secret::from(basic.as_str()))?);
            }
            request.body(Bytes::new())
        }
    };
    request.map_err(|cause| {
        let endpoint = redact_url(endpoint);
        Error::configuration(format!("`{endpoint}` cannot be requested")).caused_by(cause)
    })
}

/// How the host is told which identity is wanted: each has its own names, and some have none.
fn parameter<'a>(host: &'a Host, id: &'a Id) -> Result<Option<(&'static str, &'a str)>, Error> {
    let refused = |reason: &str| Err(Error::configuration(format!("{} {reason}", host.name())));
    match (host, id) {
        (Host::MachineLearning { default_client_id, .. }, Id::System) => {
            Ok(default_client_id.as_deref().map(|id| ("clientid", id)))
        }
        (_, Id::System) => Ok(None),
        (Host::Imds { .. } | Host::AppService { .. }, Id::ClientId(id)) => Ok(Some(("client_id", id))),
        (Host::Imds { .. } | Host::AppService { .. }, Id::ObjectId(id)) => Ok(Some(("object_id", id))),
        (Host::Imds { .. }, Id::ResourceId(id)) => Ok(Some(("msi_res_id", id))),
        (Host::AppService { .. }, Id::ResourceId(id)) => Ok(Some(("mi_res_id", id))),
        (Host::MachineLearning { .. }, Id::ClientId(id)) => Ok(Some(("clientid", id))),
        (Host::MachineLearning { .. }, _) => refused("knows identities by their client id only"),
        (Host::ServiceFabric { .. }, _) => {
            refused("gives the identity that the application's manifest names, and no other")
        }
        (Host::Arc { .. }, _) => refused("gives the identity of the machine, and no other"),
        (Host::CloudShell { .. }, _) => {
            refused("gives the identity of the person who opened it, and no other")
        }
    }
}

fn secret(value: &Secret) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_bytes(value.expose())
        .map_err(|_| Error::credential("the secret of the identity endpoint cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
