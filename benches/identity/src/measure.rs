//! What this process has used.

use std::time::{Duration, Instant};

use crate::BoxError;

/// Time that went by, and time that the cores of this process worked.
pub struct Stopwatch {
    began: Instant,
    worked: Duration,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { worked: worked(), began: Instant::now() }
    }

    /// Wall and CPU time since the start, in seconds.
    pub fn read(&self) -> (f64, f64) {
        (self.began.elapsed().as_secs_f64(), (worked() - self.worked).as_secs_f64())
    }
}

/// CPU time of all threads.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Memory that is present, in kB.
pub fn resident() -> Result<u64, BoxError> {
    memory("VmRSS:")
}

/// The part of it that is in no file, in kB: how much of a file the kernel maps is chance.
pub fn written() -> Result<u64, BoxError> {
    memory("RssAnon:")
}

fn memory(kind: &str) -> Result<u64, BoxError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(kind)).ok_or("no such memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
