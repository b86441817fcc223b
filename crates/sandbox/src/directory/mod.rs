//! The directory API of the tenant: Microsoft Graph's subset for registration and provisioning.
//!
//! Every request becomes a value, is authorized against one table of permissions, and is answered by plain blocking
//! code; `$batch` answers its inner requests the same way.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use unattended_core::{Clock, Entropy};
use unattended_protect::Validator;

use crate::store::Store;

/// What the directory API needs.
pub(crate) struct Directory {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Validates tokens whose audience is Microsoft Graph.
    pub(crate) validator: Arc<Validator>,
    /// The URL under which `/v1.0` is found, without a trailing slash: `https://localhost:PORT/graph`.
    pub(crate) base_url: String,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The routes `/v1.0` and `/beta`, to be nested at the path of [`Directory::base_url`].
pub(crate) fn router(directory: Arc<Directory>) -> Router {
    let _ = directory;
    Router::new()
}
