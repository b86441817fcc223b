//! The store in one SQLite file: one writer thread, write-ahead log.

mod schema;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use rusqlite::{Connection, OptionalExtension as _, named_params};
use unattended_core::BoxFuture;
use unattended_files as files;

use self::statements::{
    HISTORY, check_fence, claim_run, clear_checkpoint, fenced, insert_at_or_after, journal_entry,
    note_progress, pending, run_record,
};
use self::writer::{Refusal, Writer};
use super::{
    Answer, Claim, Claimed, End, Hold, Intent, JobKey, JournalEntry, Lease, Operation, Pending, RunRecord,
    Store, StoreError,
};
use crate::millis;

/// How long finished runs and their journals are kept.
const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A [`Store`] in one file, for all processes of one machine.
///
/// Its statements run one after another on a thread of their own, in the order in which they were asked for. With
/// `synchronous = NORMAL` a power loss may take the last commits, never half of one: a job then repeats its last step.
#[derive(Debug)]
pub struct SqliteStore {
    locks: PathBuf,
    writer: Writer,
}

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
        let locks = directory.join("locks");
        files::create_private_directory(&locks).map_err(refused)?;
        // Who turns a new file to WAL does not wait for another who does the same: SQLite says at once that it is busy.
        let opening = files::open_private(&locks.join("opening")).map_err(refused)?;
        opening.lock().map_err(refused)?;

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

        let writer = Writer::start(path, connection).map_err(refused)?;
        Ok(Self { locks, writer })
    }
}

impl Store for SqliteStore {
    fn hold(&self, job: &JobKey) -> BoxFuture<'_, Result<Hold, StoreError>> {
        let hold = Hold::lock(&self.locks, job);
        async move { hold }.boxed()
    }

    fn schedule(&self, job: &JobKey, run_id: &str, due: SystemTime) -> BoxFuture<'_, Result<(), StoreError>> {
        let (key, run_id, due) = (job.clone(), run_id.to_owned(), millis::from_time(due));
        self.writer.transact("schedule a run", move |transaction| {
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
        self.writer.transact("find the next run", move |transaction| Ok(pending(transaction, &key)?))
    }

    fn claim(&self, run_id: &str, claim: Claim) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let run_id = run_id.to_owned();
        self.writer.transact("claim a run", move |transaction| {
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
        self.writer.transact("begin a run", move |transaction| {
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
        self.writer.transact("renew a lease", move |transaction| {
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
        reason: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (lease, not_before) = (lease.clone(), not_before.map_or(0, millis::from_time));
        self.writer.transact("give a run back", move |transaction| {
            let returned = transaction
                .prepare_cached(
                    "UPDATE runs SET state = 'interrupted', lease_until = NULL, not_before = ?3, report = ?4,
                            attempts = iif(?4 IS NULL, max(attempts - 1, 0), attempts)
                     WHERE id = ?1 AND fence = ?2 AND state = 'running'",
                )?
                .execute((&lease.run_id, lease.fence, not_before, &reason))?;
            if returned == 0 { Err(Refusal::Stale(lease.run_id)) } else { Ok(()) }
        })
    }

    fn finish(
        &self,
        lease: &Lease,
        end: End,
        report: String,
        now: SystemTime,
        memory: Option<String>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let (lease, now) = (lease.clone(), millis::from_time(now));
        self.writer.transact("finish a run", move |transaction| {
            check_fence(transaction, &lease)?;
            transaction
                .prepare_cached(
                    "UPDATE runs SET state = ?2, finished_at = ?3, report = ?4, lease_until = NULL WHERE id = ?1",
                )?
                .execute((&lease.run_id, if end == End::Done { "done" } else { "failed" }, now, report))?;
            clear_checkpoint(transaction, &lease)?;
            if let Some(memory) = memory {
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO memories (tenant, job, body)
                         SELECT tenant, job, ?2 FROM runs WHERE id = ?1",
                    )?
                    .execute((&lease.run_id, &memory))?;
            }
            let horizon = now - i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX);
            transaction.prepare_cached("DELETE FROM runs WHERE finished_at < ?1")?.execute([horizon])?;
            Ok(())
        })
    }

    fn memory(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let key = job.clone();
        self.writer.transact("read what a job remembers", move |transaction| {
            Ok(transaction
                .prepare_cached("SELECT body FROM memories WHERE tenant = ?1 AND job = ?2")?
                .query_row((&key.tenant, &key.job), |row| row.get(0))
                .optional()?)
        })
    }

    fn checkpoint(&self, job: &JobKey) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        let key = job.clone();
        self.writer.transact("read a checkpoint", move |transaction| {
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
        self.writer.transact("save a checkpoint", move |transaction| {
            let Some(checkpoint) = checkpoint else {
                check_fence(transaction, &lease)?;
                return Ok(clear_checkpoint(transaction, &lease)?);
            };
            note_progress(transaction, &lease)?;
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
        self.writer.transact("journal writes", move |transaction| {
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
        self.writer.transact("journal answers", move |transaction| {
            if answers.iter().any(Answer::is_success) {
                note_progress(transaction, &lease)?;
            } else {
                check_fence(transaction, &lease)?;
            }
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
        self.writer.transact("read the journal", move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT sequence, key, operation, digest, sent_at, answered_at, status, request_id
                 FROM journal WHERE run = ?1 ORDER BY sequence",
            )?;
            Ok(statement.query_map([&run_id], journal_entry)?.collect::<Result<_, _>>()?)
        })
    }

    fn history(&self, job: &JobKey, limit: u32) -> BoxFuture<'_, Result<Vec<RunRecord>, StoreError>> {
        let key = job.clone();
        self.writer.transact("read the history", move |transaction| {
            let mut statement = transaction.prepare_cached(HISTORY)?;
            Ok(statement.query_map((&key.tenant, &key.job, limit), run_record)?.collect::<Result<_, _>>()?)
        })
    }
}
