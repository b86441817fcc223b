//! A tenant on this machine: identity platform and directory API.

mod authority;
mod directory;
pub mod people;
mod sandbox;
mod server;
mod store;
mod tls;

pub use sandbox::{Administrator, Ready, RunningSandbox, Sandbox, SandboxBuilder, SandboxError};
