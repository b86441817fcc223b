//! An application, its permissions, its credential and an administrator's consent, over the directory's own API.
//!
//! [`Registrar::register`] brings a directory to the state that a [`RegistrationRequest`] describes, in the order in
//! which a person would click through a portal:
//!
//! 1. the roles are looked up at the APIs that define them ([`Permission`]),
//! 2. the application: found by its display name, or created,
//! 3. the permissions that it asks for are declared,
//! 4. its service principal: what the tenant grants permissions to,
//! 5. its credential: a certificate or a secret ([`NewCredential`]),
//! 6. the administrator's consent: one role assignment for each permission.
//!
//! Each step looks first and reports a [`Change`]; doing it all again changes nothing. What others have added to the
//! application (permissions, certificates) stays.

mod certificate;
mod change;
mod credential;
mod directory;
mod error;
mod permission;
mod registrar;
mod request;

pub use crate::certificate::{Certificate, SelfSigned, make_self_signed};
pub use crate::change::{Change, ChangeKind, Step};
pub use crate::credential::RegisteredCredential;
pub use crate::error::Error;
pub use crate::permission::Permission;
pub use crate::registrar::{Registrar, Registration};
pub use crate::request::{NewCredential, RegistrationRequest};
