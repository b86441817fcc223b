//! The store in one SQLite file: one writer thread, write-ahead log.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, named_params};
use tokio::sync::oneshot;
use unattended_core::BoxFuture;

use super::{
    Answer, Claim, Claimed, End, Hold, Intent, JobKey, JournalEntry, Lease, Operation, Pending, Run,
    RunRecord, Store, StoreError, schema,
};
use crate::{files, millis};

/// How long finished runs and their journals are kept.
const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A [`Store`] in one file, for all processes of one machine.
///
/// Its statements run one after another on a thread of their own, in the order in which they were asked for. With
/// `synchronous = NORMAL` a power loss may take the last commits, never half of one: a job then repeats its last step.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    locks: PathBuf,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

impl SqliteStore {
    /// Opens the file or makes it (mode 0600), with its directory. Lock files go into `locks` beside it.
    ///
    /// # Errors
    /// The file cannot be used, is damaged, belongs to another program, or was written by a newer version of this one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let refused = |error| StoreError::file(path, error);
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        files::create_private_directory(directory).map_err(refused)?;
        // SQLite would make it readable by all; the log files take the mode of the main file.
        drop(files::open_private(path).map_err(refused)?);

        let failed = |error| StoreError::database("be opened", path, error);
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let finding: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if finding != "ok" {
            return Err(StoreError::corrupt(path, finding));
        }
        schema::migrate(&mut connection, path)?;

        let (work, queue) = mpsc::channel::<Work>();
        let thread = std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || {
                while let Ok(work) = queue.recv() {
                    work(&mut connection);
                }
                // What the planner knows decides whether a claim stays fast as the tables grow.
                if let Err(error) = connection.execute_batch("PRAGMA optimize") {
                    tracing::debug!(%error, "the statistics of the state were not refreshed");
                }
            })
            .map_err(refused)?;
        Ok(Self {
            path: path.to_owned(),
            locks: directory.join("locks"),
            work: Some(work),
            thread: Some(thread),
        })
    }

    /// Runs `body` as one transaction on the writer thread. Once it is queued it happens, even if nobody waits.
    fn transact<T: Send + 'static>(
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

impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

enum Refusal {
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

impl Store for SqliteStore {
    fn hold(&self, job: &JobKey) -> BoxFuture<'_, Result<Hold, StoreError>> {
        let hold = Hold::lock(&self.locks, job);
        async move { hold }.boxed()
    }

    fn schedule(&self, job: &JobKey, run_id: &str, due: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        let (key, run_id, due) = (job.clone(), run_id.to_owned(), millis::from_time(due));
        self.transact("schedule a run", move |transaction| {
            transaction
                .prepare_cached(
                    "DELETE FROM runs WHERE tenant = ?1 AND job = ?2 AND due > ?3 AND state = 'due'",
                )?
                .execute((&key.tenant, &key.job, due))?;
            transaction
                .prepare_cached("INSERT OR IGNORE INTO runs (tenant, job, due, id) VALUES (?1, ?2, ?3, ?4)")?
                .execute((&key.tenant, &key.job, due, &run_id))?;
            Ok(())
        })
    }

