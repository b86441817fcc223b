//! Who calls.

use std::time::SystemTime;

use unattended_core::{ClientId, TenantId};

use crate::rejection::{Rejection, RejectionKind};

/// An application that proved itself by a valid app-only token.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) client_id: ClientId,
    pub(crate) tenant_id: TenantId,
    pub(crate) object_id: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) version: TokenVersion,
    pub(crate) credential: CredentialStrength,
    pub(crate) not_before: Option<SystemTime>,
    pub(crate) expires_at: SystemTime,
    pub(crate) capabilities: Vec<String>,
    pub(crate) token_id: Option<String>,
}

/// Which of the platform's two token formats the caller showed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenVersion {
    /// `ver` is `1.0`.
    V1,
    /// `ver` is `2.0`, or absent as in the tokens of other issuers.
    V2,
}

/// How the application proved itself to the authority (`azpacr`, `appidacr`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CredentialStrength {
    /// The token does not say.
    Unstated,
    /// Not at all: a public client.
    None,
    /// By a client secret.
    Secret,
    /// By a signed assertion: a certificate or a federated credential.
    Assertion,
}

impl Caller {
    /// The application (client) ID: `azp` or `appid`.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The tenant whose administrator granted the permissions: `tid`.
    #[must_use]
    pub fn tenant_id(&self) -> &TenantId {
        &self.tenant_id
    }

    /// The object ID of the application's service principal in that tenant: `oid`.
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.object_id.as_deref()
    }

    /// The application permissions, in no particular order.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether the application holds a permission. Permissions compare case-sensitively.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Passes if the application holds any of these permissions.
    ///
    /// # Errors
    /// [`RejectionKind::MissingRole`] otherwise.
    pub fn require_any_role<R: AsRef<str>>(
        &self,
        roles: impl IntoIterator<Item = R>,
    ) -> Result<(), Rejection> {
        if roles.into_iter().any(|role| self.has_role(role.as_ref())) {
            return Ok(());
        }
        Err(Rejection::new(
            RejectionKind::MissingRole,
            "the application lacks the permission for this request",
        ))
    }

    /// The format of the token.
    #[must_use]
    pub fn token_version(&self) -> TokenVersion {
        self.version
    }

    /// How the application proved itself to the authority.
    #[must_use]
    pub fn credential_strength(&self) -> CredentialStrength {
        self.credential
    }

    /// When the token begins: `nbf`, else `iat`. What happened to the caller later, it does not know of.
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.not_before
    }

    /// Whether the caller understands a claims challenge in the answer of an API (`xms_cc` holds `cp1`). Only such a
    /// caller may be challenged, and it may hold its token for a day.
    #[must_use]
    pub fn understands_claims_challenges(&self) -> bool {
        self.capabilities.iter().any(|capability| capability.eq_ignore_ascii_case("cp1"))
    }

    /// When the token ends: `exp`.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// The identifier of the token, for correlation with the authority's log: `uti` or `jti`.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }
}
