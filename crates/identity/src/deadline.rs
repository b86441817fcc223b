//! Work with an end, on the injected clock.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use unattended_core::Clock;

use crate::error::{Error, ErrorKind};

/// The work's result, or nothing once `limit` has passed; then the work is dropped. Work that is ready at once costs no
/// timer. Whoever asks pins it: what a function is given and pins takes its room twice.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    mut work: impl Future<Output = T> + Unpin,
) -> Option<T> {
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(done) = Pin::new(&mut work).poll(context) {
            return Poll::Ready(Some(done));
        }
        let timer = timer.get_or_insert_with(|| clock.sleep(limit));
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// What to tell when it was the time that ended it.
pub(crate) fn timed_out(what: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Transient, format!("{what} within {} s", limit.as_secs()))
}
