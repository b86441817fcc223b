//! How the application proves that it is itself.
//!
//! # Why is a credential asked for every request, and not read once?
//!
//! The obvious design reads the secret, or signs the assertion, when the client is built. Both go bad while the program
//! runs: secrets are rotated, files are exchanged, an assertion is over after ten minutes. A program that runs for
//! months sees all of it, and then only a restart helps, which nobody is there to do. So each attempt that leaves the
//! machine asks anew, and what is read or signed is as young as the request. It costs a file or a signature every half
//! hour: a token that is in the cache asks nobody.
//!
//! # Why an epoch?
//!
//! What a server said about a credential, that it is wrong or that it should wait, is about what the credential was at
//! that moment. Held against what has taken its place, it makes a mended secret fail on for minutes. The
//! [epoch](Credential::epoch) tells the two apart, so that only the old one is remembered for it.
//!
//! # Why several of them?
//!
//! During a rotation nobody knows which of two secrets a server takes: a directory replicates, files reach machines one
//! by one, and a single credential has to be exchanged at the right moment, which there is not. Several are tried in the
//! order of preference. One that is refused, or that cannot be had, steps back for ten minutes and then leads again, so that
//! the new one takes over by itself and the old one is not used for ever; and if all are refused, it is the failure of the
//! preferred one that is told, because that is the one that somebody has to mend.
//!
//! # Why may the private key be elsewhere?
//!
//! A key that never was in this process cannot be read out of it. A [`Signer`] is given a digest and gives a signature;
//! that is compared with the certificate before anything is sent, so that the wrong key is found here, with its name,
//! and not at a server that says it found no key.

mod assertion;
mod certificate;
#[cfg(feature = "command")]
mod command;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod roster;
mod secret;
mod signer;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod watched;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use unattended_core::{BoxFuture, Entropy, TenantId};

#[cfg(feature = "command")]
pub use self::assertion::AssertionCommand;
pub use self::assertion::{
    AssertionFile, AssertionRequest, AssertionSource, AssertionUrl, SignedAssertion, TOKEN_EXCHANGE_AUDIENCE,
};
pub use self::certificate::{ClientCertificate, SigningAlgorithm};
#[cfg(feature = "command")]
pub use self::command::SignerCommand;
#[cfg(feature = "pkcs11")]
pub use self::pkcs11::Pkcs11Signer;
pub(crate) use self::roster::Roster;
pub use self::secret::{ClientSecret, SecretMethod};
pub use self::signer::Signer;
pub use self::tls::{TlsClientCertificate, TlsIdentity};
pub use self::watched::{CredentialSource, WatchedCredential};
use crate::error::Error;
use crate::token_request::TokenRequest;

/// Proves the client to the token endpoint (RFC 6749 section 2.3, RFC 7521 section 4.2).
///
/// Called once for every attempt that leaves the machine, never for a token that is in the cache. Dropping the future
/// must harm nothing.
pub trait Credential: fmt::Debug + Send + Sync + 'static {
    /// Adds what proves the client to `request`.
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// A number that changes whenever another secret, key or file content has taken the place of the one before. What
    /// a server said to the old one, such as to be patient, is no longer held against the new one.
    fn epoch(&self) -> u64 {
        0
    }

    /// Looks for something new after the server refused what the credential gave it, and says whether there is: then
    /// the request is worth another attempt.
    fn reload(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    /// The SHA-256 thumbprint of the certificate that connections show for this credential, if it is of that kind. A
    /// token that is bound to another certificate is not served any more.
    fn shown_certificate(&self) -> Option<[u8; 32]> {
        None
    }

    /// From when on the credential is accepted, if that is known.
    fn not_before(&self) -> Option<SystemTime> {
        None
    }

    /// Until when the credential is accepted, if that is known.
    fn not_after(&self) -> Option<SystemTime> {
        None
    }

    /// What this credential is, in words that may be logged.
    fn describe(&self) -> String;
}

impl<C: Credential + ?Sized> Credential for Arc<C> {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        (**self).authenticate(context, request)
    }

    fn epoch(&self) -> u64 {
        (**self).epoch()
    }

    fn reload(&self) -> BoxFuture<'_, bool> {
        (**self).reload()
    }

    fn shown_certificate(&self) -> Option<[u8; 32]> {
        (**self).shown_certificate()
    }

    fn not_before(&self) -> Option<SystemTime> {
        (**self).not_before()
    }

    fn not_after(&self) -> Option<SystemTime> {
        (**self).not_after()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// What a credential may need to know of the request that it is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthenticationContext<'a> {
    /// The client identifier.
    pub client_id: &'a str,
    /// The tenant, where the server has tenants.
    pub tenant: Option<&'a TenantId>,
    /// The token endpoint: the audience of an assertion (RFC 7523 section 3).
    pub token_endpoint: &'a str,
    /// The methods for secrets that the server's metadata lists, if it lists any.
    pub secret_methods: Option<&'a [String]>,
    /// Whether the server is the Microsoft identity platform.
    pub is_microsoft: bool,
    /// Wall time: the machine's, or the server's once that has refused the machine's.
    pub now: SystemTime,
    /// How long before `now` an assertion begins to be valid: not at all, unless the clocks were seen to differ.
    pub leeway: Duration,
    /// The identifier that all attempts of one acquisition carry (`client-request-id`).
    pub correlation_id: &'a str,
    /// The claims that the request asks for, as JSON: who gets its assertion from another server may pass them on.
    pub claims: Option<&'a str>,
    pub(crate) parameters: &'a BTreeMap<Box<str>, Box<str>>,
    pub(crate) entropy: &'a dyn Entropy,
}

impl AuthenticationContext<'_> {
    /// An identifier that nothing else has (`jti`), another one each time.
    #[must_use]
    pub fn unique_id(&self) -> String {
        self.entropy.uuid()
    }

    /// What the application adds to the form of the token request, by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }
}
