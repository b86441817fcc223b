//! How long calls take that take next to nothing.

use std::time::Duration;

/// How many calls took how long, to the nanosecond up to a tenth of a millisecond.
pub(crate) struct Latencies {
    counts: Vec<u32>,
    pub(crate) longest: Duration,
    /// Calls that took as long as only a request does that the server holds up.
    pub(crate) waited: u32,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; 100_000], longest: Duration::ZERO, waited: 0 }
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        let place = (took.as_nanos() as usize).min(self.counts.len() - 1);
        self.counts[place] += 1;
        self.longest = self.longest.max(took);
        self.waited += u32::from(took > Duration::from_millis(200));
    }

    /// The nanoseconds within which this share of the calls was done.
    pub(crate) fn share(&self, share: f64) -> usize {
        let all: f64 = self.counts.iter().map(|count| f64::from(*count)).sum();
        let mut done = 0.0;
        let within = |count: &u32| {
            done += f64::from(*count);
            done >= all * share
        };
        self.counts.iter().position(within).unwrap_or(self.counts.len())
    }
}
