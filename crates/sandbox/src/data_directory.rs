//! Where a sandbox lives: one directory, one sandbox at a time.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use unattended_core::Entropy;
use unattended_files as files;

use crate::SandboxError;
use crate::snapshots::Snapshots;

const DATABASE: &str = "sandbox.sqlite3";
const LOCK: &str = "sandbox.lock";

/// Every file that a sandbox makes, beside its lock.
const FILES: [&str; 8] = [
    DataDirectory::CA_CERTIFICATE,
    DataDirectory::CA_KEY,
    DataDirectory::ADMINISTRATOR_SECRET,
    DataDirectory::CONTROL_TOKEN,
    DataDirectory::ARC_KEY,
    DATABASE,
    "sandbox.sqlite3-wal",
    "sandbox.sqlite3-shm",
];

/// A directory that this value holds until it is dropped. A temporary one goes with it.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    is_temporary: bool,
    _lock: File,
}

impl DataDirectory {
    pub(crate) const CA_CERTIFICATE: &str = "ca.pem";
    pub(crate) const CA_KEY: &str = "ca.key";
    pub(crate) const ADMINISTRATOR_SECRET: &str = "administrator.secret";
    pub(crate) const CONTROL_TOKEN: &str = "control.token";
    /// What the Arc agent's challenge names.
    pub(crate) const ARC_KEY: &str = "arc.key";

    /// Takes a directory, which is made with mode 0700 if need be.
    ///
    /// # Errors
    /// It cannot be made or written, or another sandbox holds it.
    pub(crate) fn hold(path: &Path) -> Result<Self, SandboxError> {
        files::create_private_directory(path)
            .map_err(|error| SandboxError::file("create the directory", path, error))?;
        let path =
            path.canonicalize().map_err(|error| SandboxError::file("find the directory", path, error))?;
        let lock = lock(&path)?;
        let held = Self { path, is_temporary: false, _lock: lock };
        held.remove_left_over()?;
        held.make_private()?;
        Ok(held)
    }

    /// Removes what a kill left behind: half a file holds secrets as a whole one does.
    fn remove_left_over(&self) -> Result<(), SandboxError> {
        let is_left_over = |name: &String| Snapshots::is_left_over(name) || is_draft(name);
        self.files()?.iter().filter(|name| is_left_over(name)).try_for_each(|name| self.remove(name))
    }

