//! A configuration that holds together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use unattended_core::{ClientId, Scope, TenantId};
use unattended_identity::{ManagedIdentityId, Region, SigningAlgorithm};
use url::Url;

use super::reference::SecretReference;

/// `unattended.toml`, read and checked. Nothing in it is a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Who the daemon is.
    pub application: Application,
    /// The web APIs it calls, by name.
    pub apis: BTreeMap<String, Api>,
    /// The work it does, by name.
    pub jobs: BTreeMap<String, Job>,
    /// Which local programs may call the APIs.
    pub sidecar: Sidecar,
}

/// `[application]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Application {
    /// The application (client) ID.
    pub client_id: ClientId,
    /// Who issues its tokens.
    pub authority: Authority,
    /// Its credentials in order of preference; never empty.
    pub credentials: Vec<Credential>,
    /// What it says that it can handle, such as `cp1`.
    pub capabilities: Vec<String>,
    /// How a secret is sent to the token endpoint; the authority's own choice if not given.
    pub token_endpoint_auth_method: Option<SecretMethod>,
    /// Where tokens are shared with other processes, and kept for the next start; in memory alone if not given.
    pub token_store: Option<TokenStore>,
    /// A PEM bundle trusted beside the system's roots.
    pub ca_file: Option<PathBuf>,
    /// Where runs, checkpoints and journals are kept.
    pub state_directory: PathBuf,
    /// Whether `http://` is accepted for loopback addresses.
    pub allow_insecure_loopback: bool,
}

/// Who issues tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Authority {
    /// The Microsoft identity platform, or a sandbox of it.
    Microsoft {
        /// Scheme and host, such as `https://login.microsoftonline.com`, without a slash at the end.
        host: String,
        /// The tenant that the application acts in.
        tenant: TenantId,
        /// Whose hosts are asked, if not the global ones.
        region: Option<Region>,
    },
    /// Active Directory Federation Services, by the URL that ends in `/adfs`.
    FederationServices(String),
    /// Any other OAuth 2.0 authorization server, by its issuer identifier (RFC 8414 section 2).
    Issuer(String),
}

impl Authority {
    /// Scheme, host and what else names it.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Microsoft { host, .. } => host,
            Self::FederationServices(url) | Self::Issuer(url) => url,
        }
    }

    /// The tenant, where there are tenants.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Microsoft { tenant, .. } => Some(tenant),
            _ => None,
        }
    }
}

/// `[application.token-store]`: where tokens are kept beside the memory, encrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TokenStore {
    /// The place.
    pub place: TokenStorePlace,
    /// The keys that entries are encrypted with; the first one seals, all of them open. Never empty.
    pub keys: Vec<SecretReference>,
}

/// A place that tokens are kept in.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenStorePlace {
    /// A file for each token.
    Directory(PathBuf),
    /// One database.
    Sqlite(PathBuf),
    /// A server that several machines share.
    Redis {
        /// `redis://host:6379/0`, without a password.
        url: Url,
        /// What the server asks for.
        password: Option<SecretReference>,
    },
}

impl TokenStore {
    /// Every place that something secret is read from.
    #[must_use]
    pub fn references(&self) -> Vec<&SecretReference> {
        let password = match &self.place {
            TokenStorePlace::Redis { password, .. } => password.as_ref(),
            _ => None,
        };
        self.keys.iter().chain(password).collect()
    }
}

/// How a client secret is sent (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretMethod {
    /// In the body of the request.
    ClientSecretPost,
    /// In an `Authorization: Basic` header.
    ClientSecretBasic,
}

/// One `[[application.credentials]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Credential {
    /// A certificate and its private key.
    Certificate(Certificate),
    /// A client secret.
    Secret(SecretReference),
    /// A file with a signed assertion that another program keeps up to date.
    AssertionFile(PathBuf),
    /// A program that prints a signed assertion.
    AssertionCommand(Vec<String>),
    /// A URL that answers with a signed assertion.
    AssertionUrl(AssertionUrl),
    /// The identity of the job of GitHub Actions that this runs in, for an audience.
    GithubActions(String),
    /// The identity of a service connection of Azure Pipelines, by its id.
    AzurePipelines(String),
    /// A managed identity of Azure that vouches for the application.
    ManagedIdentity(ManagedIdentity),
    /// The service account of the Kubernetes pod that this runs in.
    WorkloadIdentity,
}

/// A certificate, and how it is used.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Certificate {
    /// PEM or PKCS#12 with the private key and its certificate; PEM with the certificate alone beside `signer`.
    pub file: SecretReference,
    /// What protects the private key, if anything does.
    pub password: Option<SecretReference>,
    /// What assertions are signed with; the key's own choice if not given.
    pub algorithm: Option<SigningAlgorithm>,
    /// Whether the certificate is sent with its issuers (`x5c`).
    pub send_chain: bool,
    /// Whether it is shown in the TLS handshake (RFC 8705) instead of signing assertions.
    pub mutual_tls: bool,
    /// Who signs, if the private key is elsewhere.
    pub signer: Option<Signer>,
}

/// Who signs with a private key that is not in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Signer {
    /// A program with its arguments.
    Command(Vec<String>),
    /// A token of a PKCS#11 module.
    Module(Pkcs11),
}

/// A private key in a token of a PKCS#11 module.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Pkcs11 {
    /// The shared library.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The label of the private key.
    pub key: String,
    /// What opens the token.
    pub pin: SecretReference,
}

