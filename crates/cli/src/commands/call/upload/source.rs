//! A file as it was when the upload began.

use std::error::Error;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use unattended_core::BoxFuture;
use unattended_webapi::UploadSource;

/// How much of the beginning is part of what tells a file from another.
const HEAD: u64 = 64 << 10;

/// A file that must not change while it is sent.
#[derive(Debug)]
pub(super) struct FileSource {
    file: Arc<Mutex<File>>,
    size: u64,
    changed: Option<SystemTime>,
    fingerprint: String,
}

impl FileSource {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head)?;
        let head: String = digest(&SHA256, &head).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let (size, changed) = facts(&metadata);
        let since = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let fingerprint = format!("{} {head}", since.as_nanos());
        Ok(Self { file: Arc::new(Mutex::new(file)), size, changed, fingerprint })
    }
}

fn facts(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

impl UploadSource for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn read(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes, Box<dyn Error + Send + Sync>>> {
        let (file, as_it_was) = (Arc::clone(&self.file), (self.size, self.changed));
        let read = move || -> io::Result<Bytes> {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut bytes)?;
            match facts(&file.metadata()?) == as_it_was {
                true => Ok(bytes.into()),
                false => Err(io::Error::other("it has changed since the upload began")),
            }
        };
        Box::pin(async move { Ok(tokio::task::spawn_blocking(read).await??) })
    }
}
