//! Every store keeps the same promises; each is tried with real clients, which also tests that what they leave there
//! is of use to one another.

mod client;
mod directory;
#[cfg(feature = "redis")]
mod redis_server;
#[cfg(feature = "sqlite")]
mod sqlite;
