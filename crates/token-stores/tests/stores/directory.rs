//! A directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use unattended_identity::TokenOrigin;
use unattended_token_stores::DirectoryStore;

use crate::client::{House, keeps_its_promises};

fn store(house: &House, directory: &Path) -> DirectoryStore {
    DirectoryStore::new(directory.join("tokens"), Arc::new(house.clock.clone()))
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory.join("tokens")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_tokens_for_the_processes_of_a_machine() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    keeps_its_promises(&house, || store(&house, directory.path())).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn its_files_are_private_and_show_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    house.fill("contoso.example", store(&house, directory.path())).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path().join("tokens")), 0o700);
    for file in files(directory.path()) {
        assert_eq!(mode(&file), 0o600);
        let content = std::fs::read(&file).unwrap();
        assert!(!content.windows(6).any(|window| window == b"canary"));
        assert!(!file.to_string_lossy().contains("contoso"));
    }
}

// Cases 85 and 86 of the peers' suites.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_and_a_directory_that_cannot_be_used_are_no_failure() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    house.fill("contoso.example", store(&house, directory.path())).await;
    for content in [&b""[..], b"short", &[0; 500]] {
        for file in files(directory.path()) {
            std::fs::write(file, content).unwrap();
        }
        let replaced = house.fill("contoso.example", store(&house, directory.path())).await;
        let found = house.token("contoso.example", store(&house, directory.path())).await;
        assert_eq!(found, (replaced, TokenOrigin::Store));
    }
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let broken = DirectoryStore::new(file, Arc::new(house.clock.clone()));
    assert_eq!(house.token("contoso.example", broken).await.1, TokenOrigin::Server);
}

// Case 86 of the peers' suites.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_an_end_and_a_pipe_without_a_writer_are_replaced_and_not_read() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    house.fill("contoso.example", store(&house, directory.path())).await;
    let entry = files(directory.path()).remove(0);
    let put: [&dyn Fn(); 2] = [&|| std::os::unix::fs::symlink("/dev/zero", &entry).unwrap(), &|| {
        assert!(std::process::Command::new("mkfifo").arg(&entry).status().unwrap().success())
    }];
    for put in put {
        std::fs::remove_file(&entry).unwrap();
        put();
        let replaced = house.fill("contoso.example", store(&house, directory.path())).await;
        let found = house.token("contoso.example", store(&house, directory.path())).await;
        assert_eq!(found, (replaced, TokenOrigin::Store));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_removed() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    for tenant in ["a.example", "b.example"] {
        house.fill(tenant, store(&house, directory.path())).await;
    }
    assert_eq!(files(directory.path()).len(), 2);
    house.clock.advance(Duration::from_secs(3_601));
    house.fill("c.example", store(&house, directory.path())).await;
    assert_eq!(files(directory.path()).len(), 1);
}
