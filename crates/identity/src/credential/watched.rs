//! A credential that is replaced while the program runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{Context, SHA256};
use tracing::{info, warn};
use unattended_core::{BoxFuture, Secret};

use super::{AuthenticationContext, Credential};
use crate::error::Error;
use crate::token_request::TokenRequest;

/// Where the material of a credential is kept: a file, a mount, a variable.
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Reads the material as it is now. Called for every token request, within it: a few small files are right here, and
    /// what has to be fetched from elsewhere is a [`Credential`] of its own.
    ///
    /// # Errors
    /// Whatever keeps it from being read; it becomes the source of the error that the caller gets.
    fn read(&self) -> Result<Vec<Secret>, Box<dyn std::error::Error + Send + Sync>>;

    /// Makes a credential of what [`read`](Self::read) gave. Called only when that has changed.
    ///
    /// # Errors
    /// What is wrong with the material.
    fn make(&self, material: &[Secret]) -> Result<Arc<dyn Credential>, Error>;

    /// Where the material is, in words that may be logged.
    fn describe(&self) -> String;
}

/// A credential that follows its source by content.
///
/// The source is read again for every token request, which is every half hour or so, and never for a token that is in
/// the cache. What is unchanged is not parsed again; what has changed takes effect with that very request, so that a
/// rotated file needs no restart and costs no failed call. Watching the file system would be quicker to notice and
/// would miss what matters: a mounted secret is exchanged by renaming a directory above it. A file that is just being
/// written, or that has gone, leaves the credential as it was.
#[derive(Clone)]
pub struct WatchedCredential(Arc<Watched>);

struct Watched {
    source: Box<dyn CredentialSource>,
    current: ArcSwapOption<Version>,
    /// One reader at a time; holds what was last complained about, so that it is said once.
    reading: Mutex<Option<String>>,
}

struct Version {
    epoch: u64,
    content: [u8; 32],
    credential: Arc<dyn Credential>,
}

impl WatchedCredential {
    /// A credential that is read when it is first needed, or by [`refresh`](Self::refresh).
    #[must_use]
    pub fn new(source: impl CredentialSource) -> Self {
        Self(Arc::new(Watched {
            source: Box::new(source),
            current: ArcSwapOption::empty(),
            reading: Mutex::default(),
        }))
    }

    /// Reads the source now, on this thread.
    ///
    /// # Errors
    /// It cannot be read or used, and no earlier content could.
    pub fn refresh(&self) -> Result<(), Error> {
        self.0.refresh().map(drop)
    }
}

impl Watched {
    fn refresh(&self) -> Result<Arc<Version>, Error> {
        let mut complaint = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        match (self.next(current.as_deref()), current) {
            (Ok(None), Some(current)) => {
                *complaint = None;
                Ok(current)
            }
            (Ok(Some(next)), current) => {
                *complaint = None;
                let next = Arc::new(next);
                if current.is_some() {
                    let (source, credential) = (self.source.describe(), next.credential.describe());
                    info!(source, credential, "the credential was replaced, and is used from now on");
                }
                self.current.store(Some(Arc::clone(&next)));
                Ok(next)
            }
            (Err(error), Some(current)) => {
                let (source, said) = (self.source.describe(), error.to_string());
                if complaint.as_ref() != Some(&said) {
                    warn!(source, %error, "the credential stays as it was: what has taken its place cannot be used");
                    *complaint = Some(said);
                }
                Ok(current)
            }
            (Err(error), None) => Err(error),
            (Ok(None), None) => Err(Error::credential("there is no credential yet")),
        }
    }

    /// What takes the place of `current`; nothing if the content is the same.
    fn next(&self, current: Option<&Version>) -> Result<Option<Version>, Error> {
        let material = self.source.read().map_err(|cause| {
            Error::credential(format!("{} cannot be read", self.source.describe())).caused_by_any(cause)
        })?;
        let content = digest(&material);
        match current {
            Some(current) if current.content == content => Ok(None),
            _ => Ok(Some(Version {
                epoch: current.map_or(0, |current| current.epoch + 1),
                credential: self.source.make(&material)?,
                content,
            })),
        }
    }
}

impl Credential for WatchedCredential {
    fn authenticate<'a>(
        &'a self,
        context: &'a AuthenticationContext<'a>,
        request: &'a mut TokenRequest,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.0.refresh()?.credential.authenticate(context, request).await })
    }

    fn epoch(&self) -> u64 {
        self.0.current.load().as_ref().map_or(0, |version| version.epoch)
    }

    fn reload(&self) -> BoxFuture<'_, bool> {
        let before = self.epoch();
        Box::pin(async move {
            match self.0.refresh() {
                Ok(version) if version.epoch == before => version.credential.reload().await,
                refreshed => refreshed.is_ok(),
            }
        })
    }

    fn shown_certificate(&self) -> Option<[u8; 32]> {
        self.0.current.load().as_ref()?.credential.shown_certificate()
    }

    fn not_before(&self) -> Option<SystemTime> {
        self.0.current.load().as_ref()?.credential.not_before()
    }

    fn not_after(&self) -> Option<SystemTime> {
        self.0.current.load().as_ref()?.credential.not_after()
    }

    fn describe(&self) -> String {
        let source = self.0.source.describe();
        match &*self.0.current.load() {
            Some(version) => format!("{} of {source}", version.credential.describe()),
            None => source,
        }
    }
}

impl fmt::Debug for WatchedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedCredential").field(&self.describe()).finish()
    }
}

fn digest(material: &[Secret]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in material {
        context.update(&(part.expose().len() as u64).to_be_bytes());
        context.update(part.expose());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
