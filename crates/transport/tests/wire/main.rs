//! What the transport does with real connections: to servers of these tests, and of others.

mod connections;
mod exchange;
#[cfg(unix)]
mod nginx;
mod proxies;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod reserved_port;
mod support;
#[cfg(unix)]
mod tinyproxy;
