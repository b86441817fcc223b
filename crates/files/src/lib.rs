//! Files that are private, durable, and whole or not there.
//!
//! A key, a checkpoint or a database is for its owner alone (mode 0600, in directories of mode 0700), and a reader sees
//! the old content or the new one, also after a crash: written beside, flushed, renamed, and the directory flushed.
//! Modes are a matter of Unix; elsewhere new files take the rights of their directory.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces the content of a file, or makes it, with mode 0600 in any case. Directories on the way are made.
///
/// # Errors
/// The file system refuses; the old content is still there then, and nothing is left beside it.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    create_private_directory(directory_of(path))?;
    let draft = beside(path, &format!(".{}.new", std::process::id()));
    let written = write_draft(&draft, content).and_then(|file| publish(&file, &draft, path));
    if written.is_err() {
        _ = fs::remove_file(&draft);
    }
    written
}

/// Opens for reading and writing; a new file has mode 0600.
///
/// # Errors
/// The file system refuses.
pub fn open_private(path: &Path) -> io::Result<File> {
    private().read(true).create(true).truncate(false).open(path)
}

/// Opens a file for reading. A pipe or a device is refused at once: whoever opens a pipe waits for somebody to write
/// into it, perhaps for ever.
///
/// # Errors
/// The file system refuses, or it is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if found.is_file() {
        return File::open(path);
    }
    Err(match found.is_dir() {
        true => io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"),
        false => {
            io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device, and no file")
        }
    })
}

/// Makes a directory and those above it; new ones have mode 0700, others stay as they are.
///
/// # Errors
/// The file system refuses, or something else has that name.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Gives a finished file its name, for good: content and name survive a power loss.
///
/// # Errors
/// The file system refuses.
pub fn publish(file: &File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(from, to)?;
    sync_directory_of(to)
}

/// Makes the name of a file as durable as its content.
///
/// # Errors
/// The directory cannot be opened or flushed.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    // Windows knows no such thing: a directory cannot be opened for it.
    #[cfg(unix)]
    File::open(directory_of(path))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// What somebody does about a file that could not be written.
#[must_use]
pub fn remedy_of_writing(path: &Path, why: io::ErrorKind) -> String {
    let shown = path.display();
    match why {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("make room on the disk that {shown} is on, and do it again")
        }
        _ => format!("check that the account may write to {shown}"),
    }
}

/// The directory that a path is in; `.` for a bare name.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// `name` and `suffix` in one, beside `path`.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<File> {
    // What a crash left there may have been made by others, with other rights.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().create_new(true).open(path)?;
    file.write_all(content)?;
    Ok(file)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_replaces_a_public_one_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/secret");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (b"two".as_slice(), 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_refused_before_anybody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (path, told) in [
            (&*pipe, "it is a pipe, a socket or a device, and no file"),
            (Path::new("/dev/zero"), "it is a pipe, a socket or a device, and no file"),
            (directory.path(), "it is a directory"),
        ] {
            assert_eq!(open_regular(path).unwrap_err().to_string(), told, "{}", path.display());
        }
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, b"x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_regular(&file).is_ok() && open_regular(&link).is_ok());
    }

    #[test]
    fn directories_on_the_way_are_their_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/c");
        write_private(&path, b"").unwrap();
        assert_eq!((mode(&directory.path().join("a")), mode(&directory.path().join("a/b"))), (0o700, 0o700));
    }

    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_private(&path, b"x").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
