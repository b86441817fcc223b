//! What goes into an app-only access token.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use unattended_core::Entropy;
use uuid::Uuid;

use super::client_authentication::Proof;
use super::exchange::Exchange;
use super::origin::Origin;

/// Tokens are backdated for APIs whose clock is behind.
const BACKDATED: i64 = 300;

/// Where in the world every tenant of the sandbox is.
pub(crate) const REGION: &str = "EU";

/// Which of the two token formats; the resource decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The header: v1 tokens name their key twice.
#[derive(Debug, Serialize)]
pub(crate) struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<&'a str>,
    kid: &'a str,
}

impl<'a> Header<'a> {
    pub(crate) fn new(version: Version, kid: &'a str) -> Self {
        Self { typ: "JWT", alg: "RS256", x5t: (version == Version::V1).then_some(kid), kid }
    }
}

/// Who gets a token for what.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) version: Version,
    /// `aud`: the resource as it was requested, or its application id.
    pub(crate) audience: &'a str,
    /// The resource as it was requested.
    pub(crate) requested_resource: &'a str,
    pub(crate) resource_app_id: &'a str,
    pub(crate) tenant_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) client_object_id: &'a str,
    pub(crate) proof: Proof,
    pub(crate) roles: Arc<[String]>,
    /// Whether the token says outright that it is app-only.
    pub(crate) with_idtyp: bool,
    /// Whether the token says that its client handles claims challenges.
    pub(crate) with_capabilities: bool,
    /// Whether the token says where in the world its tenant is.
    pub(crate) with_region: bool,
    /// Seconds, as `expires_in` says. The token itself lives a second longer.
    pub(crate) lifetime: i64,
    /// What the token is bound to, if to anything.
    pub(crate) confirmation: Option<Confirmation>,
    /// The token does not begin before, and so is not among those that were revoked then. Unix seconds.
    pub(crate) not_before: Option<i64>,
}

/// The claims in the order in which the platform writes them.
#[derive(Debug, Serialize)]
pub(crate) struct Claims<'a> {
    aud: &'a str,
    iss: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    aio: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    appidacr: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azpacr: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idtyp: Option<&'static str>,
    oid: &'a str,
    rh: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'a [String],
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_region_scope: Option<&'static str>,
    tid: &'a str,
    uti: String,
    ver: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    xms_cc: &'static [&'static str],
}

/// `cnf`: who may show the token.
#[derive(Debug, Serialize)]
pub(crate) enum Confirmation {
    /// Who holds the certificate with this thumbprint (RFC 8705 section 3.1).
    #[serde(rename = "x5t#S256")]
    Certificate(String),
    /// Who signs requests with the key of this thumbprint.
    #[serde(rename = "kid")]
    Key(String),
}

impl Confirmation {
    /// What the type of such a token is called.
    pub(crate) fn token_type(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "mtls_pop",
            Self::Key(_) => "pop",
        }
    }
}

impl<'a> Claims<'a> {
    pub(crate) fn new(
        grant: &'a Grant<'_>,
        origin: &Origin,
        exchange: &Exchange,
        entropy: &dyn Entropy,
    ) -> Self {
        let is_v1 = grant.version == Version::V1;
        let iss = issuer(origin, grant.tenant_id, grant.version);
        let usual = exchange.now() - BACKDATED;
        let not_before =
            grant.not_before.map_or(usual, |least| least.clamp(usual, exchange.now() + BACKDATED));
        Claims {
            aud: grant.audience,
            iat: not_before,
            nbf: not_before,
            exp: exchange.now() + grant.lifetime + 1,
            aio: opaque(entropy),
            cnf: grant.confirmation.as_ref(),
            appid: is_v1.then_some(grant.client_id),
            appidacr: is_v1.then(|| grant.proof.as_claim()),
            azp: (!is_v1).then_some(grant.client_id),
            azpacr: (!is_v1).then(|| grant.proof.as_claim()),
            idp: is_v1.then(|| iss.clone()),
            iss,
            idtyp: grant.with_idtyp.then_some("app"),
            oid: grant.client_object_id,
            rh: refresh_handle(grant.tenant_id, grant.resource_app_id, entropy),
            roles: &grant.roles,
            sub: grant.client_object_id,
            tenant_region_scope: grant.with_region.then_some(REGION),
            tid: grant.tenant_id,
            uti: URL_SAFE_NO_PAD.encode(exchange.token_id()),
            ver: if is_v1 { "1.0" } else { "2.0" },
            xms_cc: if grant.with_capabilities { &["cp1"] } else { &[] },
        }
    }

    pub(crate) fn not_before(&self) -> i64 {
        self.nbf
    }

    pub(crate) fn expires_at(&self) -> i64 {
        self.exp
    }
}

/// The issuer of a tenant's tokens; `{tenantid}` for the tenant gives the template.
pub(crate) fn issuer(origin: &Origin, tenant_id: &str, version: Version) -> String {
    match version {
        Version::V1 => format!("{}/{tenant_id}/", origin.base()),
        Version::V2 => format!("{}/{tenant_id}/v2.0", origin.base()),
    }
}

/// `aio`: opaque to everyone but the platform.
fn opaque(entropy: &dyn Entropy) -> String {
    let mut bytes = entropy.bits().to_be_bytes().to_vec();
    bytes.extend(&entropy.bits().to_be_bytes()[..5]);
    format!("E2Ng{}", STANDARD.encode(bytes))
}

/// `rh`: tenant and resource in the byte order of a GUID, between opaque bytes.
fn refresh_handle(tenant_id: &str, resource_app_id: &str, entropy: &dyn Entropy) -> String {
    let guid = |id: &str| Uuid::try_parse(id).unwrap_or_default().to_bytes_le();
    let mut bytes = vec![0x01, 0x79, 0x00];
    bytes.extend(guid(tenant_id));
    bytes.extend(guid(resource_app_id));
    bytes.extend(&entropy.bits().to_be_bytes()[..3]);
    format!("1.{}.", URL_SAFE_NO_PAD.encode(bytes))
}
