//! Where the hosts are, and what proves to each of them who may ask.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::SandboxError;
use crate::data_directory::DataDirectory;
use crate::store::{Store, StoreError};

/// The header that App Service wants.
pub(super) const IDENTITY_HEADER: HeaderName = HeaderName::from_static("x-identity-header");

/// One of the places where programs run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Host {
    VirtualMachine,
    AppService,
    Arc,
}

impl Host {
    pub(super) const ALL: [Self; 3] = [Self::VirtualMachine, Self::AppService, Self::Arc];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::VirtualMachine => "/metadata/identity/oauth2/token",
            Self::AppService => "/managed-identity/app-service",
            Self::Arc => "/managed-identity/arc",
        }
    }

    /// The first version of its API that is served, by its date.
    pub(super) fn first_version(self) -> &'static str {
        match self {
            Self::VirtualMachine => "2018-02-01",
            Self::AppService => "2019-08-01",
            Self::Arc => "2019-11-01",
        }
    }
}

/// Where the hosts of this sandbox are.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    store: Arc<Store>,
    /// `https://localhost:PORT`.
    base: String,
    directory: PathBuf,
}

impl Hosts {
    pub(crate) fn new(store: &Arc<Store>, directory: &DataDirectory, base: &str) -> Self {
        let path = directory.file(DataDirectory::ARC_KEY);
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self { store: Arc::clone(store), base: base.to_owned(), directory }
    }

    /// What programs have to be told.
    pub(crate) fn describe(&self) -> Result<Value, StoreError> {
        let endpoint = |host: Host| format!("{}{}", self.base, host.path());
        Ok(json!({
            "imds": { "endpoint": self.base },
            "app-service": { "endpoint": endpoint(Host::AppService), "header": self.secret("identity-header")? },
            "arc": { "endpoint": endpoint(Host::Arc), "tokensDirectory": self.directory },
        }))
    }

    /// Whether a request to App Service knows its secret.
    pub(super) fn knows_header(&self, headers: &HeaderMap) -> Result<bool, StoreError> {
        let given = headers.get(IDENTITY_HEADER).map_or(&b""[..], |value| value.as_bytes());
        Ok(is_equal(given, self.secret("identity-header")?.as_bytes()))
    }

    /// Whether this is what stands in the file that the Arc agent's challenge names.
    pub(super) fn knows_file(&self, given: &[u8]) -> Result<bool, StoreError> {
        Ok(is_equal(given, self.secret("arc-key")?.as_bytes()))
    }

    /// The file that a challenge of the Arc agent names, which only the owner of the sandbox can read.
    pub(super) fn challenge_file(&self) -> Result<PathBuf, SandboxError> {
        let path = self.directory.join(DataDirectory::ARC_KEY);
        let key = self.secret("arc-key")?;
        unattended_files::write_private(&path, key.as_bytes())
            .map_err(|error| SandboxError::file("write", &path, error))?;
        Ok(path)
    }

    fn secret(&self, name: &'static str) -> Result<String, StoreError> {
        Ok(URL_SAFE_NO_PAD.encode(self.store.secret_setting(name)?))
    }
}

/// Compares in a time that says nothing about where the two differ.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    digest(&SHA256, left).as_ref().ct_eq(digest(&SHA256, right).as_ref()).into()
}
