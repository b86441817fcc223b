//! Protection in front of a tower service.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service};
use unattended_core::Clock;

use crate::caller::Caller;
use crate::rejection::Rejection;
use crate::validator::Validator;

/// Lets only valid callers through: puts the [`Caller`] into the request's extensions, or answers in the API's stead.
#[derive(Clone)]
pub struct ProtectLayer<F> {
    guard: Arc<Guard>,
    respond: F,
}

impl<F> ProtectLayer<F> {
    /// Protects with `validator`. `respond` makes the response for a refused request from the refusal and the
    /// request's headers; the challenge ([`Rejection::challenge`]) is its to add.
    pub fn new(validator: Arc<Validator>, clock: Arc<dyn Clock>, respond: F) -> Self {
        Self { guard: Arc::new(Guard { validator, clock, any_role: Vec::new() }), respond }
    }

    /// Lets only callers through that hold at least one of these application permissions.
    #[must_use]
    pub fn require_any_role(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let any_role = roles.into_iter().map(Into::into).collect();
        let Guard { validator, clock, .. } = &*self.guard;
        let guard = Guard { validator: Arc::clone(validator), clock: Arc::clone(clock), any_role };
        Self { guard: Arc::new(guard), ..self }
    }
}

struct Guard {
    validator: Arc<Validator>,
    clock: Arc<dyn Clock>,
    any_role: Vec<String>,
}

impl Guard {
    fn admit(&self, headers: &HeaderMap) -> Result<Caller, Rejection> {
        let caller = self.validator.validate(headers, self.clock.now())?;
        if !self.any_role.is_empty() {
            caller.require_any_role(&self.any_role)?;
        }
        Ok(caller)
    }
}

impl<S, F: Clone> Layer<S> for ProtectLayer<F> {
    type Service = Protect<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Protect { inner, guard: Arc::clone(&self.guard), respond: self.respond.clone() }
    }
}

impl<F> fmt::Debug for ProtectLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectLayer").field("validator", &self.guard.validator).finish_non_exhaustive()
    }
}

/// The service that [`ProtectLayer`] makes.
#[derive(Clone)]
pub struct Protect<S, F> {
    inner: S,
    guard: Arc<Guard>,
    respond: F,
}

impl<S, F, B, R> Service<Request<B>> for Protect<S, F>
where
    S: Service<Request<B>, Response = Response<R>>,
    F: Fn(&Rejection, &HeaderMap) -> Response<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.guard.admit(request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Err(rejection) => {
                tracing::debug!(reason = %rejection, "request refused");
                Either::Right(ready(Ok((self.respond)(&rejection, request.headers()))))
            }
        }
    }
}

impl<S, F> fmt::Debug for Protect<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protect").field("validator", &self.guard.validator).finish_non_exhaustive()
    }
}