    fn pending(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<Pending>, StoreError>> {
        let key = job.clone();
        self.transact("find the next run", move |transaction| Ok(pending(transaction, &key)?))
    }

    fn claim(&self, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let run_id = run_id.to_owned();
        self.transact("claim a run", move |transaction| {
            let parked = transaction
                .prepare_cached(
                    "UPDATE runs SET state = 'parked', finished_at = :now, lease_until = NULL, report = :reason
                     WHERE id = :id AND state IN ('running', 'interrupted') AND attempts >= :attempts
                       AND (:held OR coalesce(lease_until, 0) <= :now)",
                )?
                .execute(named_params! {
                    ":id": run_id,
                    ":now": millis::from_time(claim.now),
                    ":held": claim.held,
                    ":attempts": claim.attempts,
                    ":reason": format!("\"parked after {} attempts without progress\"", claim.attempts),
                })?;
            if parked > 0 {
                return Ok(Claimed::Parked);
            }
            Ok(claim_run(transaction, &run_id, &claim)?.map_or(Claimed::Taken, Claimed::Run))
        })
    }

    fn begin(&self, job: &JobKey, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let (key, run_id) = (job.clone(), run_id.to_owned());
        self.transact("begin a run", move |transaction| {
            let unfinished = transaction
                .prepare_cached(
                    "SELECT id FROM runs WHERE tenant = ?1 AND job = ?2 AND state IN ('running', 'interrupted')
                     ORDER BY due LIMIT 1",
                )?
                .query_row((&key.tenant, &key.job), |row| row.get::<_, String>(0))
                .optional()?;
            let id = match unfinished {
                Some(id) => id,
                None => {
                    insert_at_or_after(transaction, &key, &run_id, millis::from_time(claim.now))?;
                    run_id
                }
            };
            Ok(claim_run(transaction, &id, &claim)?.map_or(Claimed::Taken, Claimed::Run))
        })
    }

    fn renew(&self, lease: &Lease, until: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        let (lease, until) = (lease.clone(), millis::from_time(until));
        self.transact("renew a lease", move |transaction| {
            fenced(
                transaction,
                &lease,
                "UPDATE runs SET lease_until = ?3 WHERE id = ?1 AND fence = ?2 AND state = 'running'",
                until,
            )
        })
    }

    fn give_back(
        &self,
        lease: &Lease,
        not_before: Option<SystemTime>,
        refund: bool,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (lease, not_before) = (lease.clone(), not_before.map_or(0, millis::from_time));
        self.transact("give a run back", move |transaction| {
            fenced(
                transaction,
                &lease,
                if refund {
                    "UPDATE runs SET state = 'interrupted', lease_until = NULL, not_before = ?3,
                            attempts = max(attempts - 1, 0)
                     WHERE id = ?1 AND fence = ?2 AND state = 'running'"
                } else {
                    "UPDATE runs SET state = 'interrupted', lease_until = NULL, not_before = ?3
                     WHERE id = ?1 AND fence = ?2 AND state = 'running'"
                },
                not_before,
            )
        })
    }

    fn finish(
        &self,
        lease: &Lease,
        end: End,
        report: String,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (lease, now) = (lease.clone(), millis::from_time(now));
        self.transact("finish a run", move |transaction| {
            check_fence(transaction, &lease)?;
            transaction
                .prepare_cached(
                    "UPDATE runs SET state = ?2, finished_at = ?3, report = ?4, lease_until = NULL WHERE id = ?1",
                )?
                .execute((&lease.run_id, if end == End::Done { "done" } else { "failed" }, now, report))?;
            clear_checkpoint(transaction, &lease)?;
            let horizon = now - i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX);
            transaction.prepare_cached("DELETE FROM runs WHERE finished_at < ?1")?.execute([horizon])?;
            Ok(())
        })
    }

    fn checkpoint(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let key = job.clone();
        self.transact("read a checkpoint", move |transaction| {
            Ok(transaction
                .prepare_cached("SELECT body FROM checkpoints WHERE tenant = ?1 AND job = ?2")?
                .query_row((&key.tenant, &key.job), |row| row.get(0))
                .optional()?)
        })
    }

    fn save_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.clone();
        self.transact("save a checkpoint", move |transaction| {
            note_progress(transaction, &lease)?;
            let Some(checkpoint) = checkpoint else {
                return Ok(clear_checkpoint(transaction, &lease)?);
            };
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO checkpoints (tenant, job, fence, run, body)
                     SELECT tenant, job, fence, id, ?2 FROM runs WHERE id = ?1",
                )?
                .execute((&lease.run_id, &checkpoint))?;
            Ok(())
        })
    }

    fn journal_sent(&self, lease: &Lease, writes: Vec<Intent>) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.clone();
        self.transact("journal writes", move |transaction| {
            check_fence(transaction, &lease)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO journal (run, sequence, key, operation, digest, sent_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for write in &writes {
                let operation = match write.operation {
                    Operation::Create => "create",
                    Operation::Update => "update",
                };
                insert.execute((
                    &lease.run_id,
                    i64::try_from(write.sequence).unwrap_or(i64::MAX),
                    &write.key,
                    operation,
                    &write.digest,
                    millis::from_time(write.sent_at),
                ))?;
            }
            Ok(())
        })
    }

    fn journal_answered(&self, lease: &Lease, answers: Vec<Answer>) -> BoxFuture<'_, Result<(), StoreError>> {
        let lease = lease.clone();
        self.transact("journal answers", move |transaction| {
            note_progress(transaction, &lease)?;
            let mut update = transaction.prepare_cached(
                "UPDATE journal SET answered_at = ?3, status = ?4, request_id = ?5
                 WHERE run = ?1 AND sequence = ?2",
            )?;
            for answer in &answers {
                update.execute((
                    &lease.run_id,
                    i64::try_from(answer.sequence).unwrap_or(i64::MAX),
                    millis::from_time(answer.answered_at),
                    answer.status,
                    &answer.request_id,
                ))?;
            }
            Ok(())
        })
    }

    fn journal(&self, run_id: &str) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>> {
        let run_id = run_id.to_owned();
        self.transact("read the journal", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT sequence, key, operation, digest, sent_at, answered_at, status, request_id
                 FROM journal WHERE run = ?1 ORDER BY sequence",
            )?;
            Ok(statement.query_map([&run_id], journal_entry)?.collect::<Result<_, _>>()?)
        })
    }

    fn history(&self, job: &JobKey, limit: u32) -> BoxFuture<'_, Result<Vec<RunRecord>, StoreError>> {
        let key = job.clone();
        self.transact("read the history", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT id, state, due, finished_at, attempts, report FROM runs
                 WHERE tenant = ?1 AND job = ?2 ORDER BY due DESC LIMIT ?3",
            )?;
            let record = |row: &Row<'_>| {
                Ok(RunRecord {
                    run_id: row.get(0)?,
                    state: row.get(1)?,
                    due: millis::to_time(row.get(2)?),
                    finished_at: row.get::<_, Option<i64>>(3)?.map(millis::to_time),
                    attempts: row.get(4)?,
                    report: row.get(5)?,
                })
            };
            Ok(statement.query_map((&key.tenant, &key.job, limit), record)?.collect::<Result<_, _>>()?)
        })
    }
}

