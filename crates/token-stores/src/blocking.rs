//! File systems block; the runtime's own threads must not.

use unattended_identity::StoreError;

/// Runs `work` where it may block. Dropping the future leaves the work to end by itself.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::new)?
}
