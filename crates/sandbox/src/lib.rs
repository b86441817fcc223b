//! A tenant on this machine: identity platform and directory API over HTTPS, with data that survives a restart.
//!
//! [`Sandbox::builder`] starts one; [`RunningSandbox::ready`] says where it is and who may administer it. What real
//! clients can tell from the cloud is meant to be the same: token requests are authenticated, scopes and permissions
//! are enforced, errors carry the platform's codes in the platform's shape. Nothing that answers is canned.
//!
//! | module | is |
//! |---|---|
//! | `authority` | the identity platform: discovery, keys, token endpoint |
//! | `directory` | the Graph-compatible API |
//! | [`people`] | plausible people, the same for the same seed |
//! | `store` | everything that is kept |
//! | `server`, `tls`, `data_directory` | how it is served, and where it lives |

mod authority;
mod data_directory;
mod directory;
mod error;
pub mod people;
mod sandbox;
mod server;
mod store;
mod tls;

pub use error::SandboxError;
pub use sandbox::{Administrator, Ready, RunningSandbox, Sandbox, SandboxBuilder};
