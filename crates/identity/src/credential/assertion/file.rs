//! A file that another program keeps up to date.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use unattended_core::{BoxFuture, Secret};
use unattended_files::open_regular;

use super::{AssertionSource, LONGEST};
use crate::credential::AuthenticationContext;
use crate::error::Error;

/// How often the way to a file that is not there is tried again.
const DETOURS: usize = 4;

/// A file with an assertion in it, such as the service account token that Kubernetes projects. It is read for every
/// request that leaves: what rotates it needs to tell nobody.
#[derive(Clone, Debug)]
pub struct AssertionFile(PathBuf);

impl AssertionFile {
    /// The file at `path`. It may come into being later.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn read(&self) -> Result<Secret, Error> {
        let unreadable = |cause| {
            Error::credential(format!("{} cannot be read", self.0.display()))
                .mended_by("check the path, and that what writes the assertion runs")
                .caused_by(cause)
        };
        let mut bytes = Vec::with_capacity(4_096);
        self.open()
            .and_then(|file| file.take(LONGEST as u64 + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        Ok(Secret::new(bytes))
    }

    /// A mounted volume is exchanged by renaming a link above the file and removing what it led to: a reader that
    /// was just on the way there finds nothing, and finds the new file by setting out again.
    fn open(&self) -> io::Result<File> {
        let mut last = open_regular(&self.0);
        for _ in 0..DETOURS {
            match last {
                Err(error) if error.kind() == io::ErrorKind::NotFound => last = open_regular(&self.0),
                other => return other,
            }
        }
        last
    }
}

impl AssertionSource for AssertionFile {
    fn assertion<'a>(&'a self, _: &'a AuthenticationContext<'a>) -> BoxFuture<'a, Result<Secret, Error>> {
        Box::pin(std::future::ready(self.read()))
    }

    fn describe(&self) -> String {
        self.0.display().to_string()
    }
}
