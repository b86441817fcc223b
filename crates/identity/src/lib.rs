//! Credentials in, tokens out: an application acquires access tokens **as itself**, with the OAuth 2.0 client
//! credentials grant (RFC 6749 section 4.4) on the Microsoft identity platform or on any standard server.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use unattended_core::{ClientId, HttpClient, Scope, Secret, TenantId};
//! # use unattended_identity::{Authority, ClientCertificate, ConfidentialClient, Freshness};
//! # async fn run(http: Arc<dyn HttpClient>, pem: Secret) -> Result<(), Box<dyn std::error::Error>> {
//! let tenant = TenantId::parse("contoso.onmicrosoft.com")?;
//! let authority = Authority::microsoft("https://login.microsoftonline.com", &tenant)?;
//! let client = ConfidentialClient::builder(authority, ClientId::parse("00000000-0000-0000-0000-000000000001")?)
//!     .credential(ClientCertificate::from_pem(&pem)?)
//!     .http(http)
//!     .build()?;
//! let graph = client.for_scope(Scope::default_of("https://graph.microsoft.com")?)?;
//! let token = graph.acquire(Freshness::Cached).await?;
//! # Ok(()) }
//! ```
//!
//! # How a token is kept
//!
//! One token per key is kept in memory; the key is a struct of everything that can change the token, so that no two
//! different requests can ever share an answer. Reading a live token takes no lock. A miss, or a token that is due for
//! renewal, starts a *flight*: a task of its own which any number of callers wait on and none of them owns, so that
//! dropping a caller harms nobody and a thousand callers cause one request. **While a token lives it is served**:
//! renewal happens in the background from half of its life on (or when the server says), and a failed renewal is tried
//! again later without anybody noticing.
//!
//! # How a failure is told
//!
//! [`Error`] says what class of thing is wrong, which `AADSTS` codes the server gave, who has to act, and when asking
//! again makes sense. A server that asked for patience is not asked again before that time, by anyone.
//!
//! # Where to go on
//!
//! * [`Authority`]: clouds by name, regions, AD FS, external tenants, any issuer.
//! * [`ConfidentialClient::for_tenant`]: one application in many tenants.
//! * [`TlsClientCertificate`] and [`DpopKey`]: tokens that are of no use to who steals them.
//! * [`ScopedToken::cached`]: the token in memory, without waiting.
//! * [`TokenStore`] and [`SealingKeys`]: tokens that several processes share.

mod assertion;
mod authority;
#[cfg(feature = "azure-core")]
mod azure_core;
#[cfg(feature = "tower")]
mod bearer;
mod bound;
mod cache;
mod claims;
mod client;
mod credential;
mod deadline;
mod error;
mod exchange;
mod flight;
mod managed_identity;
mod profile;
mod refresh;
mod server_clock;
mod store;
mod token;
mod token_request;
mod token_response;

#[cfg(test)]
mod test_support;

pub use crate::authority::{Authority, Cloud, Region};
#[cfg(feature = "tower")]
pub use crate::bearer::{Bearer, BearerLayer};
pub use crate::bound::DpopKey;
pub use crate::cache::{CacheLimits, CacheStatistics};
pub use crate::client::{ConfidentialClient, ConfidentialClientBuilder, Freshness, ScopedToken};
#[cfg(feature = "pkcs11")]
pub use crate::credential::Pkcs11Signer;
#[cfg(feature = "command")]
pub use crate::credential::{AssertionCommand, SignerCommand};
pub use crate::credential::{
    AssertionFile, AssertionRequest, AssertionSource, AssertionUrl, AuthenticationContext, ClientCertificate,
    ClientSecret, Credential, CredentialSource, SecretMethod, SignedAssertion, Signer, SigningAlgorithm,
    TOKEN_EXCHANGE_AUDIENCE, TlsClientCertificate, TlsIdentity, WatchedCredential,
};
pub use crate::error::{Error, ErrorKind};
pub use crate::managed_identity::{
    ManagedIdentity, ManagedIdentityHost, ManagedIdentityId, ManagedIdentityToken, WorkloadIdentity,
};
pub use crate::profile::RESERVED_PARAMETERS;
pub use crate::store::{SealingKeys, StoreError, StoreKey, StoreStatistics, TokenStore};
pub use crate::token::{AccessToken, CachedToken, FetchReason, TokenOrigin};
pub use crate::token_request::TokenRequest;
