//! Files, with failures that name them.

use std::path::{Path, PathBuf};

use crate::failure::{CommandError, Exit};

/// Writes a file of mode 0600: all of it, or the old one stays.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    unattended_files::write_private(path, content).map_err(|cause| {
        CommandError::new(Exit::Failed, format!("{} cannot be written", path.display())).caused_by(&cause)
    })
}

/// The path from the root, without resolving links that need not exist.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
