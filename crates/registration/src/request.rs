//! What a registration shall look like.

use unattended_core::Secret;

use crate::permission::Permission;

/// The state to bring a directory to.
#[derive(Clone, Debug)]
pub struct RegistrationRequest {
    /// The name of the application; it is what makes a second run find it again.
    pub display_name: String,
    /// The application permissions to declare and, with `grant_admin_consent`, to grant.
    pub permissions: Vec<Permission>,
    /// How the application is to prove itself.
    pub credential: NewCredential,
    /// Whether to assign the roles as well. It takes an administrator's application.
    pub grant_admin_consent: bool,
}

/// How an application is to prove itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NewCredential {
    /// A certificate of an existing PEM text, with or without its private key; only the certificate is sent.
    ExistingCertificate(Secret),
    /// Whatever it has.
    Keep,
    /// A new self-signed certificate that is valid from now on. Its key exists nowhere but in the outcome: to be safe
    /// against a crash in between, make it with [`make_self_signed`](crate::make_self_signed), save it, and register
    /// it as an existing one.
    NewCertificate {
        /// How long it is valid.
        days: u32,
    },
    /// A new client secret; every registration adds another one.
    NewSecret {
        /// What it is for, as the portal shows it.
        display_name: String,
    },
}
