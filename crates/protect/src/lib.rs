//! The resource side: a web API that serves applications without a user.
//!
//! A [`Validator`] turns a request's `Authorization` header into a [`Caller`]: signature by a key of the issuer
//! ([`KeySource`]), issuer bound to an accepted tenant, audience, lifetime, and the token is app-only. What the caller
//! may do is then a question of its application permissions ([`Caller::require_any_role`]). [`ProtectLayer`] does both
//! in front of a tower service.
//!
//! Refusals are a [`Rejection`] with the status and the challenge of RFC 6750 section 3; the API decides how its error
//! bodies look.

mod caller;
mod claims;
mod keys;
mod layer;
mod rejection;
mod validator;

pub use caller::{Caller, CredentialStrength, TokenVersion};
pub use keys::{InvalidKeySet, KeySource, StaticKeys, VerificationKey};
pub use layer::{Protect, ProtectLayer};
pub use rejection::{Rejection, RejectionKind};
pub use validator::{InvalidValidator, MAX_TOKEN_BYTES, Validator, ValidatorBuilder};