fn pending(transaction: &Transaction<'_>, key: &JobKey) -> rusqlite::Result<Option<Pending>> {
    transaction
        .prepare_cached(
            "SELECT id, max(due, not_before, coalesce(lease_until, 0)), due FROM runs
             WHERE tenant = ?1 AND job = ?2 AND state IN ('due', 'running', 'interrupted')
             ORDER BY state = 'due', due LIMIT 1",
        )?
        .query_row((&key.tenant, &key.job), |row| {
            Ok(Pending {
                run_id: row.get(0)?,
                ready_at: millis::to_time(row.get(1)?),
                due: millis::to_time(row.get(2)?),
            })
        })
        .optional()
}

/// Lease, fence and attempt in one statement; no other run of the job may be alive.
fn claim_run(transaction: &Transaction<'_>, id: &str, claim: &Claim) -> rusqlite::Result<Option<Run>> {
    transaction
        .prepare_cached(
            "UPDATE runs SET state = 'running', owner = :owner, lease_until = :until, fence = fence + 1,
                    attempts = attempts + 1
             WHERE id = :id AND state IN ('due', 'running', 'interrupted')
               AND (:held OR NOT EXISTS (
                   SELECT 1 FROM runs AS other
                   WHERE other.tenant = runs.tenant AND other.job = runs.job
                     AND other.state = 'running' AND other.lease_until > :now))
             RETURNING fence, due, attempts",
        )?
        .query_row(
            named_params! {
                ":id": id,
                ":owner": claim.owner,
                ":now": millis::from_time(claim.now),
                ":until": millis::from_time(claim.now + claim.lease),
                ":held": claim.held,
            },
            |row| {
                let fence: i64 = row.get(0)?;
                Ok(Run {
                    lease: Lease { run_id: id.to_owned(), fence },
                    due: millis::to_time(row.get(1)?),
                    attempts: row.get(2)?,
                    resumed: fence > 1,
                })
            },
        )
        .optional()
}

/// Two runs that a human starts within one millisecond are two runs.
fn insert_at_or_after(
    transaction: &Transaction<'_>,
    key: &JobKey,
    id: &str,
    mut due: i64,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO runs (tenant, job, due, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, job, due) DO NOTHING",
    )?;
    while insert.execute((&key.tenant, &key.job, due, id))? == 0 {
        due += 1;
    }
    Ok(())
}

fn fenced(
    transaction: &Transaction<'_>,
    lease: &Lease,
    statement: &str,
    value: impl rusqlite::ToSql,
) -> Result<(), Refusal> {
    match transaction.prepare_cached(statement)?.execute((&lease.run_id, lease.fence, value))? {
        0 => Err(Refusal::Stale(lease.run_id.clone())),
        _ => Ok(()),
    }
}

fn check_fence(transaction: &Transaction<'_>, lease: &Lease) -> Result<(), Refusal> {
    transaction
        .prepare_cached("SELECT 1 FROM runs WHERE id = ?1 AND fence = ?2 AND state = 'running'")?
        .query_row((&lease.run_id, lease.fence), |_| Ok(()))
        .optional()?
        .ok_or_else(|| Refusal::Stale(lease.run_id.clone()))
}

fn note_progress(transaction: &Transaction<'_>, lease: &Lease) -> Result<(), Refusal> {
    fenced(
        transaction,
        lease,
        "UPDATE runs SET attempts = ?3 WHERE id = ?1 AND fence = ?2 AND state = 'running'",
        1,
    )
}

