//! Paths and queries whose refusal has the shape of every other one.

use axum::extract::{FromRequestParts, Path as PlainPath, Query as PlainQuery};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// What stands in the path.
pub(super) struct Path<T>(pub(super) T);

/// What stands in the query.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = PlainPath::from_request_parts(parts, state).await;
        path.map(|PlainPath(path)| Self(path)).map_err(|error| Refusal::invalid(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = PlainQuery::from_request_parts(parts, state).await;
        query.map(|PlainQuery(query)| Self(query)).map_err(|error| Refusal::invalid(error.body_text()))
    }
}
