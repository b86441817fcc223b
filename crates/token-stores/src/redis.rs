//! One key per entry, on a server that many machines share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisResult, SetExpiry, SetOptions};
use unattended_core::{BoxFuture, Clock};
use unattended_identity::{StoreError, StoreKey, TokenStore};

/// Entries of other programs on the same server have other names.
const PREFIX: &str = "unattended:token:";

/// A Redis server. Connects when it is first asked, and again after a connection has failed or was not waited for any longer;
/// the server itself forgets what has expired.
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

    async fn connection(&self) -> Result<Lent<'_>, StoreError> {
        let kept = self.kept().clone();
        let connection = match kept {
            Some(connection) => connection,
            None => {
                // Whoever asks has a limit on its own clock.
                let patient =
                    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
                let made = self.client.get_multiplexed_async_connection_with_config(&patient).await;
                let made = made.map_err(StoreError::new)?;
                self.kept().insert(made).clone()
            }
        };
        Ok(Lent { store: self, connection, is_sound: false })
    }

    fn kept(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection in the hands of one request. Unless that gets its answer, the next request connects anew: a connection
/// whose other side is gone would not answer that one either, and it can take a quarter of an hour until TCP notices.
struct Lent<'a> {
    store: &'a RedisStore,
    connection: MultiplexedConnection,
    is_sound: bool,
}

impl Lent<'_> {
    fn end<T>(mut self, result: RedisResult<T>) -> Result<T, StoreError> {
        self.is_sound = result.is_ok();
        result.map_err(StoreError::new)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if !self.is_sound {
            *self.store.kept() = None;
        }
    }
}

impl TokenStore for RedisStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let mut lent = self.connection().await?;
            let found = lent.connection.get(format!("{PREFIX}{key}")).await;
            lent.end(found)
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
            let mut lent = self.connection().await?;
            let options = SetOptions::default().with_expiration(SetExpiry::EX(left));
            let saved = lent.connection.set_options(format!("{PREFIX}{key}"), sealed, options).await;
            lent.end(saved)
        })
    }
}

impl fmt::Debug for RedisStore {
    /// Not the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore")
    }
}