/// A URL that answers with a signed assertion.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AssertionUrl {
    /// The URL.
    pub url: Url,
    /// What is sent as `Authorization: Bearer`.
    pub bearer: Option<SecretReference>,
    /// The member of the JSON answer that is the assertion; the whole answer if not given.
    pub json_member: Option<String>,
}

/// Which managed identity vouches, and for whom.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ManagedIdentity {
    /// Which of those that the machine has.
    pub id: ManagedIdentityId,
    /// The audience that the federated identity credential names.
    pub audience: String,
}

impl Credential {
    /// The key of the configuration that says what it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Secret(_) => "secret",
            Self::AssertionFile(_) => "assertion-file",
            Self::AssertionCommand(_) => "assertion-command",
            Self::AssertionUrl(_) => "assertion-url",
            Self::GithubActions(_) => "github-actions",
            Self::AzurePipelines(_) => "azure-pipelines",
            Self::ManagedIdentity(_) => "managed-identity",
            Self::WorkloadIdentity => "workload-identity",
        }
    }

    /// Every place that something secret is read from.
    #[must_use]
    pub fn references(&self) -> Vec<&SecretReference> {
        match self {
            Self::Certificate(certificate) => {
                let pin = match &certificate.signer {
                    Some(Signer::Module(module)) => Some(&module.pin),
                    _ => None,
                };
                [&certificate.file].into_iter().chain(&certificate.password).chain(pin).collect()
            }
            Self::Secret(reference) => vec![reference],
            Self::AssertionUrl(url) => url.bearer.iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// Where it comes from, as a report names it.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(certificate) => certificate.file.fmt(f),
            Self::Secret(reference) => reference.fmt(f),
            Self::AssertionFile(path) => write!(f, "assertion-file {}", path.display()),
            Self::AssertionCommand(argv) => {
                write!(f, "assertion-command {}", argv.first().map_or("", String::as_str))
            }
            Self::AssertionUrl(url) => {
                write!(f, "assertion-url {}", unattended_core::redact_url(url.url.as_str()))
            }
            Self::GithubActions(_) | Self::AzurePipelines(_) | Self::WorkloadIdentity => {
                f.write_str(self.kind())
            }
            Self::ManagedIdentity(identity) => match &identity.id {
                ManagedIdentityId::ClientId(id) => write!(f, "managed-identity client-id:{id}"),
                ManagedIdentityId::ObjectId(id) => write!(f, "managed-identity object-id:{id}"),
                ManagedIdentityId::ResourceId(id) => write!(f, "managed-identity resource-id:{id}"),
                _ => f.write_str("managed-identity system"),
            },
        }
    }
}

/// One `[apis.NAME]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Api {
    /// Every path is relative to this.
    pub base_url: Url,
    /// The scope of its tokens.
    pub scope: Scope,
    /// The resource indicator of its tokens (RFC 8707), at authorization servers that know it.
    pub resource: Option<String>,
    /// What its tokens are bound to, if they are.
    pub token_binding: Option<TokenBinding>,
    /// What else the request for its tokens says, by name.
    pub token_parameters: BTreeMap<String, String>,
    /// The app roles that the jobs need of it.
    pub roles: Vec<String>,
    /// Whether an advanced query of the directory gets the header and the count that it needs.
    pub advanced_queries: bool,
    /// Whether bodies are sent compressed.
    pub compress_requests: bool,
    /// Whether a read that is late gets a copy.
    pub hedge_reads: bool,
    /// Whether reads of the same moment share a batch.
    pub coalesce_reads: bool,
}

/// What a token can be bound to, so that it is of no use to who steals it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenBinding {
    /// The certificate that the application shows in the TLS handshake (RFC 8705; `mtls_pop` at the Microsoft identity
    /// platform).
    Certificate,
    /// A key that the daemon makes for itself (DPoP, RFC 9449).
    Key,
}

/// `[sidecar]`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sidecar {
    /// Who may call what; without a list, the user that the sidecar runs as, and the superuser.
    pub allow: Option<Vec<unattended_sidecar::Grant>>,
}

/// One `[jobs.NAME]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job {
    /// When it runs by itself; only by name if not given.
    pub schedule: Option<unattended_jobs::Schedule>,
    /// Whether it asks to be throttled before others.
    pub is_low_priority: bool,
    /// What it does.
    pub work: Work,
}

/// What a job does.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// Makes the entities of a web API what a file says.
    Provision {
        /// A key of [`Config::apis`].
        api: String,
        /// The collection, such as `/users`.
        resource: String,
        /// The file with the desired entities, `.csv` or `.ndjson`.
        source: PathBuf,
        /// The attribute that tells which entity a row is.
        match_on: String,
        /// Where rows that cannot be provisioned are written, with line and reason.
        rejects: PathBuf,
    },
    /// Writes what a web API returns, page by page, to a file.
    Export {
        /// A key of [`Config::apis`].
        api: String,
        /// The path to read, with its query.
        read: String,
        /// The NDJSON file.
        to: PathBuf,
    },
}

impl Work {
    /// The name of the API that it calls.
    #[must_use]
    pub fn api(&self) -> &str {
        match self {
            Self::Provision { api, .. } | Self::Export { api, .. } => api,
        }
    }

    /// The file that it writes.
    #[must_use]
    pub fn output(&self) -> &Path {
        match self {
            Self::Provision { rejects, .. } => rejects,
            Self::Export { to, .. } => to,
        }
    }
}
