//! How much is read at most.

use std::time::Duration;

use unattended_core::Clock;

/// What the reader of a collection wants at most, and what has come.
#[derive(Default)]
pub(super) struct Limits {
    pub(super) pages: Option<u64>,
    pub(super) items: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) time: Option<Duration>,
    bytes_so_far: u64,
    /// On the monotonic clock.
    begun: Option<Duration>,
}

impl Limits {
    /// A page is about to be asked for.
    pub(super) fn begin(&mut self, clock: &dyn Clock) {
        if self.time.is_some() {
            self.begun.get_or_insert_with(|| clock.elapsed());
        }
    }

    /// Whether one of them is reached with a page of `bytes`, after which there are so many pages and items.
    pub(super) fn reached(&mut self, pages: u64, items: u64, bytes: u64, clock: &dyn Clock) -> bool {
        self.bytes_so_far += bytes;
        let is_late = || {
            self.time
                .zip(self.begun)
                .is_some_and(|(most, begun)| clock.elapsed().saturating_sub(begun) >= most)
        };
        let reaches = |most: Option<u64>, so_far: u64| most.is_some_and(|most| so_far >= most);
        reaches(self.pages, pages)
            || reaches(self.items, items)
            || reaches(self.bytes, self.bytes_so_far)
            || is_late()
    }
}
