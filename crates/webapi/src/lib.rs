//! Calling a protected web API well, as an application and without a user.
//!
//! A [`Client`] speaks to **one** API, named by its base URL. Every request, every page and every batch goes through
//! the same layers, always in this order:
//!
//! 1. the operation and its deadline ([`RetryPolicy`]),
//! 2. paging ([`Pages`]) and batching ([`BatchRequest`]),
//! 3. the circuit breaker: an API that fails at every second request is left alone for a while,
//! 4. retry: only what can be repeated without doing it twice ([`RequestClass`]), and only a tenth more than there
//!    are requests,
//! 5. the gate: once the API says "not before T", nobody of this application and tenant goes there before T, in other
//!    processes either if they share a [`GateLedger`]; and a place among all requests of the process, which tenants get in turn ([`Traffic`]),
//! 6. the attempt, with a `client-request-id` of its own and time limits ([`Timeouts`]),
//! 7. authentication: the token is asked for at every attempt; a refused one is replaced once,
//!    and so is one that may be older than the permission that it lacks,
//! 8. the bearer: the `Authorization` header is attached here and nowhere else, for the API's own origin alone.
//!
//! The client knows no credential and no transport: it takes [`TokenSource`](unattended_core::TokenSource),
//! [`HttpClient`](unattended_core::HttpClient), [`Clock`](unattended_core::Clock) and
//! [`Entropy`](unattended_core::Entropy) as ports.

mod authenticate;
mod batch;
mod bearer;
mod body;
mod breaker;
mod budget;
mod challenge;
mod client;
mod coalesce;
mod compression;
mod conditional;
mod deadline;
mod delta;
mod download;
mod error;
pub mod fault;
mod gate;
mod hedge;
mod limits;
mod metrics;
mod odata_error;
mod operation;
mod origin;
mod pages;
mod parallel;
mod payload;
mod permissions;
mod query;
mod refused_token;
mod request;
mod response;
mod retry;
mod seen;
mod traffic;
mod upload;

pub use crate::batch::{BatchOutcome, BatchRequest, BatchResponse};
pub use crate::client::{Client, ClientBuilder};
pub use crate::conditional::{Current, Updated};
pub use crate::deadline::Timeouts;
pub use crate::delta::{
    Change, Delta, DeltaEvent, DeltaPage, DeltaState, DeltaStore, Removal, ResyncReason, is_delta, last_wins,
};
pub use crate::download::Download;
pub use crate::error::{Attempt, Error};
pub use crate::gate::GateLedger;
pub use crate::limits::Limits;
pub use crate::metrics::{Metrics, Retries};
pub use crate::odata_error::ErrorDetail;
pub use crate::pages::{Items, Page, Pages, PagesEnd};
pub use crate::parallel::{ParallelEnd, ParallelEvent, ParallelRead};
pub use crate::query::{QueryLint, lint_query};
pub use crate::refused_token::RefusedToken;
pub use crate::request::{RequestBuilder, RequestClass};
pub use crate::response::Response;
pub use crate::retry::RetryPolicy;
pub use crate::traffic::Traffic;
pub use crate::upload::{Upload, UploadSource, UploadState, UploadStore};