fn clear_checkpoint(transaction: &Transaction<'_>, lease: &Lease) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM checkpoints WHERE (tenant, job) IN (SELECT tenant, job FROM runs WHERE id = ?1)",
        )?
        .execute([&lease.run_id])?;
    Ok(())
}

fn journal_entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    let sequence = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
    let operation = match row.get::<_, String>(2)?.as_str() {
        "create" => Operation::Create,
        _ => Operation::Update,
    };
    let answer = match row.get::<_, Option<i64>>(5)? {
        Some(answered_at) => Some(Answer {
            sequence,
            status: row.get(6)?,
            request_id: row.get(7)?,
            answered_at: millis::to_time(answered_at),
        }),
        None => None,
    };
    Ok(JournalEntry {
        intent: Intent {
            sequence,
            key: row.get(1)?,
            operation,
            digest: row.get(3)?,
            sent_at: millis::to_time(row.get(4)?),
        },
        answer,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::store::conformance;

    fn open(path: &Path) -> SqliteStore {
        SqliteStore::open(path).unwrap()
    }

    #[tokio::test]
    async fn the_sqlite_store_is_a_store() {
        let directory = tempfile::tempdir().unwrap();
        let number = std::cell::Cell::new(0);
        conformance::every_case(async || {
            number.set(number.get() + 1);
            Arc::new(open(&directory.path().join(number.get().to_string()).join("state.db")))
                as Arc<dyn Store>
        })
        .await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_may_read_the_state() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("deep/state/state.db"));
        let _hold = store.hold(&JobKey { tenant: "t".to_owned(), job: "j".to_owned() }).await.unwrap();
        let mut files = vec![directory.path().join("deep")];
        let mut seen = 0;
        while let Some(path) = files.pop() {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
            seen += 1;
            if path.is_dir() {
                files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        assert!(seen > 4, "the database, its logs and the lock are there");
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_the_file_and_the_way_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        for damage in [&b"this is not a database, however long it may go on"[..], &[0x53; 8192]] {
            std::fs::write(&path, damage).unwrap();
            let error = SqliteStore::open(&path).unwrap_err();
            assert!(error.is_corrupt(), "{error}");
            assert!(error.to_string().contains("state.db is damaged"), "{error}");
            assert!(error.remedy().unwrap().contains("restore"), "{error}");
        }
    }

    // EN-14
    #[tokio::test]
    async fn a_page_that_was_overwritten_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        drop(open(&path));
        let mut bytes = std::fs::read(&path).unwrap();
        for byte in &mut bytes[4096..8192] {
            *byte ^= 0xA5;
        }
        std::fs::write(&path, bytes).unwrap();
        assert!(SqliteStore::open(&path).unwrap_err().is_corrupt());
    }

    #[test]
    fn a_newer_file_and_a_foreign_one_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let newer = directory.path().join("newer.db");
        drop(open(&newer));
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = SqliteStore::open(&newer).unwrap_err();
        assert!(error.to_string().contains("schema 99"), "{error}");

        let foreign = directory.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = SqliteStore::open(&foreign).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let key = JobKey { tenant: "t".to_owned(), job: "j".to_owned() };
        open(&path).schedule(&key, "run", UNIX_EPOCH).await.unwrap();
        assert_eq!(open(&path).pending(&key).await.unwrap().unwrap().run_id, "run");
    }

    // EN-5
    #[tokio::test]
    async fn finding_and_claiming_use_an_index_however_many_runs_wait() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("state.db"));
        let plan = store
            .transact("explain", |transaction| {
                let mut plan = Vec::new();
                for query in [
                    "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE tenant = 't' AND job = 'j'
                     AND state IN ('due', 'running', 'interrupted') ORDER BY state = 'due', due LIMIT 1",
                    "EXPLAIN QUERY PLAN UPDATE runs SET fence = fence + 1 WHERE id = 'x' AND NOT EXISTS (
                     SELECT 1 FROM runs AS other WHERE other.tenant = runs.tenant AND other.job = runs.job
                     AND other.state = 'running' AND other.lease_until > 1)",
                ] {
                    let mut statement = transaction.prepare(query)?;
                    let lines = statement.query_map([], |row| row.get::<_, String>(3))?;
                    plan.extend(lines.collect::<Result<Vec<_>, _>>()?);
                }
                Ok(plan)
            })
            .await
            .unwrap();
        assert!(!plan.iter().any(|line| line.starts_with("SCAN")), "{plan:?}");
    }
}
