//! The statements that are more than one line, and those that several methods share.

use rusqlite::{OptionalExtension as _, Row, Transaction, named_params};

use super::writer::Refusal;
use crate::millis;
use crate::store::{Answer, Claim, Intent, JobKey, JournalEntry, Lease, Operation, Pending, Run, RunRecord};

pub(super) fn pending(transaction: &Transaction<'_>, key: &JobKey) -> rusqlite::Result<Option<Pending>> {
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
pub(super) fn claim_run(
    transaction: &Transaction<'_>,
    id: &str,
    claim: &Claim,
) -> rusqlite::Result<Option<Run>> {
    transaction
        .prepare_cached(
            "UPDATE runs SET state = 'running', owner = :owner, lease_until = :until, fence = fence + 1,
                    attempts = attempts + 1, began_at = :now
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
pub(super) fn insert_at_or_after(
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

pub(super) fn fenced(
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

pub(super) fn check_fence(transaction: &Transaction<'_>, lease: &Lease) -> Result<(), Refusal> {
    transaction
        .prepare_cached("SELECT 1 FROM runs WHERE id = ?1 AND fence = ?2 AND state = 'running'")?
        .query_row((&lease.run_id, lease.fence), |_| Ok(()))
        .optional()?
        .ok_or_else(|| Refusal::Stale(lease.run_id.clone()))
}

pub(super) fn note_progress(transaction: &Transaction<'_>, lease: &Lease) -> Result<(), Refusal> {
    fenced(
        transaction,
        lease,
        "UPDATE runs SET attempts = ?3 WHERE id = ?1 AND fence = ?2 AND state = 'running'",
        1,
    )
}

pub(super) fn clear_checkpoint(transaction: &Transaction<'_>, lease: &Lease) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM checkpoints WHERE (tenant, job) IN (SELECT tenant, job FROM runs WHERE id = ?1)",
        )?
        .execute([&lease.run_id])?;
    Ok(())
}

pub(super) const HISTORY: &str =
    "SELECT id, state, due, began_at, lease_until, not_before, finished_at, attempts, fence, report FROM runs
     WHERE tenant = ?1 AND job = ?2 ORDER BY due DESC LIMIT ?3";

/// A row of [`HISTORY`].
pub(super) fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let time = |index: usize| row.get::<_, Option<i64>>(index).map(|millis| millis.map(millis::to_time));
    let not_before: i64 = row.get(5)?;
    Ok(RunRecord {
        run_id: row.get(0)?,
        state: row.get(1)?,
        due: millis::to_time(row.get(2)?),
        began_at: time(3)?,
        lease_until: time(4)?,
        not_before: (not_before != 0).then(|| millis::to_time(not_before)),
        finished_at: time(6)?,
        attempts: row.get(7)?,
        resumed: row.get::<_, i64>(8)? > 1,
        report: row.get(9)?,
    })
}

pub(super) fn journal_entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
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
