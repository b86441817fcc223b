//! The ground floor: what every other crate of *Unattended* speaks, and nothing that does I/O.
//!
//! * **Names as types** ([`TenantId`], [`ClientId`], [`Scope`]): parsed once at the edge, so that a value that could
//!   never work (`common` as a tenant, an empty client id) is refused before anything is sent.
//! * **[`Secret`]**: wiped on drop, never printed, compared in constant time.
//! * **Ports**: [`Clock`], [`Entropy`], [`HttpClient`] and [`TokenSource`] are traits, so that time, randomness, the
//!   network and the identity platform are injected and every rule can be proven without waiting or connecting.
//! * **[`aadsts`]**: what each error code of the Microsoft identity platform means and who has to do what;
//!   **[`oauth_errors`]** the same for the codes of the OAuth standards.

pub mod aadsts;
mod clock;
mod deadline;
mod entropy;
mod http;
mod names;
pub mod oauth_errors;
mod possession;
mod redact;
mod retry_after;
mod secret;
mod token_source;
mod wiped;

pub use futures_core::future::BoxFuture;

#[cfg(feature = "test-util")]
pub use crate::clock::ManualClock;
pub use crate::clock::{Clock, Moment, SystemClock};
pub use crate::deadline::within;
#[cfg(feature = "test-util")]
pub use crate::entropy::SeededEntropy;
pub use crate::entropy::{Entropy, SystemEntropy};
pub use crate::http::{HttpClient, HttpError, HttpErrorKind, RequestBody, ResponseBody};
pub use crate::names::{ClientId, InvalidName, Scope, TenantId};
pub use crate::possession::Possession;
pub use crate::redact::{is_deceptive, redact_tokens, redact_url};
pub use crate::retry_after::{retry_after, server_time};
pub use crate::secret::Secret;
pub use crate::token_source::{Authorization, TokenDemand, TokenSource, TokenSourceError};
pub use crate::wiped::Wiped;
