//! What an upload needs to go on after its process has ended.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};
use unattended_core::{BoxFuture, Secret};

use super::UploadSource;
use crate::error::{Error, Kind};

/// An upload session, and the content it is for.
///
/// Whoever knows the address of a session can write into it, without a token. So the state is handed over as a
/// [`Secret`]: encrypt it before it leaves the memory.
#[derive(Clone, Eq, PartialEq)]
pub struct UploadState {
    key: String,
    pub(super) url: Secret,
    expires: Option<String>,
    size: u64,
    fingerprint: String,
}

/// A place that keeps the state of one upload, encrypted.
pub trait UploadStore: Send + Sync {
    /// What was saved last.
    fn load(&self) -> BoxFuture<'_, Result<Option<UploadState>, Box<dyn StdError + Send + Sync>>>;

    /// Replaces it; once this is done, the state survives a crash.
    fn save(&self, state: &UploadState) -> BoxFuture<'_, Result<(), Box<dyn StdError + Send + Sync>>>;

    /// The upload has ended.
    fn forget(&self) -> BoxFuture<'_, Result<(), Box<dyn StdError + Send + Sync>>>;
}

impl UploadState {
    pub(super) fn new(key: &str, url: Secret, expires: Option<String>, source: &dyn UploadSource) -> Self {
        Self { key: key.to_owned(), url, expires, size: source.size(), fingerprint: source.fingerprint() }
    }

    /// Whether it is of this content and goes to the same place.
    pub(super) fn is_of(&self, key: &str, source: &dyn UploadSource) -> bool {
        self.key == key && self.size == source.size() && self.fingerprint == source.fingerprint()
    }

    /// When the session ends unless another slice arrives, as the API wrote it.
    #[must_use]
    pub fn expires(&self) -> Option<&str> {
        self.expires.as_deref()
    }

    /// The state as bytes that [`from_secret`](Self::from_secret) reads; their shape is not for others.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        let written = Written {
            key: self.key.as_str().into(),
            url: self.url.expose_text().unwrap_or_default().into(),
            expires: self.expires.as_deref().map(Cow::from),
            size: self.size,
            fingerprint: self.fingerprint.as_str().into(),
        };
        Secret::new(serde_json::to_vec(&written).expect("texts and numbers can always be written"))
    }

    /// Reads what [`to_secret`](Self::to_secret) wrote.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_secret(secret: &Secret) -> Result<Self, Error> {
        let read = serde_json::from_slice::<Written<'_>>(secret.expose());
        // What is wrong with it could show a part of it.
        let state = read.map_err(|_| Error::new(Kind::UploadState))?;
        Ok(Self {
            key: state.key.into_owned(),
            url: Secret::from(state.url.into_owned()),
            expires: state.expires.map(Cow::into_owned),
            size: state.size,
            fingerprint: state.fingerprint.into_owned(),
        })
    }
}

/// How a state is written.
#[derive(Deserialize, Serialize)]
struct Written<'a> {
    key: Cow<'a, str>,
    url: Cow<'a, str>,
    expires: Option<Cow<'a, str>>,
    size: u64,
    fingerprint: Cow<'a, str>,
}

impl fmt::Debug for UploadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadState")
            .field("expires", &self.expires)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
