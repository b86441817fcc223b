//! Managed identities: the machine's own, and those that are assigned to it. Programs that run on it get tokens from an
//! address that only the machine reaches, without any credential.
//!
//! | host | path | who may ask |
//! |---|---|---|
//! | a virtual machine (instance metadata service) | `/metadata/identity/oauth2/token` | who sends `Metadata: true` |
//! | App Service, Functions, Container Apps | `/managed-identity/app-service` | who knows the value of `X-IDENTITY-HEADER` |
//! | a machine with the Arc agent | `/managed-identity/arc` | who can read a file |
//!
//! The cloud serves the first and the last over plain HTTP on addresses of their own. Here they are behind the sandbox's
//! own origin like everything else, where clients look for them when the variables of
//! `unattended sandbox env --managed-identity` say so.

mod host;
mod http;

pub(crate) use self::host::Hosts;
pub(crate) use self::http::router;
