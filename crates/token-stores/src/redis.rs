//! One key per entry, on a server that many machines share.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ::redis::{AsyncCommands, Client, SetExpiry, SetOptions, aio::MultiplexedConnection};
use tokio::sync::Mutex;
use unattended_core::{BoxFuture, Clock};
use unattended_identity::{StoreError, StoreKey, TokenStore};

/// Entries of other programs on the same server have other names.
const PREFIX: &str = "unattended:token:";

/// A Redis server. Connects when it is first asked, and again after a connection has failed; the server itself forgets
/// what has expired.
#[derive(Clone)]
pub struct RedisStore {
    client: Client,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
    clock: Arc<dyn Clock>,
}

impl RedisStore {
    /// A server by its URL, such as `redis://host:6379/0` or `redis+unix:///run/redis/redis.sock`. Sends nothing.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn new(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        // What the library says may quote the URL, which may hold a password.
        let client = Client::open(url).map_err(|_| StoreError::new("this is no URL of a Redis server"))?;
        Ok(Self { client, connection: Arc::default(), clock })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let connection = self.client.get_multiplexed_async_connection().await.map_err(StoreError::new)?;
        Ok(kept.insert(connection).clone())
    }

    /// The result, or the failure; after a failure the next one connects anew.
    async fn checked<T>(&self, result: ::redis::RedisResult<T>) -> Result<T, StoreError> {
        if result.is_err() {
            *self.connection.lock().await = None;
        }
        result.map_err(StoreError::new)
    }
}

impl TokenStore for RedisStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let found = connection.get(format!("{PREFIX}{key}")).await;
            self.checked(found).await
        })
    }

    fn save<'a>(
        &'a self,
        key: &'a StoreKey,
        sealed: Vec<u8>,
        expires_at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let left = expires_at.duration_since(self.clock.now()).unwrap_or_default().as_secs();
            if left == 0 {
                return Ok(());
            }
            let mut connection = self.connection().await?;
            let options = SetOptions::default().with_expiration(SetExpiry::EX(left));
            let saved = connection.set_options(format!("{PREFIX}{key}"), sealed, options).await;
            self.checked(saved).await
        })
    }
}

impl fmt::Debug for RedisStore {
    /// Not the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore")
    }
}
