//! Bodies as they come in: each bounded in length and in time, and all of them together in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unattended_core::Clock;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a body that nobody wants may go on.
const LINGER: Duration = Duration::from_secs(5);

/// How many bytes all bodies may have together, without the first ones of each.
const ROOM: usize = 256 * 1024 * 1024;

/// As many bytes of each body need no room: most are shorter.
const SMALL: usize = 16 * 1024;

/// In how many bytes room is given out.
const STEP: usize = 32 * 1024;

/// Reads bodies.
#[derive(Debug)]
pub(crate) struct Intake {
    clock: Arc<dyn Clock>,
    /// A permit for each [`STEP`].
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
    /// Other bodies take all the room.
    NoRoom,
    TooLong,
}

impl Intake {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, room: Arc::new(Semaphore::new(ROOM / STEP)) }
    }

    /// Reads a body of at most so many bytes; of a longer one that says so, nothing. Dropping the future gives its room
    /// back.
    pub(crate) async fn take(&self, body: Body, most: usize) -> Result<Taken, Untaken> {
        if body.is_end_stream() {
            return Ok(Taken { bytes: Bytes::new(), _room: None });
        }
        if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > most {
            self.discard(body);
            return Err(Untaken::TooLong);
        }
        tokio::select! {
            biased;
            taken = self.read(body, most) => taken,
            () = self.clock.sleep(PATIENCE) => Err(Untaken::Late),
        }
    }

    /// Puts the pieces of a body together as they come: kept apart, pieces of one byte would take forty times their room.
    async fn read(&self, body: Body, most: usize) -> Result<Taken, Untaken> {
        let likely =
            usize::try_from(body.size_hint().upper().unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(most);
        let mut pieces = body.into_data_stream();
        let (mut whole, mut room) = (Vec::new(), None::<OwnedSemaphorePermit>);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Untaken::Broken)?;
            if piece.len() > most - whole.len() {
                return Err(Untaken::TooLong);
            }
            let given = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * STEP + SMALL;
            let needed = whole.len() + piece.len();
            if needed > given {
                // Twice as much each time, so that little is moved.
                let wanted = (needed.max(likely.min(2 * given)) - given).div_ceil(STEP);
                let more = u32::try_from(wanted).map_err(|_| Untaken::NoRoom)?;
                let more =
                    Arc::clone(&self.room).try_acquire_many_owned(more).map_err(|_| Untaken::NoRoom)?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
                // No more than was given out.
                whole.reserve_exact(given + wanted * STEP - whole.len());
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Taken { bytes: whole.into(), _room: room })
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
        let taking = intake.take(unfinished(&[&[0; SMALL], b"half"]), STEP);
        let waiting = async {
            while clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(intake.room.available_permits(), ROOM / STEP - 1);
            clock.advance(PATIENCE);
        };
        let (taken, ()) = tokio::join!(taking, waiting);
        assert_eq!(taken.unwrap_err(), Untaken::Late);
        assert_eq!(intake.room.available_permits(), ROOM / STEP);
    }

    #[tokio::test]
    async fn all_bodies_together_have_so_much_room_and_small_ones_need_none() {
        let (intake, _) = intake();
        let body = |length| Body::from(vec![7; length]);
        let first = intake.take(body(SMALL + STEP + 1), ROOM).await.unwrap();
        assert_eq!(first.bytes.len(), SMALL + STEP + 1);
        let others = Arc::clone(&intake.room).try_acquire_many_owned((ROOM / STEP - 2) as u32).unwrap();
        assert_eq!(intake.take(body(SMALL + 1), ROOM).await.unwrap_err(), Untaken::NoRoom);
        assert_eq!(intake.take(body(SMALL), ROOM).await.unwrap().bytes.len(), SMALL);
        drop(first);
        assert_eq!(intake.take(body(SMALL + 2 * STEP), ROOM).await.unwrap().bytes.len(), SMALL + 2 * STEP);
        drop(others);
    }
}
