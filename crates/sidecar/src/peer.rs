//! Who is at the other end of a connection.

use std::fmt;

/// A process of this machine, as the operating system tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its effective user when it connected.
    pub uid: u32,
    /// Its process, where the operating system tells it. For logs alone: a number is given out again.
    pub pid: Option<i32>,
}

#[cfg(unix)]
impl Peer {
    /// The other end of a connection (`SO_PEERCRED`, or what the system has in its place).
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn of(stream: &tokio::net::UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// This process itself. Needs a tokio runtime.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn this_process() -> std::io::Result<Self> {
        Self::of(&tokio::net::UnixStream::pair()?.0)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.uid)
    }
}
