//! Why there is no console.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// The console could not start.
#[derive(Debug)]
pub struct ConsoleError(Kind);

#[derive(Debug)]
enum Kind {
    Listen { address: SocketAddr, source: io::Error },
    NotLoopback(SocketAddr),
    Random,
}

impl ConsoleError {
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        Self(Kind::Listen { address, source })
    }

    pub(crate) fn not_loopback(address: SocketAddr) -> Self {
        Self(Kind::NotLoopback(address))
    }

    pub(crate) fn random() -> Self {
        Self(Kind::Random)
    }

    /// Whether the address is not one of this machine alone.
    #[must_use]
    pub fn is_not_loopback(&self) -> bool {
        matches!(self.0, Kind::NotLoopback(_))
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match &self.0 {
            Kind::Listen { .. } => {
                Some("choose another port, or 0 for a free one: `--listen 127.0.0.1:0`".to_owned())
            }
            Kind::NotLoopback(address) => {
                let port = address.port();
                Some(format!(
                    "listen on 127.0.0.1:{port} and reach it from afar with `ssh -L {port}:127.0.0.1:{port} HOST`"
                ))
            }
            Kind::Random => None,
        }
    }
}

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Listen { address, .. } => write!(f, "{address} cannot be listened on"),
            Kind::NotLoopback(address) => {
                write!(f, "{address} can be reached from other machines, and the console speaks plain HTTP")
            }
            Kind::Random => f.write_str("the operating system gave no random numbers"),
        }
    }
}

impl Error for ConsoleError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Kind::Listen { source, .. } = &self.0 { Some(source) } else { None }
    }
}
