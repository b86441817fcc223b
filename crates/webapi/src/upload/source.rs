//! Where the bytes of an upload come from.

use std::error::Error;

use bytes::Bytes;
use unattended_core::BoxFuture;

/// Something with a size that can be read from any place in it.
pub trait UploadSource: Send + Sync {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// What tells this content from others, so that one that was changed is not joined to slices of the old one: for a
    /// file the time of its last change and a digest of its beginning.
    fn fingerprint(&self) -> String;

    /// The bytes from `offset` on, `length` of them.
    fn read(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes, Box<dyn Error + Send + Sync>>>;
}
