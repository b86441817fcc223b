//! Exports that are killed, and that end as if they had not been.

mod support;

use std::path::Path;
use std::sync::Arc;

use support::{Directory, Fault, run, run_or_die, run_or_die_in_store};
use unattended_jobs::{Outcome, Work};

const USERS: usize = 47;

/// What an undisturbed run writes.
fn expected() -> String {
    let line = |number| {
        format!("{{ \"displayName\" :  \"사람 {number}\",\"id\" :  \"id-{number}\", \"weight\":1.50e1}}\n")
    };
    (0..USERS).map(line).collect()
}

fn written(directory: &Path) -> String {
    assert!(!directory.join("users.ndjson.partial").exists());
    std::fs::read_to_string(directory.join("users.ndjson")).unwrap()
}

fn server() -> Arc<Directory> {
    Directory::with_users(10, USERS)
}

// ST-1
#[tokio::test]
async fn items_are_written_byte_for_byte_one_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = server();
    let report = run(directory.path(), &server.export(directory.path())).await.unwrap();
    assert_eq!(written(directory.path()), expected());
    assert_eq!((report.outcome, report.pages, report.items), (Outcome::Done, 5, USERS as u64));
    assert_eq!(report.output.as_deref(), Some(&*directory.path().join("users.ndjson")));
    assert!(!report.resumed && report.restarted.is_none());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(directory.path().join("users.ndjson")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_empty_collection_is_an_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = Directory::new(10);
    let report = run(directory.path(), &server.export(directory.path())).await.unwrap();
    assert_eq!((written(directory.path()).as_str(), report.pages, report.items), ("", 1, 0));
}

// PG-8, ST-1, EN-1
#[tokio::test]
async fn an_export_killed_at_any_call_ends_as_an_undisturbed_one() {
    for call in 1..=5 {
        let directory = tempfile::tempdir().unwrap();
        let server = server();
        let job = server.export(directory.path());
        server.fail(call, Fault::DieAfter);
        assert!(run_or_die(directory.path(), &job, &server).await.is_none());
        // Bytes that were on their way when the power went.
        let partial = directory.path().join("users.ndjson.partial");
        let mut bytes = std::fs::read(&partial).unwrap();
        bytes.extend(b"{ \"displayName\" : half a li");
        std::fs::write(&partial, bytes).unwrap();

        let report = run(directory.path(), &job).await.unwrap();
        assert_eq!(written(directory.path()), expected());
        assert!(report.resumed && report.restarted.is_none());
        assert_eq!((report.pages, report.items), (5, USERS as u64));
        assert_eq!(server.calls(), 5 + 1, "only the call that died is repeated");
    }
}

// PG-8, EN-1
#[tokio::test]
async fn an_export_killed_at_any_call_of_the_store_ends_as_an_undisturbed_one() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for call in 1.. {
            let directory = tempfile::tempdir().unwrap();
            let server = server();
            let job = server.export(directory.path());
            let ended = run_or_die_in_store(directory.path(), &job, call, fault.clone()).await;
            let is_undisturbed = ended.is_some();
            let report = match ended {
                Some(report) => report.unwrap(),
                None => run(directory.path(), &job).await.unwrap(),
            };
            assert_eq!((report.outcome, report.items), (Outcome::Done, USERS as u64), "{fault:?} {call}");
            assert_eq!(written(directory.path()), expected());
            if is_undisturbed {
                assert_eq!(call, 11, "hold, begin, checkpoint, begin anew, five pages, finish");
                break;
            }
            assert!(report.restarted.is_none());
        }
    }
}

// PG-8, EN-2
#[tokio::test]
async fn an_export_killed_again_and_again_makes_its_way() {
    let directory = tempfile::tempdir().unwrap();
    let server = server();
    let job = server.export(directory.path());
    let mut kills = 0;
    loop {
        server.fail(server.calls() + 1 + kills % 2, Fault::DieAfter);
        match run_or_die(directory.path(), &job, &server).await {
            None => kills += 1,
            Some(report) => break assert!(report.unwrap().resumed),
        }
        if kills == 20 {
            break drop(run(directory.path(), &job).await.unwrap());
        }
    }
    assert!(kills > 4);
    assert_eq!(written(directory.path()), expected());
}

// PG-8
#[tokio::test]
async fn an_expired_place_begins_anew_once_and_says_so() {
    for (status, code) in [(400, "Directory_ExpiredPageToken"), (410, "syncStateNotFound")] {
        let directory = tempfile::tempdir().unwrap();
        let server = server();
        server.fail(3, Fault::Answer(status, code));
        let report = run(directory.path(), &server.export(directory.path())).await.unwrap();
        assert_eq!(report.restarted.as_deref(), Some("the server no longer knows where it was"));
        assert_eq!((report.items, written(directory.path())), (USERS as u64, expected()));

        server.fail(server.calls() + 3, Fault::Answer(status, code));
        server.fail(server.calls() + 6, Fault::Answer(status, code));
        let error = run(directory.path(), &server.export(directory.path())).await.unwrap_err();
        assert_eq!(error.call().unwrap().code(), Some(code));
        // The last good export stays.
        assert_eq!(std::fs::read_to_string(directory.path().join("users.ndjson")).unwrap(), expected());
    }
}

#[tokio::test]
async fn a_changed_address_and_a_lost_file_begin_anew() {
    let directory = tempfile::tempdir().unwrap();
    let server = server();
    let mut job = server.export(directory.path());
    server.fail(3, Fault::DieBefore);
    assert!(run_or_die(directory.path(), &job, &server).await.is_none());
    let Work::Export(export) = &mut job.work else { panic!("it is one") };
    export.read = "/users?$select=id".to_owned();
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!(report.restarted.as_deref(), Some("it reads something else now"));
    assert!(written(directory.path()).starts_with("{ \"id\" :  \"id-0\", \"weight\""));

    server.fail(server.calls() + 3, Fault::DieBefore);
    assert!(run_or_die(directory.path(), &job, &server).await.is_none());
    std::fs::remove_file(directory.path().join("users.ndjson.partial")).unwrap();
    let report = run(directory.path(), &job).await.unwrap();
    assert_eq!(report.restarted.as_deref(), Some("what it had written is gone"));
    assert_eq!(report.items, USERS as u64);
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_page_twice() {
    let directory = tempfile::tempdir().unwrap();
    let server = server();
    let job = server.export(directory.path());
    server.fail(4, Fault::Answer(503, "serviceNotAvailable"));
    let error = run(directory.path(), &job).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.call().unwrap().status().unwrap().as_u16(), 503);
    let report = run(directory.path(), &job).await.unwrap();
    assert!(report.resumed);
    assert_eq!((written(directory.path()), server.calls()), (expected(), 6));
}
