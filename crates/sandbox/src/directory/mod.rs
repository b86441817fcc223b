//! The directory API of the tenant: Microsoft Graph's subset for registration and provisioning.
//!
//! Every request becomes a [`Request`](exchange::Request), is authorized against one table of permissions
//! (`routes`, `access`), and is answered by plain blocking code; `$batch` answers its inner requests the same way.
//! What is known about the types is data (`schema`): it decides what a client may select, filter by and write.

mod access;
mod application_parts;
mod applications;
mod assignments;
mod batch;
mod body;
mod collection;
mod credentials;
mod deleted_items;
mod delta;
mod directory_objects;
mod drives;
mod etag;
mod exchange;
mod expand;
mod extension_properties;
mod fault;
mod federated_credentials;
mod groups;
mod http;
mod json;
mod lag;
mod memberships;
mod navigation;
mod odata;
mod organization;
mod pages;
mod permission_grants;
mod projection;
mod proof;
mod route_table;
mod routes;
mod schema;
mod service_principals;
#[cfg(test)]
mod tests;
mod throttle;
mod uploads;
mod users;
mod written;

use std::fmt;
use std::sync::Arc;

use unattended_core::{Clock, Entropy};

pub(crate) use self::batch::is_batch;
pub(crate) use self::http::{MOUNT, refusal, router};
pub(crate) use self::lag::Lag;
use self::odata::SkipTokens;
pub(crate) use self::pages::Pages;
pub(crate) use self::throttle::Throttle;
pub(crate) use self::uploads::is_slice;
use crate::admission::Admission;
use crate::authority::unix_seconds;
use crate::control::Control;
use crate::intake::Intake;
use crate::store::{Store, StoreError};

/// The directory API and what it needs.
pub(crate) struct Directory {
    pub(crate) store: Arc<Store>,
    pub(crate) control: Arc<Control>,
    /// What callers have left of their quotas.
    pub(crate) throttle: Throttle,
    pub(crate) pages: Pages,
    pub(crate) lag: Lag,
    pub(crate) intake: Arc<Intake>,
    /// The time in the sandbox.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Admits the tokens whose audience is Microsoft Graph.
    pub(crate) admission: Arc<Admission>,
    /// The URL under which `/v1.0` is found, without a trailing slash: `https://localhost:PORT/graph`.
    pub(crate) base_url: String,
}

impl Directory {
    /// Page tokens stay good when the sandbox starts again, so that their key is in the store.
    fn skip_tokens(&self) -> Result<SkipTokens, StoreError> {
        let life = i64::try_from(self.control.settings().page_life.as_secs()).unwrap_or(i64::MAX);
        let key = self.store.secret_setting("skip-token-key")?;
        Ok(SkipTokens::new(&key, unix_seconds(self.clock.now()), life))
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
