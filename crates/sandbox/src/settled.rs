//! A future that wakes itself while it is polled is polled again at once.
//!
//! A connection does so with every request that has a body: taking the body wakes whoever fills it, which is the same
//! task. Left to the runtime, that is a task that waits, for which another thread is woken: it finds nothing to do, and
//! serves the next request with cold caches.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How many times it is polled before others have their turn.
const MOST_POLLS: usize = 8;

/// Nothing happened since it was polled.
const WAITING: u8 = 0;
const POLLED: u8 = 1;
/// It was woken while it was polled.
const WOKEN: u8 = 2;

/// Drives a future to its end. Cancelling this cancels it.
pub(crate) async fn settled<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let wakes = Arc::new(Wakes { state: AtomicU8::new(WAITING), task: AtomicWaker::new() });
    let waker = Waker::from(Arc::clone(&wakes));
    poll_fn(move |task| {
        wakes.task.register(task.waker());
        for _ in 0..MOST_POLLS {
            wakes.state.store(POLLED, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(output);
            }
            if wakes.state.swap(WAITING, Ordering::SeqCst) == POLLED {
                return Poll::Pending;
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let seen = self.state.compare_exchange(POLLED, WOKEN, Ordering::SeqCst, Ordering::SeqCst);
        if seen == Err(WAITING) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Wakes itself so many times, each time it is polled once, and then ends.
    async fn waking_itself(mut times: usize) {
        poll_fn(|task| {
            if times == 0 {
                return Poll::Ready(());
            }
            times -= 1;
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn what_wakes_itself_goes_on_and_wakes_nobody() {
        let task = Arc::new(Count::default());
        let mut future = Box::pin(settled(waking_itself(MOST_POLLS - 1)));
        let polled = future.poll_unpin(&mut Context::from_waker(&Waker::from(Arc::clone(&task))));
        assert!(polled.is_ready());
        assert_eq!(task.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_wakes_itself_for_ever_lets_others_have_their_turn() {
        let task = Arc::new(Count::default());
        let mut future = Box::pin(settled(waking_itself(usize::MAX)));
        for turns in 1..4 {
            let polled = future.poll_unpin(&mut Context::from_waker(&Waker::from(Arc::clone(&task))));
            assert!(polled.is_pending());
            assert_eq!(task.0.load(Ordering::SeqCst), turns);
        }
    }

    #[test]
    fn what_is_woken_by_another_wakes_its_task() {
        let (sender, receiver) = oneshot::channel();
        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut future = Box::pin(settled(receiver));
        assert!(future.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        sender.send("answer").unwrap();
        assert_eq!(task.0.load(Ordering::SeqCst), 1);
        assert_eq!(future.poll_unpin(&mut Context::from_waker(&waker)), Poll::Ready(Ok("answer")));
    }
}