    /// Takes from everybody else the files of a sandbox that others might read: a copy or a checkout has forgotten their
    /// modes.
    fn make_private(&self) -> Result<(), SandboxError> {
        #[cfg(unix)]
        for name in self.own_files()? {
            use std::os::unix::fs::PermissionsExt;
            let path = self.file(&name);
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            let mode = found.permissions().mode() & 0o777;
            if !found.is_file() || mode & 0o077 == 0 {
                continue;
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                .map_err(|error| SandboxError::file("protect", &path, error))?;
            tracing::warn!(file = %path.display(), mode = %format_args!("{mode:o}"), "others could read this file until now");
        }
        Ok(())
    }

    /// Makes a new directory with mode 0700 that is removed when this value is dropped.
    pub(crate) fn temporary(entropy: &dyn Entropy) -> Result<Self, SandboxError> {
        let path = std::env::temp_dir().join(format!("unattended-sandbox-{}", entropy.uuid()));
        // Not recursive: a directory that is there already was made by somebody else.
        private_directory()
            .create(&path)
            .map_err(|error| SandboxError::file("create the directory", &path, error))?;
        let lock = lock(&path)?;
        Ok(Self { path, is_temporary: true, _lock: lock })
    }

    /// The file with the secret of an added tenant's administrator.
    pub(crate) fn administrator_secret_of(tenant: &str) -> String {
        format!("administrator.{tenant}.secret")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file(DATABASE)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The content of a file, if it is there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SandboxError> {
        match fs::read(self.file(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SandboxError::file("read", &self.file(name), error)),
        }
    }

    /// Writes a file with mode 0600: all of it, or the old one stays.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), SandboxError> {
        let path = self.file(name);
        files::write_private(&path, content).map_err(|error| SandboxError::file("write", &path, error))
    }

    /// Removes everything that a sandbox made here, and nothing else.
    pub(crate) fn empty(&self) -> Result<(), SandboxError> {
        self.own_files()?.iter().try_for_each(|name| self.remove(name))
    }

    fn remove(&self, name: &str) -> Result<(), SandboxError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SandboxError::file("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// The names of all files that a sandbox makes, whether they are there or not.
    fn own_files(&self) -> Result<Vec<String>, SandboxError> {
        let is_own = |name: &String| is_secret_of_other_tenant(name) || Snapshots::name_of(name).is_some();
        let named = self.files()?.into_iter().filter(is_own);
        Ok(FILES.map(str::to_owned).into_iter().chain(named).collect())
    }

    /// The names of all files in the directory.
    pub(crate) fn files(&self) -> Result<Vec<String>, SandboxError> {
        let failed = |error| SandboxError::file("read the directory", &self.path, error);
        let entries = fs::read_dir(&self.path).map_err(failed)?;
        entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(directory = %self.path.display(), %error, "a temporary directory was left behind");
        }
    }
}

/// Whether a file is one of a sandbox's that was to replace another one: `ca.key.4711.new`.
fn is_draft(name: &str) -> bool {
    let draft_of = || {
        let (own, process) = name.strip_suffix(".new")?.rsplit_once('.')?;
        process.bytes().all(|byte| byte.is_ascii_digit()).then_some(own)
    };
    draft_of().is_some_and(|own| FILES.contains(&own) || is_secret_of_other_tenant(own))
}

fn is_secret_of_other_tenant(name: &str) -> bool {
    name.strip_prefix("administrator.").is_some_and(|rest| rest.ends_with(".secret"))
}

fn lock(directory: &Path) -> Result<File, SandboxError> {
    let path = directory.join(LOCK);
    let failed = |error| SandboxError::file("write", &path, error);
    let file = files::open_private(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SandboxError::held(directory)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn private_directory() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "the mode is a matter of Unix"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use unattended_core::SystemEntropy;

    use super::*;

    #[test]
    fn a_directory_has_one_sandbox_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDirectory::hold(&path).unwrap();
        let error = DataDirectory::hold(&path).unwrap_err();
        assert!(error.is_held() && error.to_string().contains("data"), "{error}");
        drop(first);
        assert!(DataDirectory::hold(&path).is_ok());
    }

    #[test]
    fn a_temporary_directory_goes_with_its_holder() {
        let directory = DataDirectory::temporary(&SystemEntropy).unwrap();
        directory.write("a", b"secret").unwrap();
        let path = directory.file("a");
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        drop(directory);
        assert!(!path.parent().unwrap().exists());
    }

    #[cfg(unix)]
    #[test]
    fn directory_and_files_belong_to_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::hold(&parent.path().join("data")).unwrap();
        directory.write("a", b"1").unwrap();
        directory.write("a", b"2").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.path), 0o700);
        assert_eq!(mode(&directory.file("a")), 0o600);
        assert_eq!(directory.read("a").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(directory.read("b").unwrap(), None);
    }

    #[test]
    fn what_a_kill_left_behind_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let left = [
            "snapshot-a.unfinished",
            "snapshot-a.sqlite3-wal",
            "control.token.4711.new",
            "administrator.fabrikam.secret.1.new",
        ];
        let others =
            ["snapshot-a.sqlite3", "notes.new", "notes.1.new", "control.token.old.new", "a.unfinished"];
        for name in left.iter().chain(&others) {
            fs::write(parent.path().join(name), "1").unwrap();
        }
        let directory = DataDirectory::hold(parent.path()).unwrap();
        assert!(left.iter().all(|name| !directory.file(name).exists()));
        assert!(others.iter().all(|name| directory.file(name).exists()));
    }

    #[test]
    fn emptying_takes_only_what_a_sandbox_made() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::hold(parent.path()).unwrap();
        let of_fabrikam = DataDirectory::administrator_secret_of("fabrikam");
        for name in [DataDirectory::CA_KEY, &of_fabrikam, "snapshot-a.sqlite3", "holiday.jpg"] {
            directory.write(name, b"1").unwrap();
        }
        directory.empty().unwrap();
        assert_eq!(directory.read(DataDirectory::CA_KEY).unwrap(), None);
        assert_eq!(directory.read(&of_fabrikam).unwrap(), None);
        assert!(!directory.file("snapshot-a.sqlite3").exists());
        assert!(directory.file("holiday.jpg").exists());
    }
}
