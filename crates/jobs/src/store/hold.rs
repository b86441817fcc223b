//! The proof that no other process runs a job.

use std::any::Any;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::{JobKey, StoreError};
use unattended_files as files;

/// Held for as long as a job runs; given up by dropping it, and by the operating system when the process dies.
pub struct Hold(#[expect(dead_code, reason = "its drop is its use")] Box<dyn Any + Send + Sync>);

impl Hold {
    /// A hold that lasts until `guard` is dropped.
    #[must_use]
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }

    /// Locks one file per job in `directory`. Unlike a file that merely exists, the lock of a killed process is gone
    /// with it.
    pub(crate) fn lock(directory: &Path, key: &JobKey) -> Result<Self, StoreError> {
        let path = directory.join(file_name(key));
        let refused = |error| StoreError::file(&path, error);
        files::create_private_directory(directory).map_err(refused)?;
        let mut file = files::open_private(&path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::held(&key.job, pid_in(&mut file))),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        // The number only makes the refusal of the next one clearer; the lock holds without it.
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, "the process id could not be noted in the lock file");
        }
        Ok(Self::new(file))
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.take(20).read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

/// Different keys get different names: what a file name may not hold is written as `%` and its bytes.
fn file_name(key: &JobKey) -> String {
    let plain = |text: &str| {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    format!("{}_{}.lock", plain(&key.tenant), plain(&key.job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_jobs_share_a_lock_file_and_none_leaves_the_directory() {
        let name =
            |tenant: &str, job: &str| file_name(&JobKey { tenant: tenant.to_owned(), job: job.to_owned() });
        assert_eq!(name("contoso.com", "people"), "contoso.com_people.lock");
        assert_ne!(name("a_b", "c"), name("a", "b_c"));
        assert!(!name("..", "../../etc/passwd").contains('/'));
    }
}
