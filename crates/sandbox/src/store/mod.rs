//! Everything the tenant knows, in one SQLite database.
//!
//! Directory objects (applications, service principals, users) are JSON documents; what has to be found fast is a
//! generated column over the document, so that there is one truth and no copy to keep in step. Pages go by key, never
//! by offset: the last page of a million users costs what the first one does. Times are Unix seconds.
//!
//! What nearly every request asks for is remembered until the next write (`cached`), and lists are cut from the
//! documents as text (`text`, `layout`).
//!
//! A file is in WAL mode with one writer and a few readers that never wait for it. A database in memory has one
//! connection for everything.

pub(crate) mod assignments;
mod cached;
pub(crate) mod changes;
mod connections;
pub(crate) mod credentials;
pub(crate) mod deleted;
pub(crate) mod drives;
mod error;
pub(crate) mod extensions;
pub(crate) mod federation;
pub(crate) mod key_vault;
pub(crate) mod layout;
pub(crate) mod links;
pub(crate) mod managed_identities;
pub(crate) mod objects;
pub(crate) mod paging;
mod permissions;
pub(crate) mod principals;
mod ranges;
pub(crate) mod revocations;
mod schema;
mod seed;
mod settings;
mod snapshots;
pub(crate) mod tenants;
pub(crate) mod text;
mod time;
pub(crate) mod trusted_subjects;
pub(crate) mod vault;

pub(crate) use self::cached::Cached;
pub(crate) use self::connections::Store;
pub(crate) use self::credentials::{Holder, KeyCredential, PasswordCredential};
pub(crate) use self::error::StoreError;
pub(crate) use self::extensions::ExtensionProperty;
pub(crate) use self::federation::FederatedCredential;
pub(crate) use self::key_vault::{VAULT_APP_ID, VAULT_RESOURCE};
pub(crate) use self::objects::{Object, Table};
pub(crate) use self::paging::{Condition, Order, PageQuery, Position};
pub(crate) use self::permissions::GRAPH_APP_ID;
pub(crate) use self::principals::{Application, ServicePrincipal, normalized_name};
pub(crate) use self::ranges::{Range, Ranges};
pub(crate) use self::seed::Seed;
pub(crate) use self::settings::SECRETS;
pub(crate) use self::snapshots::UNFINISHED;
pub(crate) use self::tenants::Tenant;
pub(crate) use self::time::timestamp;
pub(crate) use self::trusted_subjects::TrustedSubject;
pub(crate) use rusqlite::types::Value as SqlValue;
