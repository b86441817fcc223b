//! Lends one application's calls to local programs in any language.
//!
//! A program that can speak HTTP over a Unix socket calls `/{api}/{path}`; the [`Sidecar`] calls the API with the
//! application's own token, with retries, throttling and paging, and passes the answer on. The program never sees a
//! token, unless its [`Grant`] says that it may borrow one.
//!
//! Who calls is what the operating system says ([`Peer`]), never what a request says; what it may do is in the
//! [`Policy`]. A request that came through a proxy or from a browser is refused, and so is one whose path two readers
//! could read differently.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | who the caller is, and what it may call |
//! | `GET`, `POST`, `PATCH`, `PUT`, `DELETE` `/{api}/{path}?{query}` | the API's |
//! | the same `GET` with `Prefer: unattended.all-pages` | every item of every page, one a line |
//! | `GET /token/{api}` | a token, for callers that may borrow it |
//!
//! It knows the APIs as [`Client`](unattended_webapi::Client)s and
//! [`TokenSource`](unattended_core::TokenSource)s; how a token is made or what a job is, it does not know.

mod all_pages;
mod call;
mod lend;
mod peer;
mod policy;
mod refusal;
mod route;
#[cfg(unix)]
mod serve;
mod sidecar;
#[cfg(unix)]
mod socket;
mod target;
mod vetting;

pub use crate::peer::Peer;
pub use crate::policy::{Grant, Policy};
pub use crate::route::{InvalidRoute, Route};
pub use crate::sidecar::{AnswerBody, Api, ReservedName, Sidecar};
#[cfg(unix)]
pub use crate::socket::{Access, Socket, SocketError};
