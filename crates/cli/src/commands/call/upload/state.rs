//! The state of an upload in a file of its own, encrypted with a key of this machine.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use unattended_core::{BoxFuture, Entropy as _, Secret, SystemEntropy};
use unattended_identity::SealingKeys;
use unattended_webapi::{UploadState, UploadStore};

use crate::failure::{CommandError, Exit};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Replaced as a whole, removed at the end.
pub(super) struct StateFile<'a> {
    file: &'a Path,
    /// What is uploaded: another command cannot use the state for anything else.
    name: String,
    keys: SealingKeys,
    known: Option<UploadState>,
}

impl<'a> StateFile<'a> {
    pub(super) fn open(file: &'a Path, state_directory: &Path, path: &str) -> Result<Self, CommandError> {
        let key_file = state_directory.join("uploads.key");
        let unusable = |cause: &(dyn Error + 'static)| {
            CommandError::new(Exit::Failed, format!("the key {} cannot be used", key_file.display()))
                .caused_by(cause)
        };
        let key = key(&key_file).map_err(|cause| unusable(&cause))?;
        let keys = SealingKeys::new(&[key]).map_err(|cause| unusable(&cause))?;
        let mut this = Self { file, name: format!("upload {path}"), keys, known: None };
        this.known = this.read()?;
        Ok(this)
    }

    fn read(&self) -> Result<Option<UploadState>, CommandError> {
        let shown = self.file.display();
        let sealed = match std::fs::read(self.file) {
            Ok(sealed) => sealed,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => {
                return Err(
                    CommandError::new(Exit::Usage, format!("{shown} cannot be read")).caused_by(&cause)
                );
            }
        };
        let plain = self.keys.open(&self.name, &sealed).map(|plain| Secret::new(plain.as_slice()));
        let state = plain.and_then(|plain| UploadState::from_secret(&plain).ok());
        state.map(Some).ok_or_else(|| {
            CommandError::new(Exit::Usage, format!("{shown} is not the state of this upload on this machine"))
                .hint("name another file; a new one begins with the first byte")
        })
    }
}

impl UploadStore for StateFile<'_> {
    fn load(&self) -> BoxFuture<'_, Outcome<Option<UploadState>>> {
        Box::pin(async { Ok(self.known.clone()) })
    }

    fn save(&self, state: &UploadState) -> BoxFuture<'_, Outcome<()>> {
        let sealed = self.keys.seal(&self.name, state.to_secret().expose());
        Box::pin(async move {
            let sealed = sealed.ok_or("it cannot be encrypted")?;
            Ok(unattended_files::write_private(self.file, &sealed)?)
        })
    }

    fn forget(&self) -> BoxFuture<'_, Outcome<()>> {
        Box::pin(async {
            match std::fs::remove_file(self.file) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause.into()),
                _ => Ok(()),
            }
        })
    }
}

/// The key of this machine; made where there is none. Of two processes that make one, the first wins.
fn key(file: &Path) -> io::Result<Secret> {
    match std::fs::read(file) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        read => return read.map(Secret::new),
    }
    let halves = [SystemEntropy.bits().to_ne_bytes(), SystemEntropy.bits().to_ne_bytes()];
    let key = Secret::new(halves.concat());
    let draft: PathBuf = unattended_files::beside(file, &format!(".{}", std::process::id()));
    unattended_files::write_private(&draft, key.expose())?;
    let linked = std::fs::hard_link(&draft, file);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
        _ => std::fs::read(file).map(Secret::new),
    }
}
