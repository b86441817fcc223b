//! Bodies as they come in: each bounded in length and in time, and all of them together in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unattended_core::Clock;

/// How long a body may take, the wait for room included.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a body that nobody wants may go on.
const LINGER: Duration = Duration::from_secs(5);

/// How many KiB all bodies may have together, without the small ones.
const ROOM: usize = 256 * 1024;

/// As many bytes need no room: bodies of most requests are shorter.
const SMALL: usize = 16 * 1024;

/// Reads bodies.
#[derive(Debug)]
pub(crate) struct Intake {
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
}

/// A body, and its room as long as this lives.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Untaken {
    /// It broke off.
    Broken,
    /// It was not there in time.
    Late,
    TooLong,
}

impl Intake {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, room: Arc::new(Semaphore::new(ROOM)) }
    }

    /// Reads a body of at most so many bytes; of a longer one that says so, nothing. Dropping the future gives its room
    /// back.
    pub(crate) async fn take(&self, body: Body, most: usize) -> Result<Taken, Untaken> {
        if body.is_end_stream() {
            return Ok(Taken { bytes: Bytes::new(), _room: None });
        }
        let hint = body.size_hint();
        let length = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        if length(hint.lower()) > most {
            self.discard(body);
            return Err(Untaken::TooLong);
        }
        let most_likely = hint.upper().map_or(most, |upper| length(upper).min(most));
        let taken = async {
            let room = self.room_for(most_likely).await;
            Ok(Taken { bytes: read(body, most).await?, _room: room })
        };
        tokio::select! {
            biased;
            taken = taken => taken,
            () = self.clock.sleep(PATIENCE) => Err(Untaken::Late),
        }
    }

    /// Forgets what still comes of a body that is answered already, for a while: cut off while it sends, a client may not
    /// see the answer. (Servers call it a lingering close.)
    pub(crate) fn discard(&self, body: Body) {
        let clock = Arc::clone(&self.clock);
        tokio::spawn(async move {
            let mut pieces = body.into_data_stream();
            let all = async { while pieces.next().await.is_some_and(|piece| piece.is_ok()) {} };
            tokio::select! {
                () = all => {}
                () = clock.sleep(LINGER) => {}
            }
        });
    }

    async fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1024).min(ROOM)).unwrap_or(u32::MAX);
        match bytes > SMALL {
            // The semaphore is never closed.
            true => Arc::clone(&self.room).acquire_many_owned(wanted).await.ok(),
            false => None,
        }
    }
}

/// Puts the pieces of a body together as they come: kept apart, pieces of one byte would take forty times their room.
async fn read(body: Body, most: usize) -> Result<Bytes, Untaken> {
    let mut pieces = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Untaken::Broken)?;
        if piece.len() > most - whole.len() {
            return Err(Untaken::TooLong);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use unattended_core::ManualClock;

    use super::*;

    fn intake() -> (Intake, ManualClock) {
        let clock = ManualClock::at(0);
        (Intake::new(Arc::new(clock.clone())), clock)
    }

    /// A body of unknown length that sends its pieces and then nothing, without an end.
    fn unfinished(pieces: &'static [&'static [u8]]) -> Body {
        let pieces = stream::iter(pieces).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
        Body::from_stream(pieces.chain(stream::pending()))
    }

    #[tokio::test]
    async fn a_body_is_put_together_from_its_pieces() {
        let pieces =
            stream::iter([&b"ab"[..], b"", b"c"].map(|it| Ok::<_, std::io::Error>(Bytes::from_static(it))));
        assert_eq!(intake().0.take(Body::from_stream(pieces), 3).await.unwrap().bytes, "abc");
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_told_by_its_head_or_by_its_first_byte_too_many() {
        let (intake, _) = intake();
        assert!(matches!(intake.take(Body::from("abcd"), 3).await, Err(Untaken::TooLong)));
        assert!(matches!(intake.take(unfinished(&[b"ab", b"cd"]), 3).await, Err(Untaken::TooLong)));
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up_and_its_room_is_free_again() {
        let (intake, clock) = intake();
        let taking = intake.take(unfinished(&[b"half"]), ROOM * 1024);
        let waiting = async {
            while clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(intake.room.available_permits(), 0);
            clock.advance(PATIENCE);
        };
        let (taken, ()) = tokio::join!(taking, waiting);
        assert!(matches!(taken, Err(Untaken::Late)));
        assert_eq!(intake.room.available_permits(), ROOM);
    }

    #[tokio::test]
    async fn bodies_wait_for_room_but_for_small_ones() {
        let (intake, _) = intake();
        let all = intake.take(Body::from(vec![0; SMALL + 1]), ROOM * 1024).await.unwrap();
        let rest =
            Arc::clone(&intake.room).acquire_many_owned(u32::try_from(ROOM).unwrap() - 17).await.unwrap();
        assert_eq!(intake.take(Body::from(vec![0; SMALL]), SMALL).await.unwrap().bytes.len(), SMALL);
        let mut next = Box::pin(intake.take(Body::from(vec![0; SMALL + 1]), ROOM * 1024));
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(all);
        assert_eq!(next.await.unwrap().bytes.len(), SMALL + 1);
        drop(rest);
    }
}
