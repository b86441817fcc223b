//! The Unix socket: one that a killed process left is replaced, one that is served is not.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use unattended_files as files;

/// Who may connect at all; what they may do is the [`Policy`](crate::Policy)'s.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// The user that the sidecar runs as (mode 0600).
    #[default]
    Owner,
    /// Its group too (mode 0660).
    Group,
}

impl Access {
    /// The permission bits.
    #[must_use]
    pub fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}

/// A socket that this process alone listens on; gone when dropped.
#[derive(Debug)]
pub struct Socket {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    /// Held by the operating system for as long as this process lives, whatever ends it.
    _lock: File,
}

impl Socket {
    /// Listens at `path`. Directories on the way are made, for their owner alone. Needs a tokio runtime.
    ///
    /// # Errors
    /// Another process listens there ([`SocketError::is_in_use`]), there is something that is no socket, or the file
    /// system refuses.
    pub fn bind(path: &Path, access: Access) -> Result<Self, SocketError> {
        let refused = |cause: io::Error| SocketError { path: path.to_owned(), cause: Cause::System(cause) };
        let in_use = || SocketError { path: path.to_owned(), cause: Cause::InUse };
        files::create_private_directory(files::directory_of(path)).map_err(refused)?;
        let lock = files::open_private(&files::beside(path, ".lock")).map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError { path: path.to_owned(), cause: Cause::NoSocket });
            }
            // The lock is ours, so it is no other sidecar that answers; but then it is somebody.
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(in_use()),
            Ok(_) => fs::remove_file(path).map_err(refused)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
        }
        let listener = UnixListener::bind(path).map_err(refused)?;
        // Who connects before this is checked by its credentials like anyone else.
        fs::set_permissions(path, Permissions::from_mode(access.mode())).map_err(refused)?;
        Ok(Self { listener, path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket could not be taken away");
        }
    }
}

/// Why nothing can be listened to.
#[derive(Debug)]
pub struct SocketError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    InUse,
    NoSocket,
    System(io::Error),
}

impl SocketError {
    /// Whether another process listens there.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self.cause, Cause::InUse)
    }

    /// What somebody does about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.cause {
            Cause::InUse => "use the one that runs, stop it, or give another path with `--socket`",
            Cause::NoSocket => "nothing but a socket is ever replaced: give another path with `--socket`",
            Cause::System(error) if error.kind() == io::ErrorKind::InvalidInput => {
                "the path of a socket may be about 100 bytes long: give a shorter one with `--socket`"
            }
            Cause::System(_) => "give a path with `--socket` in a directory that this user may write to",
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            Cause::InUse => write!(f, "already running: another process listens on {path}"),
            Cause::NoSocket => write!(f, "{path} exists and is no socket"),
            Cause::System(_) => write!(f, "nothing can listen on {path}"),
        }
    }
}

impl Error for SocketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::System(error) => Some(error),
            Cause::InUse | Cause::NoSocket => None,
        }
    }
}
