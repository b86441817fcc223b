//! SQLite.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use unattended_identity::{Freshness, TokenOrigin};
use unattended_token_stores::SqliteStore;

use crate::client::{House, keeps_its_promises};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_keeps_tokens_for_the_processes_of_a_machine() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let path = directory.path().join("tokens.db");
    let store = || SqliteStore::new(&path, Arc::new(house.clock.clone()));
    // Whoever closes it last takes the log away, which is looked into below.
    let open = store();
    house.fill("first.example", open.clone()).await;
    keeps_its_promises(&house, store).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!content.windows(6).any(|window| window == b"canary"));
    }
}

// 85, 86 (section 3.7)
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_costs_its_help_and_not_the_start_until_it_is_gone() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let path = directory.path().join("tokens.db");
    std::fs::write(&path, [7; 4_096]).unwrap();
    let process = house.process("a.example", SqliteStore::new(&path, Arc::new(house.clock.clone())));
    assert_eq!(process.acquire(Freshness::Cached).await.unwrap().origin(), TokenOrigin::Server);
    assert_eq!(process.client().store_statistics().unwrap().failures, 1);
    assert_eq!(std::fs::read(&path).unwrap(), [7; 4_096], "whatever it is, it is not ours to overwrite");

    std::fs::remove_file(&path).unwrap();
    house.clock.advance(Duration::from_secs(31));
    let token = process.acquire(Freshness::Forced).await.unwrap();
    process.client().store_settled().await;
    let another = SqliteStore::new(&path, Arc::new(house.clock.clone()));
    assert_eq!(house.token("a.example", another).await, (token.expose().to_owned(), TokenOrigin::Store));
}

// 86 (section 3.7)
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_damaged_while_it_is_open_is_opened_anew_once_it_is_gone() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let path = directory.path().join("tokens.db");
    let store = SqliteStore::new(&path, Arc::new(house.clock.clone()));
    house.fill("a.example", store.clone()).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::write(file.unwrap().path(), [7; 4_096]).unwrap();
    }
    let process = house.process("b.example", store);
    assert_eq!(process.acquire(Freshness::Cached).await.unwrap().origin(), TokenOrigin::Server);
    process.client().store_settled().await;
    assert_eq!(process.client().store_statistics().unwrap().failures, 1);

    for file in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    house.clock.advance(Duration::from_secs(31));
    let token = process.acquire(Freshness::Forced).await.unwrap();
    process.client().store_settled().await;
    let another = SqliteStore::new(&path, Arc::new(house.clock.clone()));
    assert_eq!(house.token("b.example", another).await, (token.expose().to_owned(), TokenOrigin::Store));
}

/// Tells the test below, started once more in a process of its own, which database to lock.
const TO_LOCK: &str = "UNATTENDED_TEST_DATABASE_TO_LOCK";
const LOCKED: &str = "the database is locked";

/// Another process, in the middle of a write.
struct Writer(Child);

impl Writer {
    fn start(database: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "sqlite::a_database_that_another_process_keeps_locked_is_read_and_is_no_failure",
                "--exact",
            ])
            .arg("--nocapture")
            .env(TO_LOCK, database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with(LOCKED)), "it ended without a lock");
        Self(process)
    }

    /// What it does there.
    fn lock(database: &Path) {
        let connection = rusqlite::Connection::open(database).unwrap();
        // Who wrote before may be about to close it.
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
        std::io::stdout().write_all(format!("{LOCKED}\n").as_bytes()).unwrap();
        // Until the other side closes it, or is no more.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

// 85 (section 3.7)
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "it tells the two processes of this test apart")]
async fn a_database_that_another_process_keeps_locked_is_read_and_is_no_failure() {
    if let Some(database) = std::env::var_os(TO_LOCK) {
        return Writer::lock(Path::new(&database));
    }
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let path = directory.path().join("tokens.db");
    let store = || SqliteStore::new(&path, Arc::new(house.clock.clone()));
    let kept = house.fill("a.example", store()).await;

    let writer = Writer::start(&path);
    assert_eq!(house.token("a.example", store()).await, (kept, TokenOrigin::Store), "reading goes on");
    let process = house.process("b.example", store());
    let token = process.acquire(Freshness::Cached).await.unwrap();
    assert_eq!(token.origin(), TokenOrigin::Server);
    let failures = || process.client().store_statistics().unwrap().failures;
    while failures() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(failures(), 1, "it could not be written, which only the statistics tell");

    writer.end();
    let written = house.fill("b.example", store()).await;
    assert_eq!(house.token("b.example", store()).await, (written, TokenOrigin::Store));
}
