//! How the daemon is asked to stop.

use std::io;

use tokio_util::sync::CancellationToken;

/// The two ways to stop. `drain` comes first: finish what is begun, or checkpoint it, and start nothing new. `stop`
/// means now: what is lost is taken up again from the last checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// No new run begins; running ones stop at their next checkpoint.
    pub drain: CancellationToken,
    /// Everything ends at once.
    pub stop: CancellationToken,
}

impl Shutdown {
    /// One that nobody has asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once more: the first time to drain, after that to stop.
    pub fn ask(&self) {
        if self.drain.is_cancelled() {
            self.stop.cancel();
        }
        self.drain.cancel();
    }

    /// Listens to the operating system on a task of its own: TERM, INT and Ctrl-C each [ask](Self::ask) once. Needs
    /// a tokio runtime.
    ///
    /// # Errors
    /// The operating system lets no handler be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut requests = Requests::install()?;
        let asked = shutdown.clone();
        tokio::spawn(async move {
            while !asked.stop.is_cancelled() {
                requests.next().await;
                asked.ask();
            }
        });
        Ok(shutdown)
    }
}

#[cfg(unix)]
struct Requests {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Requests {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Requests(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Requests {
    fn install() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // OP-6
    #[test]
    fn the_first_request_drains_and_the_second_stops() {
        let shutdown = Shutdown::new();
        shutdown.ask();
        assert!(shutdown.drain.is_cancelled() && !shutdown.stop.is_cancelled());
        shutdown.ask();
        assert!(shutdown.stop.is_cancelled());
    }
}
