//! Where sealed tokens can be kept and shared. All three know bytes and keys only: what they are given is encrypted and
//! authenticated for its key by [`unattended_identity`], so that none of them can read, change or mix up a token.
//!
//! | store | for | feature |
//! |---|---|---|
//! | [`DirectoryStore`] | the processes of one machine, and the next start of each | |
//! | `SqliteStore` | the same, in one file | `sqlite` |
//! | `RedisStore` | many machines | `redis` |
//!
//! A store that fails is no failure of a token: the client leaves it alone for half a minute and asks the server.

mod blocking;
mod directory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use crate::directory::DirectoryStore;
#[cfg(feature = "redis")]
pub use crate::redis::RedisStore;
#[cfg(feature = "sqlite")]
pub use crate::sqlite::SqliteStore;
