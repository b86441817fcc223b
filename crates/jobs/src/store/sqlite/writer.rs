//! The one thread that touches the file.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use futures_util::FutureExt as _;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;
use unattended_core::BoxFuture;

use crate::store::StoreError;

/// A queue of transactions and the thread that does them, one after another.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

impl Writer {
    pub(super) fn start(path: &Path, mut connection: Connection) -> std::io::Result<Self> {
        let (work, queue) = mpsc::channel::<Work>();
        let thread = std::thread::Builder::new().name("state".to_owned()).spawn(move || {
            while let Ok(work) = queue.recv() {
                work(&mut connection);
            }
            // What the planner knows decides whether a claim stays fast as the tables grow.
            if let Err(error) = connection.execute_batch("PRAGMA optimize") {
                tracing::debug!(%error, "the statistics of the state were not refreshed");
            }
        })?;
        Ok(Self { path: path.to_owned(), work: Some(work), thread: Some(thread) })
    }

    /// Runs `body` as one transaction on the writer thread. Once it is queued it happens, even if nobody waits.
    pub(super) fn transact<T: Send + 'static>(
        &self,
        doing: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        let path = self.path.clone();
        let work: Work = Box::new(move |connection| {
            let result = in_transaction(connection, body).map_err(|refusal| match refusal {
                Refusal::Database(error) => StoreError::database(doing, &path, error),
                Refusal::Stale(run_id) => StoreError::stale(&run_id),
            });
            // Whoever asked may be gone; what was asked is done all the same.
            let _ = reply.send(result);
        });
        let sent = self.work.as_ref().is_some_and(|queue| queue.send(work).is_ok());
        async move {
            if !sent {
                return Err(StoreError::closed());
            }
            answer.await.unwrap_or_else(|_| Err(StoreError::closed()))
        }
        .boxed()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

/// Why a transaction was rolled back.
pub(super) enum Refusal {
    Database(rusqlite::Error),
    Stale(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    body: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = body(&transaction)?;
    transaction.commit()?;
    Ok(value)
}
