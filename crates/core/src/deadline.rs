//! Work with an end.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::clock::Clock;

/// The work's result, or nothing once `limit` has passed on this clock; then the work is dropped. Work that is ready at
/// once costs no timer. Whoever asks pins it: what a function is given and pins takes its room twice.
pub async fn within<T>(
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

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn work_that_takes_too_long_is_left_and_what_is_done_needs_no_time() {
        let clock = ManualClock::self_advancing_at(1_000);
        assert_eq!(within(&clock, Duration::ZERO, ready(7)).await, Some(7));
        assert_eq!(clock.elapsed(), Duration::ZERO);
        assert_eq!(within(&clock, Duration::from_secs(8), pending::<u8>()).await, None);
        assert_eq!(clock.elapsed(), Duration::from_secs(8));
        let nap = pin!(clock.sleep(Duration::from_secs(2)));
        assert_eq!(within(&clock, Duration::from_secs(3), nap).await, Some(()));
    }
}
