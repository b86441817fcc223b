//! Files that are whole or not there, and private.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::{CommandError, Exit};

/// Writes a file of mode 0600 so that a reader sees the old content or the new, and a crash leaves one of both.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let failed = |cause: io::Error| {
        CommandError::new(Exit::Failed, format!("{} cannot be written", path.display())).caused_by(&cause)
    };
    let directory = directory_of(path);
    fs::create_dir_all(directory).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_directory(directory)).map_err(failed)
}

/// A directory that only its owner may enter; an existing one is left as it is.
pub(crate) fn make_private_directory(path: &Path) -> Result<(), CommandError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|cause| {
        CommandError::new(Exit::Failed, format!("the directory {} cannot be made", path.display()))
            .caused_by(&cause)
    })
}

/// The path from the root, without resolving links that need not exist.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_readable_by_its_owner_alone_even_when_it_replaces_a_public_one() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/secret");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(directory.path().join("new")).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
