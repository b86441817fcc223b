//! Work with an end, on the injected clock.

use std::future::Future;
use std::time::Duration;

use futures_util::future::{Either, select};
use unattended_core::Clock;

use crate::error::{Error, ErrorKind};

/// The work's result, or nothing once `limit` has passed; then the work is dropped.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(std::pin::pin!(work), clock.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}

/// What to tell when it was the time that ended it.
pub(crate) fn timed_out(what: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Transient, format!("{what} within {} s", limit.as_secs()))
}
