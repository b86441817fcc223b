//! SQLite.

use std::sync::Arc;

use unattended_token_stores::SqliteStore;

use crate::client::{House, keeps_its_promises};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_keeps_tokens_for_the_processes_of_a_machine() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let path = directory.path().join("tokens.db");
    keeps_its_promises(&house, || SqliteStore::open(&path, Arc::new(house.clock.clone())).unwrap()).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!content.windows(6).any(|window| window == b"canary"));
    }
}

#[test]
fn what_is_no_database_is_told_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.db");
    std::fs::write(&path, [7; 4_096]).unwrap();
    assert!(SqliteStore::open(&path, Arc::new(House::new().clock)).is_err());
}
