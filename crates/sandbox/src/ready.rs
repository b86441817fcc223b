//! What a running sandbox tells its clients.

use std::path::PathBuf;

use serde::Serialize;

/// What a client of a sandbox has to know. Serializes to the object of the ready file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ready {
    /// `https://localhost:PORT`.
    pub authority: String,
    /// GUID.
    pub tenant_id: String,
    /// The tenant's first domain.
    pub tenant_domain: String,
    /// The base URL of the directory API.
    pub graph: String,
    /// What the scope of the directory API begins with.
    pub graph_resource: String,
    /// The base URL of the tenant's key vault.
    pub vault: String,
    /// The certificate to trust, PEM.
    pub ca_file: PathBuf,
    /// The application that registers others and grants them permissions.
    pub administrator: Administrator,
}

/// An application that may register applications and grant permissions.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Administrator {
    /// The application (client) ID.
    pub client_id: String,
    /// Holds the client secret; mode 0600.
    pub secret_file: PathBuf,
}
