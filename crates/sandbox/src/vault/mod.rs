//! The tenants' vaults: the data plane of a key vault, for secrets and certificates.
//!
//! Each tenant has one vault, named as the tenant is: `contoso`. It is found below a path of the sandbox's own origin,
//! which every machine resolves, and under a host name of its own, which clients trust without being told to
//! (`address`). Who may do what is decided by roles that applications were granted (`roles`).
//!
//! | file | is |
//! |---|---|
//! | `address` | where a vault is, and which of its addresses a client used |
//! | `http`, `call`, `fault` | from HTTP to a handler and back; who calls; refusals |
//! | `roles` | which role allows which action |
//! | `objects` | what secrets and certificates have in common: list, delete, recover, purge |
//! | `secrets`, `certificates` | each of the two |
//! | `attributes`, `key_material` | what both are made of |

mod address;
mod attributes;
mod call;
mod certificates;
mod fault;
mod http;
mod key_material;
mod objects;
pub(crate) mod roles;
mod secrets;
#[cfg(test)]
mod tests;
mod throttle;

use std::fmt;
use std::sync::Arc;

use unattended_core::{Clock, Entropy};
use unattended_protect::ValidatorBuilder;

pub(crate) use self::address::{by_host, vault_url};
pub(crate) use self::http::router;
pub(crate) use self::throttle::Throttle;
use crate::admission::Admission;
use crate::authority::Origin;
use crate::control::Control;
use crate::store::{Store, VAULT_APP_ID, VAULT_RESOURCE};

/// The vaults and what they need.
pub(crate) struct Vaults {
    pub(crate) store: Arc<Store>,
    pub(crate) control: Arc<Control>,
    /// What the vaults have left of their quotas.
    pub(crate) throttle: Throttle,
    /// The time in the sandbox.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Admits the tokens whose audience is the vault.
    pub(crate) admission: Admission,
    pub(crate) origin: Origin,
}

/// The names under which clients get tokens for a vault at this origin.
pub(crate) fn audiences(mut validator: ValidatorBuilder, origin: &Origin) -> ValidatorBuilder {
    validator = validator.audience(VAULT_APP_ID);
    for name in [VAULT_RESOURCE, &origin.vault_resource()] {
        validator = validator.audience(name).audience(format!("{name}/"));
    }
    validator
}

impl fmt::Debug for Vaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vaults").field("origin", &self.origin).finish_non_exhaustive()
    }
}
