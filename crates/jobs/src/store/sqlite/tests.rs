//! The SQLite store keeps the word of every store, and some of its own.

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
        Arc::new(open(&directory.path().join(number.get().to_string()).join("state.db"))) as Arc<dyn Store>
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

#[test]
fn processes_that_start_at_once_share_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = directory.path().join(format!("{round}/state.db"));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| drop(open(&path)));
            }
        });
    }
}

// EN-14
#[tokio::test]
async fn a_log_that_ends_anywhere_costs_its_last_commits_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let store = open(&path);
    let key = JobKey { tenant: "t".to_owned(), job: "j".to_owned() };
    for number in 0..20 {
        store.schedule(&key, &number.to_string(), UNIX_EPOCH + Duration::from_secs(number)).await.unwrap();
    }
    let log = std::fs::read(directory.path().join("state.db-wal")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for length in (0..log.len()).step_by(3_989).chain([log.len()]) {
        let copy = tempfile::tempdir().unwrap();
        let copied = copy.path().join("state.db");
        std::fs::copy(&path, &copied).unwrap();
        std::fs::write(copy.path().join("state.db-wal"), &log[..length]).unwrap();
        let kept = open(&copied).history(&key, 100).await.unwrap();
        let mut ids: Vec<u64> = kept.iter().map(|run| run.run_id.parse().unwrap()).collect();
        ids.reverse();
        assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>(), "a log of {length} bytes");
        seen.insert(ids.len());
    }
    assert!(seen.len() > 10 && seen.contains(&20), "{seen:?}");
}

// EN-5
#[tokio::test]
async fn finding_and_claiming_use_an_index_however_many_runs_wait() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("state.db"));
    let plan = store
        .writer
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

#[tokio::test]
async fn the_newest_of_ten_thousand_runs_are_found_without_looking_at_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("state.db"));
    let plan: Vec<String> = store
        .writer
        .transact("fill and explain", |transaction| {
            transaction.execute_batch(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                 INSERT INTO runs (id, tenant, job, due, state, finished_at, report)
                 SELECT 'run-' || i, 't', 'j', i * 1000, 'done', i * 1000, '{}' FROM n",
            )?;
            let mut statement = transaction.prepare(&format!("EXPLAIN QUERY PLAN {HISTORY}"))?;
            let lines = statement.query_map(("t", "j", 50), |row| row.get(3))?;
            Ok(lines.collect::<Result<_, _>>()?)
        })
        .await
        .unwrap();
    assert!(!plan.iter().any(|line| line.starts_with("SCAN") || line.contains("TEMP B-TREE")), "{plan:?}");
    let key = JobKey { tenant: "t".to_owned(), job: "j".to_owned() };
    let history = store.history(&key, 50).await.unwrap();
    assert_eq!((history.len(), history[0].run_id.as_str()), (50, "run-10000"));
}

#[tokio::test]
async fn a_file_of_the_first_schema_becomes_one_of_this_program_and_keeps_its_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let key = JobKey { tenant: "t".to_owned(), job: "j".to_owned() };
    open(&path).schedule(&key, "run", UNIX_EPOCH).await.unwrap();
    let first = "ALTER TABLE runs DROP COLUMN began_at; DROP TABLE memories; PRAGMA user_version = 1";
    Connection::open(&path).unwrap().execute_batch(first).unwrap();
    let history = open(&path).history(&key, 9).await.unwrap();
    assert_eq!((history.len(), history[0].began_at), (1, None));
}
