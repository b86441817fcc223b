//! Why a sandbox does not start or do what it was asked to.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::store::StoreError;

/// Why a sandbox does not start, cannot be emptied, or got no further tenant.
#[derive(Debug)]
pub struct SandboxError {
    kind: Kind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    NotLoopback,
    AddressInUse,
    TenantName,
    TenantExists,
    NoAdministrator,
    Held,
    Directory,
    Store(Option<&'static str>),
    Internal,
}

impl SandboxError {
    pub(crate) fn not_loopback(address: SocketAddr) -> Self {
        Self {
            kind: Kind::NotLoopback,
            message: format!("the sandbox does not listen on {address}: only this machine may reach it"),
            source: None,
        }
    }

    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        let kind =
            if source.kind() == io::ErrorKind::AddrInUse { Kind::AddressInUse } else { Kind::Internal };
        Self { kind, message: format!("could not listen on {address}"), source: Some(source.into()) }
    }

    pub(crate) fn tenant_name(name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        Self { kind: Kind::TenantName, message: format!("`{name}` is no name of a tenant"), source: None }
    }

    pub(crate) fn tenant_exists(name: &str) -> Self {
        let message = format!("there is a tenant `{name}` already");
        Self { kind: Kind::TenantExists, message, source: None }
    }

    pub(crate) fn no_administrator(tenant: &str) -> Self {
        let message = format!("the administrator's application of {tenant} was deleted");
        Self { kind: Kind::NoAdministrator, message, source: None }
    }

    pub(crate) fn held(directory: &Path) -> Self {
        let message = format!("`{}` is in use by another sandbox", directory.display());
        Self { kind: Kind::Held, message, source: None }
    }

    pub(crate) fn file(action: &str, path: &Path, source: io::Error) -> Self {
        let message = format!("could not {action} `{}`", path.display());
        Self { kind: Kind::Directory, message, source: Some(source.into()) }
    }

    pub(crate) fn internal(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind: Kind::Internal, message: message.into(), source: Some(source.into()) }
    }

    /// Whether the address is one that other machines reach.
    #[must_use]
    pub fn is_not_loopback(&self) -> bool {
        self.kind == Kind::NotLoopback
    }

    /// Whether another program listens on the address.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        self.kind == Kind::AddressInUse
    }

    /// Whether a tenant was not added for its name: the name is none, or it is taken.
    #[must_use]
    pub fn is_tenant_refused(&self) -> bool {
        matches!(self.kind, Kind::TenantName | Kind::TenantExists)
    }

    /// Whether another sandbox works in the directory.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.kind == Kind::Held
    }

    /// What an operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self.kind {
            Kind::NotLoopback => {
                Some("listen on 127.0.0.1 or [::1]; in a container, see `--expose-to-network`")
            }
            Kind::AddressInUse => Some("choose another port, or port 0 for any free one"),
            Kind::TenantName => Some("use up to 27 small letters, digits and hyphens, such as `fabrikam`"),
            Kind::TenantExists => Some("choose another name, or use the tenant that is there"),
            Kind::NoAdministrator => Some(
                "start the sandbox again, which makes another one, or go back with `unattended sandbox reset`",
            ),
            Kind::Held => Some("stop the other sandbox, or use another directory"),
            Kind::Directory => Some("check that the directory belongs to you and can be written"),
            Kind::Store(remedy) => remedy,
            Kind::Internal => None,
        }
    }
}

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for SandboxError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<StoreError> for SandboxError {
    fn from(source: StoreError) -> Self {
        Self {
            kind: Kind::Store(source.remedy()),
            message: "the sandbox's data cannot be used".into(),
            source: Some(source.into()),
        }
    }
}
