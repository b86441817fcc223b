//! A tenant on this machine: identity platform, directory API and key vault over HTTPS, with data that survives a restart.
//!
//! [`Sandbox::builder`] starts one; [`RunningSandbox::ready`] says where it is and who may administer it. What real
//! clients can tell from the cloud is meant to be the same: token requests are authenticated, scopes and permissions
//! are enforced, errors carry the platform's codes in the platform's shape. Nothing that answers is canned.
//!
//! ```no_run
//! # async fn tenant_for_a_test() -> Result<(), Box<dyn std::error::Error>> {
//! use unattended_sandbox::Sandbox;
//!
//! let sandbox = Sandbox::builder().in_memory().users(100).seed(7).start().await?;
//! let ready = sandbox.ready();
//! let token_endpoint = format!("{}/{}/oauth2/v2.0/token", ready.authority, ready.tenant_id);
//! let trusted = std::fs::read(&ready.ca_file)?;
//! # let _ = (token_endpoint, trusted);
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | is |
//! |---|---|
//! | `authority` | the identity platform: discovery, keys, token endpoint |
//! | `consent` | an administrator's consent, as pages |
//! | `directory` | the Graph-compatible API |
//! | `managed_identity` | the tokens of the machine's own identities |
//! | `vault` | the key vaults, for secrets and certificates |
//! | `admission` | who may ask the directory or a vault anything at all |
//! | [`people`] | plausible people, the same for the same seed |
//! | `control` | what can be changed while it runs, and its time |
//! | `faults`, `journal` | what goes wrong on purpose, and what was asked and answered |
//! | `admin`, `front` | the API that controls it, and what stands before all routes |
//! | `store`, `snapshots` | everything that is kept, and the way back |
//! | `tenants` | the tenants and their administrators |
//! | `server`, `settled`, `tls`, `data_directory` | how it is served, and where it lives |
//! | `counts` | who asked how often |
//! | `form`, `host`, `intake` | forms, queries, hosts and bodies as they are sent |

mod admin;
mod admission;
mod authority;
mod consent;
mod control;
mod counts;
mod data_directory;
mod dated;
mod directory;
mod error;
mod faults;
mod form;
mod front;
mod host;
mod intake;
mod journal;
mod managed_identity;
mod mutual_tls;
mod outbound;
pub mod people;
mod ready;
mod sandbox;
mod server;
mod settled;
mod snapshots;
mod store;
mod tenants;
mod tls;
mod vault;

pub use error::SandboxError;
pub use ready::{Administrator, Ready};
#[cfg(feature = "in-process")]
pub use sandbox::SandboxInProcess;
pub use sandbox::{RunningSandbox, Sandbox, SandboxBuilder};
pub use tenants::TenantAccess;
